"""Which candidate is better, by how much, and when that cannot be said; and which one is chosen."""

import pytest

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.evaluation import compare, compare_candidates, plots
from llmops_pipelines.lifecycle.evaluation.comparison import Report, difference
from llmops_pipelines.lifecycle.evaluation.spending import spent
from llmops_pipelines.lifecycle.lake import Lake

from .bench import QUESTIONS, RIGHT, Bench

draw_comparison = plots.draw_comparison
MANY = [{**QUESTIONS[n % 2], "id": f"q{n:02d}"} for n in range(30)]


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    monkeypatch.setattr(plots, "draw", lambda candidate, summary, path: path.touch())
    monkeypatch.setattr(plots, "draw_comparison", lambda standings, choice, metric, path: path.touch())
    return Bench(Lake(tmp_path / "lake", "demo"))


def texts(right: int) -> dict[str, str]:
    """Answers to MANY of which the first `right` are right."""
    return {row["id"]: row["answers"][0] if n < right else "nothing of the kind" for n, row in enumerate(MANY)}


def timings(milliseconds: float, cost: float = 0.0) -> list[dict]:
    counted = {"tokens_in": 50, "tokens_out": 5, "cost": cost}
    return [{"question_id": row["id"], "step": "answer", "milliseconds": milliseconds, **counted} for row in MANY]


def add(bench: Bench, name: str, right: int, milliseconds: float, cost: float = 0.0):
    questions = bench.questions(MANY)
    answered = bench.said(texts(right), name, questions=questions, timings=timings(milliseconds, cost))
    return answered, bench.score(answered, questions=questions)


def compared(bench: Bench, *candidates: tuple, **options):
    made = {candidate[0]: add(bench, *candidate) for candidate in candidates}
    answers, scores = {name: each[0] for name, each in made.items()}, {name: each[1] for name, each in made.items()}
    return compare_candidates(bench.lake, scores, answers, **options)


def test_candidates_are_compared_over_the_questions_that_both_answered(bench):
    old = bench.score(bench.said({"q1": "Runa", "q2": "at Tolm"}, "old"))
    new = bench.score(bench.said(RIGHT, "new"))
    found = compare(old, new)
    assert (found.n, found.low, found.high, found.reason) == (2, 0.0, pytest.approx(1 / 3), None)  # q1 gained 1/3, q2 nothing
    assert found.mean == pytest.approx(1 / 6) and found.detectable > 0.3
    assert compare(new, old).high == 0.0


def test_too_few_shared_questions_are_no_comparison(bench):
    few = {row["id"]: "Runa Estby" for row in MANY[:14]}
    questions = bench.questions(MANY)
    old = bench.score(bench.said(few, "old", questions=questions), questions=questions)
    new = bench.score(bench.said(texts(30), "new", questions=questions), questions=questions)
    found = compare(old, new)
    assert (found.low, found.n) == (None, 14)
    assert found.reason.startswith("only 14 of 30 scored questions are the same")
    assert compare(new, old).reason is None  # all 14 of the other one are shared


def test_a_corrected_question_is_not_compared_with_what_it_was(bench):
    corrected = [{**row, "answers": ["Arne Lund"]} if n < 20 else row for n, row in enumerate(MANY)]
    questions, later = bench.questions(MANY), bench.questions(corrected)
    old = bench.score(bench.said(texts(30), "old", questions=questions), questions=questions)
    new = bench.score(bench.said(texts(30), "new", questions=later), questions=later)
    assert compare(old, new).reason.startswith("only 10 of 30 scored questions are the same")


def test_scores_measured_in_two_ways_are_not_compared(bench, monkeypatch):
    old = bench.score(bench.said(RIGHT, "old"))
    other = Embeddings(precision="bf16")
    monkeypatch.setattr("llmops_pipelines_tests.lifecycle.evaluation.bench.Embeddings", lambda: other)
    new = bench.score(bench.said(RIGHT, "new"))
    assert "was measured in two ways" in compare(old, new, "similarity").reason
    assert compare(old, new, "token_f1").reason is None
    assert compare(old, new, "faithfulness").reason == "faithfulness was not measured on both of the sides"


def test_a_slice_can_be_compared_by_itself(bench):
    _, old = add(bench, "old", 0, 1)
    _, new = add(bench, "new", 30, 1)
    found = compare(old, new, "exact_match", within=("source", "notices"))
    assert (found.n, found.mean) == (15, 1.0)
    assert compare(old, new, "exact_match", within=("source", "nowhere")).low is None


def test_the_cheapest_within_the_noise_of_the_best_is_chosen(bench):
    version = compared(bench, ("slow", 24, 90.0), ("fast", 23, 10.0), ("poor", 2, 1.0))
    choice = version.json("choice")
    assert (choice["best"], choice["chosen"]) == ("slow", "fast")
    assert set(choice["within_noise"]) == {"slow", "fast"}  # the cheapest of all is not within the noise
    assert "fast (0.767) cannot be told from it by questions that show differences from" in choice["why"]


def test_money_counts_before_time(bench):
    version = compared(bench, ("rented", 24, 10.0, 0.002), ("own", 24, 90.0, 0.0))
    assert version.json("choice")["chosen"] == "own"
    assert compared(bench, ("own", 24, 90.0, 0.0), ("poor", 2, 1.0)).json("choice")["chosen"] == "own"


