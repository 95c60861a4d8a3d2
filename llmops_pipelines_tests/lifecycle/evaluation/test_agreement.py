"""Judge and experts side by side, by question and release."""

import pytest
from sklearn.metrics import cohen_kappa_score

from llmops_pipelines.lifecycle.datasets.wording import plain
from llmops_pipelines.lifecycle.evaluation.agreement import Rating, agreement, judged_answers
from llmops_pipelines.lifecycle.lake import Lake

from .bench import QUESTIONS, Bench

SCORES = {("1", plain(f"question {n}?")): n / 11 for n in range(12)}


def ratings(good: list[bool], release: str = "1") -> list[Rating]:
    return [Rating(release, f"Question  {n}?", each) for n, each in enumerate(good)]


def test_people_who_see_it_as_the_judge_does():
    found = agreement("faithfulness", ratings([n >= 6 for n in range(12)]), SCORES)
    assert (found.n, found.kappa, found.reason) == (12, 1.0, None)
    assert found.spearman == pytest.approx(0.87, abs=0.01)  # ratings know two ranks only


def test_people_who_see_it_the_other_way_round():
    found = agreement("faithfulness", ratings([n < 6 for n in range(12)]), SCORES)
    assert found.kappa == -1.0 and found.spearman < -0.8


def test_kappa_is_that_of_scikit_learn():
    good = [n % 3 == 0 or n > 8 for n in range(12)]
    found = agreement("faithfulness", ratings(good), SCORES)
    assert found.kappa == pytest.approx(cohen_kappa_score([n >= 6 for n in range(12)], good))


def test_several_people_count_by_their_share_and_a_tie_takes_no_side():
    tie = [Rating("1", "question 11?", False), Rating("1", "question 11?", True)]
    found = agreement("faithfulness", [*ratings([n >= 6 for n in range(11)]), *tie], SCORES)
    assert (found.n, found.kappa) == (12, 1.0)


def test_ratings_of_another_release_are_not_joined():
    found = agreement("faithfulness", ratings([True] * 12, release="2"), SCORES)
    assert (found.n, found.spearman, found.reason) == (0, None, "only 0 answers have a rating and a score, 10 are needed")


def test_opinions_without_spread_cannot_agree():
    assert agreement("m", ratings([True] * 12), SCORES).reason == "people rated all 12 answers alike"
    assert agreement("m", ratings([n > 3 for n in range(12)]), dict.fromkeys(SCORES, 1.0)).reason.startswith("the judge scored")


def test_scores_are_joined_by_the_text_of_the_question(tmp_path):
    bench = Bench(Lake(tmp_path, "demo"))
    rows = [{"question_id": "q1", "metric": "faithfulness", "score": 0.5}, {"question_id": "q2", "metric": "faithfulness"}]
    scores = bench.publish("eval_scores/tuned", [{"score": None} | row for row in rows], {})
    assert judged_answers("7", scores, bench.questions(QUESTIONS), "faithfulness") == {("7", plain("Who?")): 0.5}
