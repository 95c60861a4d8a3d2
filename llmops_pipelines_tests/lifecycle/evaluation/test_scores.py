"""From answers to scores: what is stored, how it is summed up, and what is an error and never a zero."""

import math

import pytest

from llmops_pipelines.lifecycle.evaluation import EvaluationError, plots
from llmops_pipelines.lifecycle.lake import Lake

from .bench import QUESTIONS, REFUSAL, RIGHT, WRONG, Bench

draw = plots.draw


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    monkeypatch.setattr(
        plots, "draw", lambda candidate, summary, path: path.touch()
    )  # a sixth of a second each; one test draws
    return Bench(Lake(tmp_path / "lake", "demo"))


def test_there_is_one_row_per_question_and_metric(bench):
    version = bench.score(bench.said(RIGHT))
    assert version.asset == "eval_scores/tuned"
    rows = version.table().to_pylist()
    keys = [(row["question_id"], row["metric"]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert {row["question_id"] for row in rows if row["metric"] == "token_f1"} == {"q1", "q2", "q3"}
    assert {row["question_id"] for row in rows if row["metric"] == "hit_at_5"} == {"q1", "q2"}  # q3 has no right document
    assert all(row["error"] is None and math.isfinite(row["score"]) for row in rows)


def test_the_summary_by_hand(bench):
    version = bench.score(bench.said(WRONG))
    summary, facts = version.json("summary"), version.facts
    assert summary["token_f1"]["mean"] == pytest.approx(2 / 9)  # "Runa" against "Runa Estby" is 2/3
    assert (summary["token_f1"]["n"], summary["token_f1"]["coverage"]) == (3, 1.0)
    assert summary["refusal_right"]["mean"] == pytest.approx(2 / 3)
    assert facts["token_f1"] == pytest.approx(2 / 9, abs=1e-4)
    assert (facts["hit_at_1"], facts["mrr_at_10"], facts["document_recall"]) == (0.5, 0.75, 1.0)
    assert (facts["coverage"], facts["errors"], facts["retrieved_unknown_documents"]) == (1.0, 0, 0)
    assert bench.score(bench.said(RIGHT)).json("summary")["token_f1"]["mean"] == 1.0


def test_the_least_difference_that_these_questions_can_show_is_told(bench):
    version = bench.score(bench.said(WRONG))
    scores = [2 / 3, 0.0, 0.0]
    deviation = math.sqrt(sum((each - 2 / 9) ** 2 for each in scores) / 2)
    assert version.facts["detectable_token_f1"] == pytest.approx((1.959964 + 0.841621) * deviation / math.sqrt(3), abs=1e-4)


def test_a_candidate_that_does_not_search_has_no_retrieval_scores(bench):
    summary = bench.score(bench.said(RIGHT, steps=("answer",))).json("summary")
    assert "hit_at_5" not in summary and "document_recall" not in summary and "token_f1" in summary


def test_a_candidate_that_searches_and_finds_nothing_is_worth_nothing(bench):
    summary = bench.score(bench.said(RIGHT, found=())).json("summary")
    assert (summary["hit_at_5"]["mean"], summary["hit_at_5"]["n"]) == (0.0, 2)


def test_an_answer_that_is_missing_lowers_coverage_and_is_no_zero(bench):
    version = bench.score(bench.said({"q1": RIGHT["q1"], "q3": RIGHT["q3"]}))
    errors = [row for row in version.table().to_pylist() if row["error"]]
    assert {(row["question_id"], row["error"]) for row in errors} == {("q2", "no answer was recorded")}
    assert version.facts["coverage"] == 0.5 and version.facts["errors"] == len(errors)
    found = version.json("summary")["token_f1"]
    assert (found["mean"], found["n"], found["coverage"]) == (1.0, 2, pytest.approx(2 / 3))


def test_an_endpoint_that_failed_is_an_error_in_its_own_words_and_its_passages_still_count(bench):
    version = bench.score(bench.said({**RIGHT, "q1": None}))
    rows = version.table().to_pylist()
    assert {row["error"] for row in rows if row["question_id"] == "q1" and row["metric"] == "token_f1"} == {"status 500"}
    assert [row["score"] for row in rows if (row["question_id"], row["metric"]) == ("q1", "hit_at_1")] == [1.0]


def test_an_endpoint_that_is_down_leaves_nothing_but_errors(bench):
    version = bench.score(bench.said(dict.fromkeys(RIGHT, None), found=()))
    assert version.facts["coverage"] == 0.0 and "token_f1" not in version.facts
    assert version.json("summary")["refusal_f1"]["mean"] is None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_an_error(bench, monkeypatch, bad):
    from ragas.metrics.collections import NonLLMStringSimilarity

    async def broken(self, reference, response):
        return bad if response == "at Tolm" else 1.0

    monkeypatch.setattr(NonLLMStringSimilarity, "ascore", broken)
    version = bench.score(bench.said(RIGHT))
    rows = [(row["question_id"], row["error"]) for row in version.table().to_pylist() if row["error"]]
    assert rows == [("q2", f"the score is {bad}")]
    assert version.json("summary")["string_similarity"]["n"] == 2


def test_a_metric_that_fails_on_every_row_has_no_mean(bench, monkeypatch):
    from ragas.metrics.collections import NonLLMStringSimilarity

    async def broken(self, reference, response):
        raise RuntimeError("down")

    monkeypatch.setattr(NonLLMStringSimilarity, "ascore", broken)
    version = bench.score(bench.said(RIGHT))
    found = version.json("summary")["string_similarity"]
    assert found == {"mean": None, "low": None, "high": None, "n": 0, "coverage": 0.0, "detectable": None}
    assert version.facts["coverage"] == 0.0 and "string_similarity" not in version.facts


def test_refusing_has_a_precision_and_a_recall(bench):
    rows = [{**QUESTIONS[0], "id": f"a{n}"} for n in range(3)] + [{**QUESTIONS[2], "id": f"u{n}"} for n in range(2)]
    questions = bench.questions(rows)
    texts = {"a0": "Runa", "a1": "Runa", "a2": REFUSAL, "u0": REFUSAL, "u1": "yes"}
    summary = bench.score(bench.said(texts, questions=questions), questions=questions).json("summary")
    assert summary["refusal_precision"]["mean"] == 0.5 and summary["refusal_precision"]["n"] == 2
    assert summary["refusal_recall"]["mean"] == 0.5 and summary["refusal_f1"]["mean"] == 0.5
    never = dict.fromkeys(texts, "Runa")
    summary = bench.score(bench.said(never, questions=questions), questions=questions).json("summary")
    assert summary["refusal_precision"]["mean"] is None  # nothing was refused: there is nothing to be precise about
    assert summary["refusal_recall"]["mean"] == 0.0


def test_slices_tell_the_sources_apart(bench):
    version = bench.score(bench.said({**RIGHT, "q2": "nowhere"}))
    parts = {(row["slice"], row["value"]): row for row in version.table("slices").to_pylist() if row["metric"] == "exact_match"}
    assert parts["source", "handbook"]["mean"] == 1.0 and parts["source", "notices"]["mean"] == 0.0
    assert parts["answerable", "no"]["n"] == 1 and parts["answerable", "no"]["low"] is None  # too few for an interval
    assert parts["length", "short"]["n"] == 3 and parts["language", "en"]["n"] == 3
    assert {name for name, _ in parts} == {"source", "language", "length", "answerable"}  # no topic was given


def test_answers_to_other_questions_are_refused(bench):
    answered = bench.said(RIGHT)
    with pytest.raises(EvaluationError, match="answers/tuned answers questions"):
        bench.score(answered, questions=bench.questions(QUESTIONS[:2]))


def test_a_deleted_document_that_is_still_found_is_counted(bench):
    documents = bench.documents([{"doc_id": "d/a", "source": "handbook", "language": "en"}])
    assert bench.score(bench.said(RIGHT), documents=documents).facts["retrieved_unknown_documents"] == 1


def test_unchanged_input_is_not_scored_again(bench):
    first = bench.score(bench.said(RIGHT))
    again = bench.reopened()
    assert again.score(again.said(RIGHT)).reused and not first.reused


def test_the_figure_is_900_pixels_wide(bench, monkeypatch):
    from matplotlib.image import imread

    monkeypatch.setattr(plots, "draw", draw)
    version = bench.score(bench.said(WRONG))
    assert imread(version.file("scores.png")).shape[1] == 900