def test_the_table_has_quality_time_tokens_cost_and_size(bench):
    version = compared(bench, ("slow", 24, 90.0, 0.5), ("fast", 23, 10.0))
    rows = {row["candidate"]: row for row in version.table("candidates").to_pylist() if row["metric"] == "token_f1"}
    slow, fast = rows["slow"], rows["fast"]
    assert (slow["milliseconds_p50"], slow["cost_per_question"], slow["megabytes"]) == (90.0, 0.5, 10.0)
    assert slow["tokens_per_question"] == 55.0
    assert (slow["difference_to_best_low"], slow["difference_to_best_high"]) == (0.0, 0.0)
    assert fast["difference_to_best_low"] < 0 <= fast["difference_to_best_high"]


def test_times_of_questions_asked_alone_come_before_shares_of_a_batch(bench):
    questions = bench.questions(MANY)
    alone = {"question_id": "q00", "step": "alone", "milliseconds": 300.0, "tokens_in": None, "tokens_out": None, "cost": None}
    answered = bench.said(texts(20), "one", questions=questions, timings=[*timings(7.0), alone])
    scores = {"one": bench.score(answered, questions=questions)}
    row = compare_candidates(bench.lake, scores, {"one": answered}).table("candidates").to_pylist()[0]
    assert (row["milliseconds_p50"], row["tokens_per_question"]) == (300.0, 55.0)


def test_a_candidate_that_failed_is_shown_with_its_reason_and_never_chosen(bench):
    version = compared(bench, ("good", 20, 10.0), failed={"broken": "EvaluationError: candidate broken has no index"})
    row = next(row for row in version.table("candidates").to_pylist() if row["candidate"] == "broken")
    assert row["reason"].endswith("has no index") and row["mean"] is None
    assert version.json("choice")["chosen"] == "good"


def test_a_candidate_with_too_few_scores_is_never_chosen(bench):
    questions = bench.questions(MANY)
    lucky = {row["id"]: row["answers"][0] for row in MANY[:5]}
    answered = bench.said(lucky, "lucky", questions=questions, timings=timings(1.0))
    sound, scored = add(bench, "sound", 20, 10.0)
    scores = {"lucky": bench.score(answered, questions=questions), "sound": scored}
    version = compare_candidates(bench.lake, scores, {"lucky": answered, "sound": sound})
    assert version.json("choice")["best"] == version.json("choice")["chosen"] == "sound"
    row = next(row for row in version.table("candidates").to_pylist() if row["candidate"] == "lucky")
    assert row["reason"] == "token_f1 was measured on 17% of the questions; 98% are needed"


def test_without_a_measured_candidate_nothing_is_chosen(bench):
    choice = compare_candidates(bench.lake, {}, {}, failed={"only": "down"}).json("choice")
    assert (choice["best"], choice["chosen"], choice["why"]) == (None, None, "no candidate could be measured")


def report(version: str, epoch: int, identity: str = "j") -> Report:
    scores = {f"q{n}": 0.5 for n in range(9)}
    judge = {
        "identity": identity,
        "named": f"judge {identity}",
        "epoch": epoch,
        "moved": "on 6 anchors",
        "metrics": ["faithfulness"],
    }
    return Report({"faithfulness": scores}, {"faithfulness": version}, dict.fromkeys(scores, "same"), {}, judge)


def test_scores_are_not_compared_across_a_judge_that_moved():
    assert difference(report("v1", 0), report("v1", 0), "faithfulness").low == 0.0
    moved = difference(report("v1", 0), report("v2", 1), "faithfulness")
    assert (moved.low, moved.reason) == (
        None,
        "the judge moved between the two: on 6 anchors; score the older answers again to compare",
    )
    other = difference(report("v1", 0), report("v3", 0, "k"), "faithfulness")
    assert other.reason == "faithfulness was judged by two judges (judge j, judge k)"


@pytest.mark.parametrize("cost", [0.0, 0.3])
def test_the_plot_is_drawn(bench, monkeypatch, cost):
    from matplotlib.image import imread

    monkeypatch.setattr(plots, "draw_comparison", draw_comparison)
    version = compared(bench, ("slow", 24, 900.0, cost), ("fast", 23, 10.0))
    assert imread(version.file("comparison.png")).shape[1] == 900


def test_people_see_the_best_first_and_what_was_chosen(bench):
    version = compared(bench, ("slow", 30, 900.0), ("quick", 29, 9.0), ("poor", 3, 1.0))
    seen = [(row["candidate"], row["mark"]) for row in version.table("standings").to_pylist()]
    assert seen == [("slow", "best"), ("quick", "chosen"), ("poor", "")]


def test_a_cost_that_nobody_counted_is_no_zero(bench):
    """Searching is free, and the service did not say what answering took: together that is unknown."""
    searched = [row | {"step": "retrieve", "cost": 0.0} for row in timings(1.0)]
    unknown = [row | {"cost": None, "tokens_out": None} for row in timings(1.0)]
    questions = bench.questions(MANY)
    took = spent(bench.said(texts(30), "remote", questions=questions, timings=[*searched, *unknown]))
    assert took.cost_per_question is None
    known = spent(bench.said(texts(30), "local", questions=questions, timings=[*searched, *timings(1.0, cost=0.5)]))
    assert known.cost_per_question == 0.5
