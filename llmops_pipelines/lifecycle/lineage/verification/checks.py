"""What a verification found: a check per record, version, store and file set, in the order of the graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

Outcome = Literal["match", "made again", "not vouched", "differs"]


@dataclass(frozen=True)
class Check:
    """`what` is a noun of the graph, `place` a path or an address, `expected` and `found` say it in words and short hashes.

    "made again": the same content, but not what was decided about: written again after a loss, or edited where the content's
    digest does not reach (times, plots, the engine's files). "not vouched": nobody recorded what it should be, as in records of
    earlier versions. `fix` is what to do, empty where nothing is wrong.
    """

    what: str
    place: str
    outcome: Outcome
    expected: str
    found: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.place}: {self.found}, expected {self.expected}"


@dataclass(frozen=True)
class Verification:
    """All checks of a release, or of a whole lake (`release` is None). `first` is the first that differs, or was made again
    when none does."""

    pipeline: str
    release: int | None
    checks: Sequence[Check]
    counts: dict[str, int]
    first: Check | None

    @classmethod
    def of(cls, pipeline: str, release: int | None, checks: Sequence[Check]) -> "Verification":
        outcomes: tuple[Outcome, ...] = ("match", "made again", "not vouched", "differs")
        counts = {outcome: sum(check.outcome == outcome for check in checks) for outcome in outcomes}
        bad = [[each for each in checks if each.outcome == outcome] for outcome in ("differs", "made again")]
        return cls(pipeline, release, checks, counts, next(chain(*bad), None))

    @property
    def sound(self) -> bool:
        return self.first is None


def short(sha: str) -> str:
    return sha[:12] if sha else "nothing"
