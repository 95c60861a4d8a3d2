"""Within guilty documents: the smallest set whose reversal restores the questions that flipped, each trial a real index.

Suspects of a question are changed documents among its passages, then and now, and those that its answer stands in. Where they
do not explain it, what surfaced in the trials is suspected as well, and at last every changed document.
"""

import difflib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.lake import Lake

from .answer import Documents, GuiltyDocument
from .attribution import Coalition
from .bundles import Bundle, learnt_from
from .corpora import Change, between, changed
from .hunting import Case, hunt
from .hybrids import Hybrids
from .parts import DOCUMENTS, QUESTIONS
from .questions import Yardstick
from .scoring import Given, Scored, Scorer
from .sharing import FLIP

RESTORED = 0.05  # points that a restored question may lie below where it was
TRIALS = 28  # rebuilt indexes
FEW = 256  # changed documents up to which all of them are suspected in the end
EDITS, LINES = 8, 14  # documents whose edit is shown, and lines of it

Lines = list[tuple[Literal[" ", "-", "+"], str]]


@dataclass(frozen=True)
class Scene:
    """Where the documents are swapped: all else as in `mix`; scores of each question before and after the swap."""

    mix: frozenset[str]
    bad_questions: bool
    before: Scored
    after: Scored

    @property
    def flipped(self) -> list[str]:
        """The questions that lost most first."""
        lost = {name: score - self.after[name] for name, score in self.before.items() if name in self.after}
        return sorted((name for name, fall in lost.items() if fall >= FLIP), key=lambda name: (-lost[name], name))


def scenes(values: Mapping[Coalition, Scored], mix_of: Callable[[Coalition], frozenset[str]]) -> list[Scene]:
    """Every pair of measured coalitions that the documents alone tell apart, the one with the most flipped questions first;
    with as many, the one with most else as in the good product."""
    found = [
        Scene(mix_of(coalition), QUESTIONS in coalition, scores, values[coalition | {DOCUMENTS}])
        for coalition, scores in sorted(values.items(), key=lambda each: (len(each[0]), sorted(each[0])))
        if DOCUMENTS not in coalition and coalition | {DOCUMENTS} in values
    ]
    return sorted(found, key=lambda scene: -len(scene.flipped))


@dataclass
class Court:
    """Tries reversals. `surfaced` collects the changed documents that came up for each question in a trial."""

    hybrids: Hybrids
    scorer: Scorer
    yard: Yardstick
    scene: Scene
    changes: Mapping[str, Change]
    known: dict[frozenset[str], set[str]] = field(default_factory=dict)
    surfaced: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        asked = self.yard.side(self.scene.bad_questions)
        self.questions = {name: asked[name] for name in self.scene.flipped}
        self.texts = sorted({each.question for each in self.questions.values()})
        self.swapped = self.scene.mix | {DOCUMENTS}
        self.spec = self.hybrids.spec(self.swapped)
        self.sides = [self.hybrids.answers(mix, self.texts) for mix in (self.scene.mix, self.swapped)]

    @property
    def trials(self) -> int:
        return len(self.known)

    def read(self, name: str) -> set[str]:
        """Changed documents that a question's answer was read from, then or now, or that it should have been read from."""
        question = self.questions[name]
        seen = [self._seen(side.get(question.question), self.spec.passages) for side in self.sides]
        return set().union(*seen) | self._changed(question.documents)

    def found(self, name: str) -> set[str]:
        """Those that were among its passages, read or not."""
        return set().union(*(self._seen(side.get(self.questions[name].question)) for side in self.sides))

    def all_changed(self, name: str) -> set[str]:
        """Every changed document, where these are few."""
        return set(self.changes) if len(self.changes) <= FEW else set()

    def restored(self, undone: Collection[str]) -> set[str]:
        """The questions that are as good as before when these documents are as they were."""
        if (chosen := frozenset(undone)) not in self.known:
            self.known[chosen] = self._tried(chosen)
        return self.known[chosen]

    def _tried(self, undone: frozenset[str]) -> set[str]:
        good, bad = self.hybrids.good.part("documents"), self.hybrids.bad.part("documents")
        documents = between(self.hybrids.trials, good, bad, undone)
        said = self.hybrids.answers(self.swapped, self.texts, documents)
        scores = self.scorer.scores(self.questions, said, self.spec.refusal, self.spec.passages, self.spec.retrieves)
        for name, each in self.questions.items():
            self.surfaced.setdefault(name, set()).update(self._seen(said.get(each.question)))
        return {name for name, score in scores.items() if score >= self.scene.before[name] - RESTORED}

    def _seen(self, said: Given | None, first: int | None = None) -> set[str]:
        return self._changed((said.documents or ())[:first]) if said else set()

    def _changed(self, names: Collection[str]) -> set[str]:
        return {name for name in names if name in self.changes}


