from math import log2
from statistics import mean

import pytest

from llmops_pipelines.lifecycle.evaluation.retrieval_metrics import retrieval_scores


def scores(found: list[str], relevant: list[str], passages: int = 2) -> dict[str, float]:
    return {metric: each["q"] for metric, each in retrieval_scores({"q": found}, {"q": relevant}, passages).items()}


def test_mean_reciprocal_rank_of_the_textbook_example():
    # https://en.wikipedia.org/wiki/Mean_reciprocal_rank: plurals of cat, torus, virus found at ranks 3, 2, 1
    found = {"cat": ["catten", "cati", "cats"], "torus": ["torii", "tori", "toruses"], "virus": ["viruses", "virii"]}
    right = {"cat": ["cats"], "torus": ["tori"], "virus": ["viruses"]}
    assert mean(retrieval_scores(found, right, 1)["mrr_at_10"].values()) == pytest.approx(11 / 18)


def test_ndcg_by_hand():
    assert scores(["x", "a", "b"], ["a", "b"])["ndcg_at_10"] == pytest.approx((1 / log2(3) + 1 / 2) / (1 + 1 / log2(3)))
    assert scores(["a", "b", "x"], ["a", "b"])["ndcg_at_10"] == 1.0
    assert scores(["x", "y"], ["a"])["ndcg_at_10"] == 0.0


def test_average_precision_and_recall_by_hand():
    found = scores(["x", "a", "b"], ["a", "b", "c"])
    assert found["map_at_10"] == pytest.approx((1 / 2 + 2 / 3) / 3) and found["recall_at_10"] == pytest.approx(2 / 3)


def test_a_document_counts_once_at_its_first_chunk():
    found = scores(["x", "x", "x", "a", "a"], ["a"])
    assert found["hit_at_1"] == 0.0 and found["hit_at_3"] == 1.0  # second document, though fourth chunk
    assert found["mrr_at_10"] == 0.5


def test_what_is_not_found_scores_zero():
    assert set(scores(["x"], ["a"]).values()) == {0.0}
    assert set(scores([], ["a"]).values()) == {0.0}
    both = retrieval_scores({"p": [], "q": ["a"]}, {"p": ["a"], "q": ["a"]}, 1)
    assert both["hit_at_1"] == {"p": 0.0, "q": 1.0}


def test_ranks_beyond_ten_do_not_count():
    found = scores([f"x{n}" for n in range(10)] + ["a"], ["a"])
    assert found["mrr_at_10"] == found["ndcg_at_10"] == found["recall_at_10"] == 0.0


def test_what_reached_the_model_is_counted_over_the_first_passages():
    found = scores(["a", "x", "b"], ["a", "b"], passages=2)
    assert (found["document_precision"], found["document_recall"]) == (0.5, 0.5)
    assert scores(["a", "a", "x"], ["a"], passages=2)["document_precision"] == 1.0  # two chunks of one document


def test_a_question_without_a_right_document_is_refused():
    with pytest.raises(ValueError, match="question q has no relevant document"):
        scores(["x"], [])
