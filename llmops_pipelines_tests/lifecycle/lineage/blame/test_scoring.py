"""Hybrids are measured as releases were: the same answers have the same score in every metric."""

import pytest

from llmops_pipelines.lifecycle.evaluation.retrieval_metrics import retrieval_scores
from llmops_pipelines.lifecycle.evaluation.similarity import similarities
from llmops_pipelines.lifecycle.evaluation.text_metrics import best, token_f1
from llmops_pipelines.lifecycle.lineage.blame import BlameError
from llmops_pipelines.lifecycle.lineage.blame.questions import Question
from llmops_pipelines.lifecycle.lineage.blame.scoring import Given, Scorer

from ...evaluation.bench import Lengths

REFUSAL = "not in the documents"
ASKED = {
    "q1": Question("q1", "Who?", ("Runa Estby", "Captain Estby"), ("d/a",), True),
    "q2": Question("q2", "Why?", (), ("d/b",), False),
    "q3": Question("q3", "Where?", ("Tolm",), ("d/c",), True),
}
SAID = {
    "Who?": Given("Captain Runa", False, ("d/b", "d/a", "d/a"), ("1", "2", "3"), ("text",)),
    "Why?": Given(REFUSAL, True, ("d/b",), ("1",), ("text",)),
    "Where?": Given(None, False, None, (), ()),
}


def scores(metric: str, **options) -> dict[str, float]:
    return Scorer(None, metric, Lengths, **options).scores(ASKED, SAID, REFUSAL, 2, True)


def test_an_answer_is_worth_its_best_reference_and_a_missing_one_has_no_score():
    expected = best(token_f1, "Captain Runa", ASKED["q1"].answers)
    assert scores("token_f1") == {"q1": expected, "q2": 1.0}
    assert scores("exact_match") == {"q1": 0.0, "q2": 1.0} and scores("refusal_right") == {"q1": 1.0, "q2": 1.0}


def test_rankings_are_measured_on_answerable_questions_that_were_searched():
    assert scores("hit_at_1") == {"q1": 0.0} and scores("mrr_at_10") == {"q1": 0.5}
    expected = retrieval_scores({"q1": ("d/b", "d/a", "d/a")}, {"q1": ("d/a",)}, 2)
    assert scores("document_precision") == expected["document_precision"]


def test_a_candidate_that_does_not_search_has_no_ranking():
    assert Scorer(None, "hit_at_5", Lengths).scores(ASKED, SAID, REFUSAL, 0, False) == {}


def test_meaning_is_measured_with_the_eyes_that_are_given():
    (expected,) = similarities(Lengths(), ["Captain Runa"], [ASKED["q1"].answers])
    assert scores("similarity")["q1"] == expected


@pytest.mark.slow  # ragas
def test_metrics_of_libraries_are_measured_too():
    assert scores("contains_reference")["q1"] == 0.0 and 0 < scores("rouge_l")["q1"] < 1


def test_what_is_no_score_per_question_is_refused():
    with pytest.raises(BlameError, match="--metric: refusal_f1 is no score per question"):
        scores("refusal_f1")


def test_a_judges_metric_without_a_judge_is_refused():
    with pytest.raises(BlameError, match="faithfulness is a judge's, and no judge is configured"):
        scores("faithfulness")
