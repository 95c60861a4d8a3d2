"""What ragas gives must be what the libraries under it give, and a failing row must stay visible."""

import os

import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from llmops_pipelines.lifecycle.evaluation.ragas_metrics import text_outcomes

ROWS = [
    ("in the green lockers", ["green lockers beside the Tide Room"]),
    ("46", ["46"]),
    ("Dr. Hale of the office", ["Hale of the office"]),
    ("blue", ["green lockers"]),
    ("", ["46"]),
]
ANSWERS, REFERENCES = [list(column) for column in zip(*ROWS, strict=True)]


def test_values_are_those_of_sacrebleu_and_rouge_score():
    found = text_outcomes(ANSWERS, REFERENCES)
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    pairs = [(answer, reference) for answer, (reference,) in ROWS]
    assert found["rouge_l"] == pytest.approx([scorer.score(r, a)["rougeL"].fmeasure for a, r in pairs])
    flat = [(a.replace(". ", " "), r) for a, r in pairs]
    assert found["bleu"] == pytest.approx([sacrebleu.sentence_bleu(a, [r]).score / 100 for a, r in flat])
    assert found["bleu"][1] == pytest.approx(1.0)  # one right word is right, though it has no four-word sequence


def test_nothing_is_told_to_the_makers_of_ragas(monkeypatch, tmp_path):
    from ragas import _analytics

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    _analytics.get_userid.cache_clear()
    text_outcomes(["a"], [["a"]])
    assert os.environ["RAGAS_DO_NOT_TRACK"] == "true"
    assert list(tmp_path.iterdir()) == []  # nor is a user id kept
    _analytics.get_userid()
    assert list(tmp_path.iterdir()) != []  # the control: this is where it would be


def test_the_best_of_several_references_counts():
    found = text_outcomes(["184"], [["184 passengers", "184"]])
    assert found["string_similarity"] == [1.0] and found["rouge_l"] == [1.0]


def test_a_reference_is_contained_as_whole_words():
    answers = ["it is the Wren Cabin, aft", "1460", "Wren"]
    references = [["the wren cabin"], ["46"], ["Wren Cabin"]]
    assert text_outcomes(answers, references)["contains_reference"] == [1.0, 0.0, 0.0]


def test_chrf_is_that_of_sacrebleu():
    found = text_outcomes(ANSWERS[:4], REFERENCES[:4])["chrf"]
    assert found == pytest.approx([sacrebleu.corpus_chrf([a], [[r]]).score / 100 for a, (r,) in ROWS[:4]])


def test_a_row_that_fails_keeps_its_error_and_spoils_no_other(monkeypatch):
    from ragas.metrics.collections import RougeScore

    genuine = RougeScore.ascore

    async def failing(self, reference, response):
        if "trouble" in response:
            raise TimeoutError("the metric took too long")
        return await genuine(self, reference, response)

    monkeypatch.setattr(RougeScore, "ascore", failing)
    found = text_outcomes(["green", "trouble", "blue"], [["green"], ["trouble"], ["green"]])
    assert found["rouge_l"] == [1.0, "TimeoutError: the metric took too long", 0.0]
    assert found["bleu"][1] == pytest.approx(1.0)
