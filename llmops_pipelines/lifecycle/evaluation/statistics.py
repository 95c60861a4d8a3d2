"""Means with 95 % intervals by the bootstrap (Efron 1979), and how small a difference a set of questions can show.

Comparisons are paired: the difference is taken per question before anything is drawn, so that hard questions cancel out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

RESAMPLES = 10_000
SEED = 20_240_229
AT_ONCE = 4_000_000  # drawn numbers in memory at a time
MANY = 1_000  # scores from which the mean is normal for every practical purpose, and nothing is drawn
POWER = 0.80
BOTH_SIDES = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Interval:
    """Mean of `n` scores and the 2.5 % and 97.5 % quantiles of its bootstrap distribution."""

    mean: float
    low: float
    high: float
    n: int


def interval(scores: Sequence[float]) -> Interval:
    """Interval of the mean. Raises ValueError for no scores, and for a score that is not a finite number."""
    import numpy as np

    values = _finite(scores)
    mean = float(values.mean())
    if values.size > MANY:
        half = BOTH_SIDES * float(values.std(ddof=1)) / sqrt(values.size)
        return Interval(mean, mean - half, mean + half, int(values.size))
    low, high = np.quantile(_resampled(values), [0.025, 0.975])
    return Interval(mean, min(mean, float(low)), max(mean, float(high)), int(values.size))  # a hair apart for equal scores


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Interval of the mean of (first - second); both hold the scores of the same questions in the same order."""
    if len(first) != len(second):
        raise ValueError(f"a paired comparison needs the same questions: {len(first)} scores against {len(second)}")
    changes = [a - b for a, b in zip(first, second, strict=True)]
    if changes and not any(changes):
        return Interval(0.0, 0.0, 0.0, len(changes))  # what any draw of zeros gives
    return interval(changes)


def ratio(parts: Sequence[float], wholes: Sequence[float]) -> Interval | None:
    """Interval of sum(parts) / sum(wholes), questions drawn together with both; `n` counts those with a whole. Precision and
    F1 are such ratios. None when the wholes are all 0: there is nothing to divide by."""
    import numpy as np

    if not wholes or sum(wholes) == 0:
        return None
    top, bottom = _finite(parts), _finite(wholes)
    mean, n = float(top.sum() / bottom.sum()), int((bottom > 0).sum())
    if top.size > MANY:  # the delta method (Cochran 1977)
        half = BOTH_SIDES * float(np.sqrt(((top - mean * bottom) ** 2).sum()) / bottom.sum())
        return Interval(mean, mean - half, mean + half, n)
    tops, bottoms = _resampled(top), _resampled(bottom)  # of the same draws
    low, high = np.quantile(tops[bottoms > 0] / bottoms[bottoms > 0], [0.025, 0.975])
    return Interval(mean, min(mean, float(low)), max(mean, float(high)), n)


def detectable(differences: Sequence[float]) -> float | None:
    """The smallest true mean difference that a paired comparison over as many questions, with differences as spread as these,
    finds in 80 of 100 cases at 95 % confidence (normal approximation). None for fewer than two.

    Before there is anything to compare with, the scores of one candidate may stand in for the differences: their spread is
    that of the differences when two candidates correlate by 0.5.
    """
    if len(differences) < 2:
        return None
    deviation = float(_finite(differences).std(ddof=1))
    return (BOTH_SIDES + NormalDist().inv_cdf(POWER)) * deviation / sqrt(len(differences))


def _finite(scores: Sequence[float]) -> "np.ndarray":
    import numpy as np

    values = np.asarray(scores, dtype=np.float64)
    if values.size == 0:
        raise ValueError("there are no scores to take a mean of")
    if bad := int(values.size - np.isfinite(values).sum()):
        raise ValueError(f"{bad} of {values.size} scores are not finite; record them as errors, not as numbers")
    return values


def _resampled(values: "np.ndarray") -> "np.ndarray":
    """Means of `RESAMPLES` draws; in blocks, so that memory does not grow with the number of scores."""
    import numpy as np

    rows = max(1, min(RESAMPLES, AT_ONCE // values.size))
    drawn = _drawn(values.size, RESAMPLES)
    return np.concatenate([drawn[row : row + rows] @ values for row in range(0, RESAMPLES, rows)]) / values.size


@lru_cache(maxsize=1)  # the metrics of one set of questions are drawn alike, one after the other
def _drawn(size: int, resamples: int) -> "np.ndarray":
    """How often each of `size` scores is in each draw; a row per draw."""
    import numpy as np

    random = np.random.default_rng(SEED)
    counts = np.empty((resamples, size), dtype=np.uint16)
    rows = max(1, min(resamples, AT_ONCE // size))
    for row in range(0, resamples, rows):
        block = counts[row : row + rows]
        places = random.integers(0, size, block.shape) + size * np.arange(len(block))[:, None]
        block[:] = np.bincount(places.ravel(), minlength=block.size).reshape(block.shape)
    return counts
