"""Which questions belong together, and how well each such slice is answered: a mean can hide that one source fails.

A slice of few questions has no interval: the bootstrap of three numbers would promise what it cannot know.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .rows import Row, Score, Scores
from .statistics import interval

FEW = 5  # scores below which no interval is given
SHORT, MEDIUM = 7, 13  # words: up to 7 a short question, up to 13 a medium one


@dataclass(frozen=True)
class Member:
    """A question is in the slice `slice` = `value`."""

    question_id: str
    slice: str
    value: str


@dataclass(frozen=True)
class Origin:
    """What the corpus says about a document."""

    source: str
    language: str


@dataclass(frozen=True)
class Part:
    """One metric of one slice; `mean`, `low` and `high` are None where too little was measured."""

    slice: str
    value: str
    metric: str
    mean: float | None
    low: float | None
    high: float | None
    n: int
    coverage: float


def members(rows: Iterable[Row], documents: dict[str, Origin]) -> list[Member]:
    """The slices of every question: source, language, topic (where given), length and answerable."""
    return [Member(row.id, name, value) for row in rows for name, value in _values(row, documents) if value]


def _values(row: Row, documents: dict[str, Origin]) -> Iterator[tuple[str, str | None]]:
    known = [documents[doc_id] for doc_id in row.documents if doc_id in documents]
    yield "source", _one({origin.source for origin in known})
    yield "language", row.language or _one({origin.language for origin in known})
    yield "topic", row.topic
    words = len(row.question.split())
    yield "length", "short" if words <= SHORT else "medium" if words <= MEDIUM else "long"
    yield "answerable", "yes" if row.answerable else "no"


def _one(values: set[str]) -> str | None:
    return "several" if len(values) > 1 else next(iter(values), None)


def parts(found: Iterable[Member], scores: Scores) -> list[Part]:
    """Every metric of every slice that holds a question with a score or an error in it."""
    within: dict[tuple[str, str], set[str]] = {}
    for member in found:
        within.setdefault((member.slice, member.value), set()).add(member.question_id)
    made = []
    for (name, value), ids in sorted(within.items()):
        for metric, rows in scores.items():
            if chosen := [row for row in rows if row.question_id in ids]:
                made.append(Part(name, value, metric, **_measured(chosen)))
    return made


def _measured(rows: list[Score]) -> dict[str, Any]:
    values = [row.score for row in rows if row.score is not None]
    coverage = len(values) / len(rows)
    if not values:
        return {"mean": None, "low": None, "high": None, "n": 0, "coverage": coverage}
    if len(values) < FEW:
        return {"mean": sum(values) / len(values), "low": None, "high": None, "n": len(values), "coverage": coverage}
    return {**vars(interval(values)), "coverage": coverage}
