"""Answers without a model: the right phrase for each kind of question, and none where the passages speak of other things."""

import json
from pathlib import Path

import pytest

from llmops_pipelines.lifecycle.evaluation.extractive import extract, kind_of
from llmops_pipelines.lifecycle.evaluation.text_metrics import best, token_f1

SQUAD = Path(__file__).parents[4] / "shared" / "data" / "squad"
SHIP = """# MV Grey Heron

The permanent master of Grey Heron is Captain Runa Estby, who joined in 2019. Her fuel tanks hold 46 cubic metres of marine gas
oil. She sails from Garrow at 14:30 on weekdays. The new coating cut her fuel use by six per cent in 2028.

| Call sign | SKGH4 |

The quiet room at the back is called Wren Cabin. Children's lifejackets are kept in the green lockers beside the stairs."""


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who is the permanent master of Grey Heron?", "Captain Runa Estby"),
        ("How many cubic metres of marine gas oil do the fuel tanks hold?", "46 cubic metres"),
        ("When does she sail from Garrow on weekdays?", "14:30"),
        ("What is the call sign of Grey Heron?", "SKGH4"),
        ("What is the quiet room at the back called?", "Wren Cabin"),
        ("Where are the children's lifejackets kept?", "in the green lockers"),
    ],
)
def test_each_kind_of_question_gets_its_kind_of_phrase(question, answer):
    assert extract(question, [SHIP.replace("gas\noil", "gas oil")], ["MV Grey Heron"]) == answer


def test_nothing_is_said_where_the_passages_speak_of_other_things():
    assert extract("How many penguins live in the zoo of Antwerp?", [SHIP]) is None
    assert extract("Who is the master?", []) is None
    assert extract("Is it?", ["It is."]) is None  # a question without a word of its own


def test_a_word_in_the_title_is_not_missing():
    question, passages = "What does Fulmar weigh at Kestrel Rock in Sandmouth?", ["The boat weighs 12 tonnes."]
    assert extract(question, passages) is None
    assert extract(question, passages, ["Fulmar: Kestrel Rock, Sandmouth"]) == "12 tonnes"


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When did it sail?", "when"),
        ("On what date is it open?", "when"),
        ("How long is the pier?", "amount"),
        ("What is the price per night?", "amount"),
        ("After whom is it named?", "who"),
        ("Where is it?", "where"),
        ("Which colour is hoisted when it is closed?", "what"),
    ],
)
def test_the_kind_of_a_question(question, kind):
    assert kind_of(question) == kind


def test_an_answer_is_a_part_of_a_passage():
    for question in ("Who?", "What about fuel?", "Which coating was new?", "How much fuel was saved by the coating?"):
        said = extract(question, [SHIP])
        assert said is None or said in SHIP


@pytest.mark.skipif(not SQUAD.exists(), reason="the shared data is not here")
def test_on_real_questions_it_beats_a_sliding_window():
    """SQuAD with the right passage given; a sliding window has an F1 of 0.20 (Rajpurkar et al. 2016)."""
    lines = (SQUAD / "passages.jsonl").read_text("utf-8").splitlines()
    passages = {row["id"]: row for row in map(json.loads, lines)}
    asked = [json.loads(line) for line in (SQUAD / "questions.jsonl").read_text("utf-8").splitlines()[::5]]
    scores = []
    for row in asked:
        if row["answers"]:
            gold = passages[row["passage_id"]]
            said = extract(row["question"], [gold["text"]], [gold["title"]])
            scores.append(best(token_f1, said, row["answers"]) if said else 0.0)
    assert len(scores) > 100 and sum(scores) / len(scores) > 0.2
