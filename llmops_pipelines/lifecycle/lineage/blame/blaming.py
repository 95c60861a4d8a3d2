"""Finding the guilty part: mixes of the two products are measured, the change is shared out among the parts, and guilty
documents are found by reversing them.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.release.candidate import Candidate

from .answer import Blame, Documents, Part
from .attribution import EXACT, needed
from .bundles import Bundle
from .corpora import changed
from .culprits import Court, culprits, learnt, scenes
from .hybrids import Doors
from .measuring import NOTHING, Measured
from .parts import DOCUMENTS, TRAINING
from .sharing import flipped_of, interaction_of, parts_of, total_of
from .verdicts import conclude, is_noise, sentence

Say = Callable[[str], None]


def quiet(said: str) -> None:
    """For callers that show no progress."""


def blame(
    lake: Lake,
    good: Candidate,
    bad: Candidate,
    doors: Doors,
    *,
    metric: str = "token_f1",
    project: Path | None = None,
    seed: int = 0,
    say: Say = quiet,
    names: tuple[str, str] = ("good", "bad"),
) -> Blame:
    """Which part of `bad` made `metric` worse than in `good`, and within the documents which ones.

    `names` is what a person calls the two, `say` hears what is being measured, `seed` draws the orders of swapping where too
    many parts differ to try all. Raises `BlameError` when the metric was not measured, or the two lack parts to swap.
    """
    began = time.perf_counter()
    doors = doors if project is None else replace(doors, project=project)
    measured = Measured.of(Bundle(lake, good), Bundle(lake, bad), doors, metric)
    found = _found(measured, seed, say, names)
    return replace(
        found,
        hybrids=measured.hybrids.made,
        reused=measured.hybrids.reused,
        seconds=round(time.perf_counter() - began, 2),
    )


def _found(measured: Measured, seed: int, say: Say, names: tuple[str, str]) -> Blame:
    listed = [Part(each.name, each.said) for each in measured.everything]
    if listed:
        measured.measure([NOTHING, measured.all_of_it], say)
    total = total_of(measured)
    unchanged = Blame("noise" if listed else "same", "", *names, total, listed, notes=measured.yard.notes)
    if not listed or is_noise(total):
        return replace(unchanged, sentence=sentence(unchanged))
    terms = measured.terms(seed)
    measured.measure(needed([*terms.values(), *map(measured.alone, terms)]), say)
    bootstrap = measured.bootstrap()
    found = conclude(
        replace(
            unchanged,
            parts=parts_of(measured, terms, bootstrap),
            interaction=interaction_of(measured, terms, bootstrap),
            flipped=flipped_of(measured, terms),
            sampled=len(terms) - measured.judge_moved > EXACT,
        )
    )
    return _drilled(measured, found, say)


def _drilled(measured: Measured, found: Blame, say: Say) -> Blame:
    """Which documents, where the documents are guilty."""
    part = next((each for each in found.parts if each.name == DOCUMENTS and each.guilty), None)
    if part is None or not found.found_guilt:
        return found
    documents = _tried(measured, say)
    if any(each.name == TRAINING for each in part.through):
        documents = replace(documents, learnt=learnt(measured.good, measured.bad))
    reversed_by: dict[str, list[str]] = {}
    for each in documents.guilty:
        for name in each.questions:
            reversed_by.setdefault(name, []).append(each.doc_id)
    flipped = [replace(each, documents=reversed_by.get(each.id, ())) for each in found.flipped]
    drilled = replace(found, documents=documents, flipped=flipped)
    return replace(drilled, sentence=sentence(drilled))


def _tried(measured: Measured, say: Say) -> Documents:
    """Group testing, where documents can be swapped by themselves and that flips a question."""
    changes = changed(measured.good.part("documents"), measured.bad.part("documents"))
    swapped = any(each.name == DOCUMENTS for each in measured.players)
    places = scenes(measured.values, measured.mix) if swapped else []
    if not places or not places[0].flipped:
        return Documents((), (), len(changes), 0, 0, 0, 0, True)
    say(f"group testing: which documents restore {len(places[0].flipped)} flipped questions")
    return culprits(Court(measured.hybrids, measured.scorer, measured.yard, places[0], changes))
