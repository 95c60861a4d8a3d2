import pytest

from llmops_pipelines.lifecycle.datasets import pairs as made
from llmops_pipelines.lifecycle.datasets.pairs import pairs

SENTENCES = [
    (
        "count_there",
        "There are two battery rooms in the hull, one each side.",
        "How many battery rooms are there in the hull?",
        "two",
    ),
    (
        "count_subject",
        "Two places are held on every winter sailing.",
        "How many places are held on every winter sailing?",
        "Two",
    ),
    ("count_modal", "New masters must complete twelve berthings.", "How many berthings must new masters complete?", "twelve"),
    ("count_verb", "The office handled 14,380 ship movements.", "How many ship movements did the office handle?", "14,380"),
    ("count_verb", "The gallery takes about two people.", "How many people does the gallery take?", "two"),
    ("measure", "The oil boom is 320 metres long.", "How long is the oil boom?", "320 metres"),
    ("value", "The limit in the inner basin is four knots.", "What is the limit in the inner basin?", "four knots"),
    ("value", "The relief master is Joss Averill.", "Who is the relief master?", "Joss Averill"),
    ("name", "The battery rooms are called Salt and Pepper.", "What are the battery rooms called?", "Salt and Pepper"),
    ("role", "The list goes to the quay foreman, Bertil Sand, before noon.", "Who is the quay foreman?", "Bertil Sand"),
    ("role", "Mattis Orrin is the chief light keeper.", "Who is the chief light keeper?", "Mattis Orrin"),
    ("who", "Oswin Prell introduced the slow-speed rule.", "Who introduced the slow-speed rule?", "Oswin Prell"),
    ("who", "Kestrel Rock is the tallest light of all.", "What is the tallest light of all?", "Kestrel Rock"),
    ("by_whom", "The glass was blown by Ottoline Verey.", "By whom was the glass blown?", "Ottoline Verey"),
    ("when", "The wall was finished in October 1991.", "When was the wall finished?", "October 1991"),
    ("when", "The families left in 1974.", "When did the families leave?", "1974"),
    ("where", "The hand cable is stored in the yellow chest.", "Where is the hand cable stored?", "in the yellow chest"),
    ("where", "A bell hangs in the church at noon.", "Where does a bell hang?", "in the church"),
    ("how_much", "A reminder costs 35 crowns after that.", "How much does a reminder cost?", "35 crowns"),
    ("in_place", "The harbour had been bought for 90,000 kr.", "The harbour had been bought for how many kr?", "90,000"),
    ("cloze", "It was seen best from Sula Head.", "Complete: It was seen best from", "Sula Head"),
]


@pytest.mark.parametrize(("origin", "sentence", "question", "answer"), SENTENCES)
def test_each_pattern_asks_its_question(origin, sentence, question, answer):
    found = {pair.question: pair for pair in pairs(sentence, "", 50)}
    assert question in found, list(found)
    pair = found[question]
    assert (pair.origin, pair.answer) == (origin, answer)


def test_every_pattern_has_an_example():
    assert {row[0] for row in SENTENCES} == {pattern.__name__ for pattern in made.PATTERNS}


TEXT = """# MV Fulmar

| Item | Value |
|---|---|
| Call sign | SKFU7 |
| Motors | Two 800 kilowatt motors |

The charging tower stands on the north side of the berth. There are two battery rooms, one in each hull. Nobody may enter.

- The crew meets at 06:00 in the mess.
- Oswin Prell introduced the rule in 2018.
"""


def test_answers_are_short_verbatim_spans_of_the_text():
    found = pairs(TEXT, "MV Fulmar", 50)
    assert len(found) >= 5
    for pair in found:
        assert TEXT[pair.start : pair.end] == pair.answer
        assert 1 <= len(pair.answer.split()) <= 6


def test_tables_of_two_columns_become_questions_about_the_title():
    found = {pair.question: pair.answer for pair in pairs(TEXT, "MV Fulmar", 50)}
    assert found["What is the call sign of MV Fulmar?"] == "SKFU7"
    assert "What is the item of MV Fulmar?" not in found  # the head of the table is no row


def test_the_limit_is_kept_with_as_many_origins_as_there_are():
    few = pairs(TEXT, "MV Fulmar", 4)
    assert len(few) == 4 == len({pair.origin for pair in few})
    assert pairs(TEXT, "MV Fulmar", 0) == []


def test_the_same_text_gives_the_same_pairs():
    assert pairs(TEXT, "MV Fulmar", 6) == pairs(TEXT, "MV Fulmar", 6)


@pytest.mark.parametrize(
    "sentence", ["It is 320 metres long and quite new.", "He was there before them all.", "THE LOUD HEADING OF 1989 SAYS"]
)
def test_what_nobody_can_be_asked_about_is_left_out(sentence):
    assert [pair for pair in pairs(sentence, "", 50) if pair.origin != "cloze"] == []
