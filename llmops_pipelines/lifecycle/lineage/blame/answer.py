"""The answer to "which part made it worse?", as plain values.

How it is found is `blaming.py`, how it is shown `showing.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .corpora import Kind

Verdict = Literal["same", "noise", "better", "guilty", "the judge moved", "the eval set moved"]


@dataclass(frozen=True)
class Through:
    """A part that changed only because another did, and how much of that one's share went through it."""

    name: str
    share: float
    said: str


@dataclass(frozen=True)
class Part:
    """A part that differs. `share` is its Shapley value in points of the metric with a 95 % interval, what went `through` other
    parts included; `alone` what swapping just this part does. None where nothing was measured."""

    name: str
    said: str
    share: float | None = None
    low: float | None = None
    high: float | None = None
    alone: float | None = None
    alone_low: float | None = None
    alone_high: float | None = None
    through: Sequence[Through] = ()
    guilty: bool = False


@dataclass(frozen=True)
class Total:
    """The change of the mean from good to bad with its 95 % interval, over `questions` questions; `detectable` is the smallest
    change that these can show. `recorded` are the two means as the releases have them, on their own evaluation sets."""

    metric: str
    good: float
    bad: float
    change: float
    low: float
    high: float
    questions: int
    detectable: float | None
    recorded: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True)
class Interaction:
    """What the parts do together beyond the sum of what each does alone."""

    effect: float
    low: float
    high: float
    beyond_noise: bool


@dataclass(frozen=True)
class GuiltyDocument:
    """A changed document whose reversal restores questions (`questions`), or whose training rows changed (`rows`)."""

    doc_id: str
    kind: Kind
    questions: Sequence[str]
    rows: int = 0
    edit: Sequence[tuple[Literal[" ", "-", "+"], str]] = ()


@dataclass(frozen=True)
class Documents:
    """What group testing found in the corpus. `explained` of `flipped` questions are restored by reversing the guilty
    documents together (`confirmed`); a search that ran out of trials is not `whole`."""

    guilty: Sequence[GuiltyDocument]
    learnt: Sequence[GuiltyDocument]
    changed: int
    flipped: int
    explained: int
    confirmed: int
    trials: int
    whole: bool


@dataclass(frozen=True)
class Flipped:
    """A question that the bad side answers clearly worse, and the part that this is counted to."""

    id: str
    question: str
    good: float
    bad: float
    part: str
    documents: Sequence[str] = ()


@dataclass(frozen=True)
class Blame:
    """Which part made it worse. `sentence` says it in one; `hybrids` were asked anew, `reused` came from the lake."""

    verdict: Verdict
    sentence: str
    good: str
    bad: str
    total: Total
    parts: Sequence[Part]
    interaction: Interaction | None = None
    documents: Documents | None = None
    flipped: Sequence[Flipped] = ()
    notes: Sequence[str] = ()
    sampled: bool = False
    hybrids: int = 0
    reused: int = 0
    seconds: float = 0.0

    @property
    def found_guilt(self) -> bool:
        """Whether something got worse: exit 3."""
        return self.verdict not in ("same", "noise", "better")
