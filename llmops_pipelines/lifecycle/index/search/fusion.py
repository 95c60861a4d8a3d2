"""One order from two rankings: what dense and BM25 search found for a question, mixed as the settings say.

The same arithmetic serves an answer and tries a whole grid of settings: a row per question, a column per candidate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..engines.contract import Found

if TYPE_CHECKING:
    import numpy as np

CODE = "fusion-1"

Ranked = list[tuple[Found, float]]  # candidates of a question with their mixed score, best first
Method = Literal["dense", "bm25", "hybrid", "rrf"]
Normalisation = Literal["linear", "minmax", "deviations"]


@dataclass(frozen=True)
class Fusion:
    """How two rankings become one.

    `hybrid` is a weighted sum of scores, which are made comparable by `normalisation`: per question to 0..1 (`minmax`), by
    mean and three standard deviations (`deviations`, what Qdrant calls DBSF), or by the fixed number of BM25 points that
    counts as much as a cosine of 1 (`linear`, `bm25_unit`), so that a question with no good passage in one of them is not
    blown up. `rrf` is reciprocal rank fusion (Cormack, Clarke and Büttcher 2009), each ranking with its weight.
    """

    method: Method = "hybrid"
    dense_weight: float = 0.5
    normalisation: Normalisation = "minmax"
    bm25_unit: float = 1.0
    rrf_k: int = 60
    candidates: int = 100

    @property
    def asks_dense(self) -> bool:
        return self.method != "bm25" and (self.method == "dense" or self.dense_weight > 0)

    @property
    def asks_bm25(self) -> bool:
        return self.method != "dense" and (self.method == "bm25" or self.dense_weight < 1)


@dataclass(frozen=True)
class Pool:
    """Scores of the candidates of many questions, float32 [questions, candidates]; NaN where a ranking lacks a candidate.

    `depth` candidates were asked of each ranking: a shorter one is complete."""

    dense: "np.ndarray"
    bm25: "np.ndarray"
    depth: int


def pooled(dense: Sequence[Sequence[Found]], bm25: Sequence[Sequence[Found]], depth: int) -> tuple[Pool, list[list[Found]]]:
    """Both rankings of each question side by side, and the candidates that the columns stand for, by chunk id: equal scores
    are then in the same order wherever they are sorted."""
    import numpy as np

    columns: list[dict[str, Found]] = []
    for first, second in zip(dense, bm25, strict=True):
        known = {found.chunk_id: found for found in second} | {found.chunk_id: found for found in first}
        columns.append({chunk_id: known[chunk_id] for chunk_id in sorted(known)})
    width = max(map(len, columns), default=0)
    pool = Pool(*(np.full((len(columns), width), np.nan, np.float32) for _ in range(2)), depth)
    for row, known in enumerate(columns):
        place = {chunk_id: column for column, chunk_id in enumerate(known)}
        for scores, ranking in ((pool.dense, dense[row]), (pool.bm25, bm25[row])):
            scores[row, [place[found.chunk_id] for found in ranking]] = [found.score for found in ranking]
    return pool, [list(known.values()) for known in columns]


def scores(pool: Pool, fusion: Fusion) -> "np.ndarray":
    """float32 [questions, candidates], more is better; -inf for what no ranking that counts has found."""
    import numpy as np

    if fusion.method == "dense":
        return np.nan_to_num(pool.dense, nan=-np.inf)
    if fusion.method == "bm25":
        return np.nan_to_num(pool.bm25, nan=-np.inf)
    first, second = _comparable(pool, fusion)
    mixed = fusion.dense_weight * first + (1 - fusion.dense_weight) * second
    wanted = np.zeros(mixed.shape, bool)
    for asked, found in ((fusion.asks_dense, pool.dense), (fusion.asks_bm25, pool.bm25)):
        wanted |= ~np.isnan(found) if asked else False
    return np.where(wanted, mixed, -np.inf)


def best(pool: Pool, candidates: Sequence[Sequence[Found]], fusion: Fusion, k: int) -> list[Ranked]:
    """The k best candidates of each question; equal ones by chunk id."""
    import numpy as np

    mixed = scores(pool, fusion)
    order = np.argsort(-mixed, axis=1, kind="stable")[:, :k]
    return [
        [(known[column], float(row[column])) for column in columns.tolist() if np.isfinite(row[column])]
        for row, columns, known in zip(mixed, order, candidates, strict=True)
    ]


def _comparable(pool: Pool, fusion: Fusion) -> tuple["np.ndarray", "np.ndarray"]:
    if fusion.method == "rrf":
        return _reciprocal_ranks(pool.dense, fusion.rrf_k), _reciprocal_ranks(pool.bm25, fusion.rrf_k)
    if fusion.normalisation == "minmax":
        return _unit_range(pool.dense), _unit_range(pool.bm25)
    if fusion.normalisation == "deviations":
        return _deviations(pool.dense), _deviations(pool.bm25)
    return _floored(pool.dense, pool.depth, nothing=-1.0), _floored(pool.bm25, pool.depth, nothing=0.0) / fusion.bm25_unit


def _floored(found: "np.ndarray", depth: int, nothing: float) -> "np.ndarray":
    """What a ranking lacks scores no more than its last; in a complete ranking, and in an empty one, it is `nothing`."""
    import numpy as np

    missing = np.isnan(found)
    lowest = np.where(missing, np.inf, found).min(axis=1, initial=np.inf, keepdims=True)
    full = (~missing).sum(axis=1, keepdims=True) >= depth
    return np.where(missing, np.where(full & np.isfinite(lowest), lowest, nothing), found)


def _unit_range(found: "np.ndarray") -> "np.ndarray":
    import numpy as np

    missing = np.isnan(found)
    low = np.where(missing, np.inf, found).min(axis=1, initial=np.inf, keepdims=True)
    high = np.where(missing, -np.inf, found).max(axis=1, initial=-np.inf, keepdims=True)
    flat = ~(high > low)  # a single score, or all the same: nothing tells them apart, but they were found
    scaled = (np.where(missing, 0, found) - np.where(flat, 0, low)) / np.where(flat, 1, high - low)
    return np.where(missing, 0, np.where(flat, 1, scaled))


def _deviations(found: "np.ndarray") -> "np.ndarray":
    import numpy as np

    missing = np.isnan(found)
    count = np.maximum((~missing).sum(axis=1, keepdims=True), 1)
    mean = np.where(missing, 0, found).sum(axis=1, keepdims=True) / count
    spread = np.sqrt(np.where(missing, 0, (found - mean) ** 2).sum(axis=1, keepdims=True) / count)
    scaled = 0.5 + (np.where(missing, 0, found) - mean) / np.where(spread > 0, 6 * spread, 1)
    return np.where(missing, 0, scaled)


def _reciprocal_ranks(found: "np.ndarray", k: int) -> "np.ndarray":
    import numpy as np

    order = np.argsort(-np.nan_to_num(found, nan=-np.inf), axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(1, found.shape[1] + 1), found.shape), axis=1)
    return np.where(np.isnan(found), 0, 1 / (k + ranks))
