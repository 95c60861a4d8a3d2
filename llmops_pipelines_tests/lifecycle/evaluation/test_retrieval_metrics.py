from statistics import mean

import pytest

from llmops_pipelines.lifecycle.evaluation.retrieval_metrics import ndcg, reciprocal_rank, retrieval_scores


def test_mean_reciprocal_rank_of_the_textbook_example():
    # https://en.wikipedia.org/wiki/Mean_reciprocal_rank: plurals of cat, torus, virus found at ranks 3, 2, 1
    ranked = [(["catten", "cati", "cats"], "cats"), (["torii", "tori", "toruses"], "tori"), (["viruses", "virii"], "viruses")]
    assert mean(reciprocal_rank(found, {right}) for found, right in ranked) == pytest.approx(11 / 18)


def test_ndcg_by_hand():
    assert ndcg(["x", "a", "b"], {"a", "b"}) == pytest.approx((1 / 1.584962500721156 + 1 / 2) / (1 + 1 / 1.584962500721156))
    assert ndcg(["a", "b", "x"], {"a", "b"}) == 1.0
    assert ndcg(["x", "y"], {"a"}) == 0.0
    with pytest.raises(ValueError, match="at least one relevant"):
        ndcg(["x"], set())


def test_a_document_counts_once_at_its_first_chunk():
    scores = retrieval_scores(["x", "x", "x", "a", "a"], {"a"})
    assert scores["hit_at_1"] == 0.0 and scores["hit_at_3"] == 1.0  # second document, though fourth chunk
    assert scores["mrr_at_10"] == 0.5


def test_what_is_not_found_scores_zero():
    assert set(retrieval_scores(["x"], {"a"}).values()) == {0.0}
    assert set(retrieval_scores([], {"a"}).values()) == {0.0}


def test_ranks_beyond_ten_do_not_count():
    ranked = [f"x{n}" for n in range(10)] + ["a"]
    assert reciprocal_rank(ranked, {"a"}) == 0.0
    assert ndcg(ranked, {"a"}) == 0.0