def culprits(court: Court) -> Documents:
    """The guilty documents with the questions that each explains."""
    cases = _explained(court)
    by_document: dict[str, list[str]] = {}
    for name, case in cases.items():
        for doc_id in case.found or ():
            by_document.setdefault(doc_id, []).append(name)
    confirmed = len(court.restored(by_document) & cases.keys()) if by_document else 0
    ranked = sorted(by_document, key=lambda doc_id: (-len(by_document[doc_id]), doc_id))
    shown = edits(court.hybrids.good.lake, [court.changes[each] for each in ranked])
    return Documents(
        guilty=[
            GuiltyDocument(doc_id, court.changes[doc_id].kind, sorted(by_document[doc_id]), 0, edit)
            for doc_id, edit in zip(ranked, shown, strict=True)
        ],
        learnt=(),
        changed=len(court.changes),
        flipped=len(court.questions),
        explained=len(cases),
        confirmed=confirmed,
        trials=court.trials,
        whole=all(case.whole for case in cases.values()),
    )


def _explained(court: Court) -> dict[str, Case]:
    """Question -> the documents that restore it; suspicion widens where it was too narrow."""
    cases: dict[str, Case] = {}
    tried: dict[str, set[str]] = {name: set() for name in court.questions}
    for suspected in (court.read, court.found, lambda name: court.surfaced.get(name, set()), court.all_changed):
        wider = {name: tried[name] | suspected(name) for name in court.questions if name not in cases}
        wider = {name: each for name, each in wider.items() if each - tried[name]}
        tried |= wider
        found = hunt(wider, court.restored, TRIALS - court.trials)
        cases |= {name: case for name, case in found.items() if case.found is not None}
    return cases


def learnt(good: Bundle, bad: Bundle) -> list[GuiltyDocument]:
    """The changed documents whose training rows are not those of before, most rows first."""
    changes = changed(good.part("documents"), bad.part("documents"))
    counts: Counter[str] = Counter()
    for asset in ("training_examples", "preference_pairs"):
        versions = [version for side in (good, bad) if (version := learnt_from(side, asset))]
        if len(versions) < 2:
            continue
        tables = [version.table(columns=["example_id", "doc_ids"]).to_pylist() for version in versions]
        rows = [{row["example_id"]: row["doc_ids"] for row in table} for table in tables]
        for name in rows[0].keys() ^ rows[1].keys():
            counts.update(doc_id for doc_id in (rows[0].get(name) or rows[1][name]) if doc_id in changes)
    return [GuiltyDocument(doc_id, changes[doc_id].kind, (), rows) for doc_id, rows in counts.most_common()]


def edits(lake: Lake, changes: list[Change]) -> list[Lines]:
    """What became of the text of each document, line by line; of the first few, and not every line."""
    return [_edit(lake, change) if number < EDITS else [] for number, change in enumerate(changes)]


def _edit(lake: Lake, change: Change) -> Lines:
    before, after = (_lines(lake, content) for content in (change.before, change.after))
    found: Lines = []
    for line in difflib.ndiff(before, after):
        if line[0] in "+-":
            found.append(("+" if line[0] == "+" else "-", line[2:]))
    if len(found) > LINES:
        found = [*found[:LINES], (" ", f"... and {len(found) - LINES} more lines")]
    return found


def _lines(lake: Lake, content: str | None) -> list[str]:
    if content is None:
        return []
    try:
        (text,) = corpus.texts(lake, [content])
    except KeyError:  # forgotten since
        return []
    return [line for line in text.splitlines() if line.strip()]
