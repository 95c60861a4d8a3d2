"""Why a made thing is another: because somebody changed its own settings, or because what it was made from did.

Read from what the versions say of themselves: their settings and their parents.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llmops_pipelines.lifecycle.lake import Version

from .bundles import Bundle, differing, learnt_from, told
from .corpora import changed
from .parts import ANSWERING, CHUNKER, DOCUMENTS, EMBEDDER, PROMPT, QUESTIONS, RETRIEVER, TRAINING, chunker, documents, embedder

LEARNT = ("training_examples", "preference_pairs")
ROWS = {"prompt": PROMPT, "passages": RETRIEVER, "refusal": ANSWERING, "embedder": EMBEDDER}  # of the training rows' settings


@dataclass(frozen=True)
class Origin:
    """Sentences about its own settings, and the parts that it follows from, with `weights` where these can be counted."""

    own: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)


def tuned_from(good: Bundle, bad: Bundle) -> Origin:
    """Whether other retrieval settings were written by somebody, or measured on another index."""
    a, b = (side.part("retrieval_settings").config for side in (good, bad))
    if a and b and a.get("retrieval") != b.get("retrieval"):
        return Origin((told(differing(a.get("retrieval"), b.get("retrieval"))),), ())
    if not (a and b) and good.asking.reranker != bad.asking.reranker:
        return Origin()
    roots = tuple(look(good, bad).name for look in (documents, chunker, embedder) if look(good, bad))
    if not roots and a and b and a.get("questions") != b.get("questions"):
        moved = told(differing(good.asking.described(), bad.asking.described()))
        return Origin((f"tuned anew, since the questions of the train side changed: {moved}",))
    return Origin((), roots)


def trained_from(good: Bundle, bad: Bundle) -> Origin:
    """Why the checkpoint is another."""
    assert good.trained is not None and bad.trained is not None
    a, b = good.trained.config, bad.trained.config
    own = []
    if a and b:
        own += [f"recipe: {changes}"] if (changes := told(differing(a.get("recipe"), b.get("recipe")))) else []
        own += [f"DeepSpeed: {changes}"] if (changes := told(differing(a.get("deepspeed"), b.get("deepspeed")))) else []
    elif good.trained.json("checkpoint").get("recipe_digest") != bad.trained.json("checkpoint").get("recipe_digest"):
        own.append("the recipe changed")
    if good.trained.manifest["code"] != bad.trained.manifest["code"]:
        own.append("the code of training changed")
    rows = [_rows_from(good, bad, asset) for asset in LEARNT]
    roots = tuple(dict.fromkeys(root for each in rows for root in each.roots))
    weights = {} if own else next((each.weights for each in rows if each.weights), {})
    return Origin((*own, *(said for each in rows for said in each.own)), roots, weights)


def _rows_from(good: Bundle, bad: Bundle, asset: str) -> Origin:
    """Why what was learnt from is another."""
    a, b = (learnt_from(side, asset) for side in (good, bad))
    if a is None or b is None or a.digest == b.digest:
        return Origin()
    own, roots = [], []
    learnt: set[str] = set()
    for key, before, after in _settings(a.config, b.config):
        if key in ROWS:
            roots.append(ROWS[key])
        elif key == "rows":
            learnt = _questions_moved(good, bad, before, after, roots)
        else:
            own.append(f"training rows: {told(differing(before, after, key))}")
    if good.part("documents").digest != bad.part("documents").digest:
        roots.append(DOCUMENTS)  # also where only consent or trust changed: these decide what may be learnt
    roots += [CHUNKER] if chunker(good, bad) else []
    if "index" in a.parents:  # people's words are placed by searching
        roots += [EMBEDDER] if good.embedder != bad.embedder else []
    if a.manifest["code"] != b.manifest["code"]:
        own.append("the code of the training rows changed")
    if learnt:
        lines = f"training rows: {len(learnt)} questions of the train side changed"
        if not own and DOCUMENTS in roots:
            return Origin((lines,), (DOCUMENTS, TRAINING), _counted(good, bad, a, b))
        own.append(lines)
    if not own and not roots:
        own.append("training rows changed")
    return Origin(tuple(own), tuple(roots))


def _counted(good: Bundle, bad: Bundle, a: Version, b: Version) -> dict[str, float]:
    """How many of the training rows that differ are about changed documents, and how many are not."""
    changes = changed(good.part("documents"), bad.part("documents"))
    tables = [side.table(columns=["example_id", "doc_ids"]).to_pylist() for side in (a, b)]
    rows = [{row["example_id"]: row["doc_ids"] for row in table} for table in tables]
    found = [rows[0].get(name) or rows[1].get(name) or [] for name in rows[0].keys() ^ rows[1].keys()]
    about = sum(any(doc_id in changes for doc_id in doc_ids) for doc_ids in found)
    return {DOCUMENTS: float(about), TRAINING: float(len(found) - about)}


def _settings(a: Any, b: Any) -> Iterator[tuple[str, Any, Any]]:
    for key in sorted({*(a or {}), *(b or {})}):
        before, after = (a or {}).get(key), (b or {}).get(key)
        if before != after:
            yield key, before, after


def _questions_moved(good: Bundle, bad: Bundle, before: Any, after: Any, roots: list[str]) -> set[str]:
    """Ids of the lines of the question files that differ on the train side; those of the evaluation side are the eval set's
    business."""
    rows = [{row["id"]: row for row in side or []} for side in (before, after)]
    ids = {name for name in {*rows[0], *rows[1]} if rows[0].get(name) != rows[1].get(name)}
    asked = {name for side in (good, bad) for name in side.part("eval_questions").table(columns=["id"])["id"].to_pylist()}
    if ids and not ids - asked:
        roots.append(QUESTIONS)
    return ids - asked
