"""Means with 95 % intervals, by the bootstrap (Efron 1979): scores are drawn again with replacement many times.

Comparisons are paired: the difference is taken per question before anything is drawn, so that hard questions cancel out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 10_000
SEED = 20_240_229
AT_ONCE = 4_000_000  # drawn numbers in memory at a time


@dataclass(frozen=True)
class Interval:
    """Mean of `n` scores and the 2.5 % and 97.5 % quantiles of its bootstrap distribution."""

    mean: float
    low: float
    high: float
    n: int


def interval(scores: Sequence[float]) -> Interval:
    """Bootstrap interval of the mean. Raises ValueError for no scores, and for a score that is not a finite number."""
    import numpy as np

    values = np.asarray(scores, dtype=np.float64)
    if values.size == 0:
        raise ValueError("there are no scores to take a mean of")
    if bad := int(values.size - np.isfinite(values).sum()):
        raise ValueError(f"{bad} of {values.size} scores are not finite; record them as errors, not as numbers")
    low, high = np.quantile(_means(values), [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high), int(values.size))


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Interval of the mean of (first - second); both hold the scores of the same questions in the same order."""
    if len(first) != len(second):
        raise ValueError(f"a paired comparison needs the same questions: {len(first)} scores against {len(second)}")
    return interval([a - b for a, b in zip(first, second, strict=True)])


def _means(values: "np.ndarray") -> "np.ndarray":
    """Means of `RESAMPLES` draws; in blocks, so that memory does not grow with the number of scores."""
    import numpy as np

    random = np.random.default_rng(SEED)
    rows = max(1, min(RESAMPLES, AT_ONCE // values.size))
    blocks = [min(rows, RESAMPLES - done) for done in range(0, RESAMPLES, rows)]
    return np.concatenate([values[random.integers(0, values.size, (block, values.size))].mean(axis=1) for block in blocks])
