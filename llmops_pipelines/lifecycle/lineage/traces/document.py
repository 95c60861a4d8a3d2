"""What saw one document, over all releases: its states, passages, points, training rows, checkpoints, and who answers from it.

How it is found is `following.py`, which document a person means `names.py`.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class State:
    """A document as it was in some versions of `documents`. `outcome` is that of the ledger, `absent` where it is in none of
    its lines; `reason` and `detail` say why it was left out. `releases` are those with such a version, in order."""

    outcome: str
    reason: str
    detail: str
    said: dict[str, Any]
    source_sha256: str
    versions: list[str]
    releases: list[int]


@dataclass(frozen=True)
class Passage:
    """A chunk in the release that was asked about. `start` and `end` are characters of the cleaned text. `indexed` is whether
    the index of the release holds it, None when that is gone."""

    chunk_id: str
    ordinal: int
    start: int
    end: int
    page: int
    heading: str
    text: str
    indexed: bool | None


@dataclass(frozen=True)
class Points:
    """An index version and how many of its points are of the document; None when its chunks are gone."""

    index: str
    sequence: int | None
    collection: str
    points: int | None
    releases: list[int]


@dataclass(frozen=True)
class Row:
    """A row of a dataset. `side` is "training" or "evaluation"; `releases` are those that have this row."""

    asset: str
    id: str
    question: str
    origin: str
    side: str
    versions: list[str]
    releases: list[int]


@dataclass(frozen=True)
class Trained:
    """Weights that learnt from it, and by what: digests of the tables or of the weights that they were made from."""

    asset: str
    digest: str
    rows: int
    through: list[str]
    releases: list[int]


@dataclass(frozen=True)
class Saw:
    """A release that serves the document or was trained on it."""

    release: int
    stage: str
    phase: str
    when: str
    points: int | None
    trained: bool
    live_in: list[str]


@dataclass(frozen=True)
class Read:
    """An evaluation question of the release that found the document: at which rank, and whether the model read it."""

    question_id: str
    rank: int
    read: bool


@dataclass(frozen=True)
class DocumentTrace:
    """The answer to "what saw this document?". `release` is the one that passages and questions are of."""

    pipeline: str
    doc_id: str
    release: int
    states: list[State]
    passages: list[Passage]
    points: list[Points]
    rows: list[Row]
    trained: list[Trained]
    releases: list[Saw]
    questions: list[Read]
    missing: list[str]

    @property
    def now(self) -> State | None:
        """Its state in the release that was asked about."""
        return next((state for state in self.states if self.release in state.releases), None)
