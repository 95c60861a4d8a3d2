"""The yardstick: which questions both sides are measured on, and whether the evaluation set itself was changed.

A question that is missing on one side only because its document is must not hide what the loss of the document did: both
sides are asked it. A question that somebody added, removed or rewrote makes the evaluation set a part that can be guilty.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from llmops_pipelines.lifecycle.lake import Version, digest

from .bundles import Bundle

BY_HAND = ("superseded", "duplicate_question")  # why a question was left out that its own file says; the rest is documents'


@dataclass(frozen=True)
class Question:
    """A line of an evaluation set."""

    id: str
    question: str
    answers: tuple[str, ...]
    documents: tuple[str, ...]
    answerable: bool

    @property
    def right(self) -> tuple[Any, ...]:
        """What a score depends on besides the answer and its passages."""
        return self.question, self.answers, self.answerable


@dataclass(frozen=True)
class Yardstick:
    """The questions of each side by id, after both were given those that only the other one's documents allow. `moved` says
    in a sentence what became of the evaluation set itself, empty where nothing did."""

    good: Mapping[str, Question]
    bad: Mapping[str, Question]
    moved: str
    notes: tuple[str, ...]

    def side(self, bad: bool) -> Mapping[str, Question]:
        return self.bad if bad else self.good

    @property
    def texts(self) -> list[str]:
        return sorted({each.question for side in (self.good, self.bad) for each in side.values()})


def yardstick(good: Bundle, bad: Bundle) -> Yardstick:
    """What to measure both sides with."""
    a, b = ({each.id: each for each in _read(side.part("eval_questions"))} for side in (good, bad))
    learns = bad.trained is not None
    lost = _because_of_documents(good, bad, a.keys() - b.keys(), learns)
    gained = _because_of_documents(bad, good, b.keys() - a.keys(), learns)
    both = {name: a[name] for name in lost} | {name: b[name] for name in gained}
    same = {name for name in a.keys() & b.keys() if a[name].right == b[name].right}
    ours = a | both | {name: a[name] for name in same}
    theirs = b | both | {name: a[name] for name in same}  # right documents as they were: a deleted one is still the right one
    return Yardstick(ours, theirs, _moved(a, b, both.keys()), tuple(_notes(lost, gained)))


def _read(version: Version) -> Iterable[Question]:
    for row in version.table(columns=["id", "question", "answers", "documents", "answerable"]).to_pylist():
        yield Question(row["id"], row["question"], tuple(row["answers"]), tuple(row["documents"]), row["answerable"])


def _because_of_documents(having: Bundle, lacking: Bundle, names: Iterable[str], learns: bool) -> set[str]:
    """Those of `names` that one side lacks although its question file has them: their documents were deleted or moved."""
    version = lacking.part("eval_questions")
    dropped = {row["id"]: row["reason"] for row in version.table("dropped").to_pylist()} if _has_reasons(version) else {}
    lines = [_lines(side.part("eval_questions")) for side in (having, lacking)]
    found = set()
    for name in names:
        untouched = lines[0].get(name) == lines[1].get(name) if all(lines) else True
        if name in dropped and dropped[name] not in BY_HAND and untouched:
            found.add(name)
        elif name not in dropped and all(lines) and untouched and not learns and _same_split(having, lacking):
            found.add(name)  # now on the train side; a model that learnt may have read the answer
    return found


def _has_reasons(version: Version) -> bool:
    return version.has("dropped.parquet")


def _lines(version: Version) -> dict[str, str]:
    """The lines of the question files by id, where the version still says them."""
    rows = (version.config or {}).get("rows") or []
    return {row["id"]: digest(row) for row in rows}


def _same_split(a: Bundle, b: Bundle) -> bool:
    shares = [(side.part("eval_questions").config or {}).get("held_out") for side in (a, b)]
    return shares[0] == shares[1]


def _moved(a: Mapping[str, Question], b: Mapping[str, Question], excused: Iterable[str]) -> str:
    known = set(excused)
    rewritten = [name for name in a.keys() & b.keys() if a[name].question != b[name].question]
    answered = [name for name in a.keys() & b.keys() if name not in rewritten and a[name].right != b[name].right]
    counts = {
        "questions added": len(b.keys() - a.keys() - known),
        "removed": len(a.keys() - b.keys() - known),
        "reworded": len(rewritten),
        "with other right answers": len(answered),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _notes(lost: set[str], gained: set[str]) -> Iterable[str]:
    if lost:
        yield (
            f"{len(lost)} questions left the evaluation set only because their documents did; both sides are measured on them"
        )
    if gained:
        yield f"{len(gained)} questions came only because their documents did; both sides are measured on them"
