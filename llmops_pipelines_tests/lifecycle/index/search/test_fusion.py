"""Two rankings into one: each way by hand on three passages, and what must hold for all of them."""

import numpy as np
import pytest

from llmops_pipelines.lifecycle.index.engines.contract import Found
from llmops_pipelines.lifecycle.index.search import fusion
from llmops_pipelines.lifecycle.index.search.fusion import Fusion

WAYS = [
    Fusion("dense", 1.0),
    Fusion("bm25", 0.0),
    *(Fusion("hybrid", normalisation=kind, bm25_unit=10.0) for kind in ("minmax", "deviations", "linear")),
    Fusion("rrf"),
]


def ranking(**scores: float) -> list[Found]:
    return [Found(name, score) for name, score in scores.items()]


def order(way: Fusion, dense: list[Found], bm25: list[Found], depth: int = 100) -> list[tuple[str, float]]:
    pool, known = fusion.pooled([dense], [bm25], depth)
    return [(found.chunk_id, score) for found, score in fusion.best(pool, known, way, 10)[0]]


def near(expected: list[tuple[str, float]]) -> list[tuple[str, float]]:
    return [(name, pytest.approx(score, abs=1e-6)) for name, score in expected]


def test_scaled_to_0_and_1_each_ranking_counts_from_its_worst_to_its_best() -> None:
    dense, bm25 = ranking(a=0.9, b=0.7, c=0.5), ranking(c=30, b=20, d=10)
    assert order(Fusion("hybrid", 0.5), dense, bm25) == near([("a", 0.5), ("b", 0.5), ("c", 0.5), ("d", 0.0)])
    assert [name for name, _ in order(Fusion("hybrid", 0.4), dense, bm25)] == ["c", "b", "a", "d"]


def test_a_linear_sum_leaves_scores_as_they_are() -> None:
    way = Fusion("hybrid", 0.5, "linear", bm25_unit=10.0)
    found = order(way, ranking(a=0.9, b=0.7), ranking(b=5), depth=2)
    assert found == near([("b", 0.35 + 0.25), ("a", 0.45)])  # BM25 ended before two: a shares no word, that is 0
    full = order(way, ranking(a=0.9, b=0.7), ranking(b=5), depth=1)
    assert full == near([("a", 0.45 + 0.25), ("b", 0.35 + 0.25)])  # cut at one: a may be as good as the last


def test_deviations_are_those_of_each_ranking() -> None:
    found = dict(order(Fusion("hybrid", 1.0 - 1e-9, "deviations"), ranking(a=3.0, b=2.0, c=1.0), ranking(a=1.0)))
    spread = np.std([3, 2, 1])
    assert found["a"] == pytest.approx(0.5 + 1 / (6 * spread), abs=1e-6) and found["b"] == pytest.approx(0.5, abs=1e-6)


def test_reciprocal_ranks_ignore_scores() -> None:
    way = Fusion("rrf", rrf_k=60)
    found = order(way, ranking(a=0.9, b=0.1), ranking(b=3, c=2))
    assert found == near([("b", 0.5 / 62 + 0.5 / 61), ("a", 0.5 / 61), ("c", 0.5 / 62)])
    assert found == near(order(way, ranking(a=0.2, b=0.1), ranking(b=99, c=1)))


@pytest.mark.parametrize("way", WAYS)
def test_what_nobody_found_is_in_no_answer_and_an_empty_ranking_does_no_harm(way) -> None:
    assert order(way, [], []) == []
    assert [name for name, _ in order(way, ranking(a=0.9, b=0.7), [])] == ([] if way.method == "bm25" else ["a", "b"])
    assert [name for name, _ in order(way, [], ranking(b=9, a=7))] == ([] if way.method == "dense" else ["b", "a"])
    both = fusion.pooled([ranking(a=0.9), []], [ranking(a=2), []], 100)
    assert [len(row) for row in fusion.best(*both, way, 10)] == [1, 0]


@pytest.mark.parametrize("way", WAYS)
def test_best_in_both_rankings_is_best_and_scores_are_in_order(way) -> None:
    found = order(way, ranking(a=0.9, b=0.7, c=0.5), ranking(a=9, c=8, b=7))
    assert found[0][0] == "a" and [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def test_equal_scores_are_in_the_order_of_their_ids() -> None:
    twins = ranking(z=0.5, y=0.5, x=0.5)
    for way in WAYS[:5]:
        assert [name for name, _ in order(way, twins, twins)] == ["x", "y", "z"]


def test_the_weight_moves_the_order_from_one_ranking_to_the_other() -> None:
    dense, bm25 = ranking(a=0.9, b=0.6, c=0.1), ranking(c=9, b=5, a=1)
    for kind in ("minmax", "deviations", "linear"):
        ends = [order(Fusion("hybrid", weight, kind, bm25_unit=10.0), dense, bm25)[0][0] for weight in (0.95, 0.05)]
        assert ends == ["a", "c"]
