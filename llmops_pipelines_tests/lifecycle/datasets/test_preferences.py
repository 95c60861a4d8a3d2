import random

import pytest

from llmops_pipelines.lifecycle import datasets
from llmops_pipelines.lifecycle.datasets import Material, QuestionsError
from llmops_pipelines.lifecycle.datasets.lessons import Lesson
from llmops_pipelines.lifecycle.datasets.preferences import wrong_answer
from llmops_pipelines.lifecycle.datasets.prompts import Prompt
from llmops_pipelines.lifecycle.datasets.shelf import Passage
from llmops_pipelines.lifecycle.datasets.wording import plain

from .conftest import HERON, OSK, questions_in
from .test_examples import ask_much, rows_of

REFUSAL = " not in the documents"


def test_a_right_answer_is_preferred_to_a_plausible_wrong_one_or_to_a_refusal(shop):
    ask_much(shop)
    rows = rows_of(shop.preference_pairs(), "made")
    masters = [row for row in rows if row["chosen"] == " Runa Estby"]
    assert {row["rejected"] == REFUSAL for row in masters} == {True, False}
    for row in rows:
        assert plain(row["chosen"]) != plain(row["rejected"])
        if row["chosen"] != REFUSAL and row["rejected"] != REFUSAL:
            assert row["rejected"].strip() in " ".join(row["contexts"])
            assert plain(row["answer"]) not in plain(row["rejected"])


def test_a_wrong_answer_is_of_the_kind_of_the_right_one(shop):
    rows = [row for row in rows_of(shop.preference_pairs()) if row["question"] == "How many kettles are there in the galley?"]
    assert rows and all(row["rejected"] in (REFUSAL, " 46 cubic", " 46", " twelve") for row in rows)


def spans_for(answer: str, text: str, question: str = "Which?") -> set[str | None]:
    gold = Passage("c", "d", "d", 0, len(text), text)
    lesson = Lesson("k", question, answer, (answer,), gold, "question")
    return {wrong_answer(lesson, [gold], random.Random(seed)) for seed in range(20)}


@pytest.mark.parametrize(
    ("answer", "text", "wrong"),
    [
        ("90 minutes", "After 90 minutes, or 15 minutes by night, on 3 May 2031 at 10:30.", {"15 minutes"}),
        ("16 March", "From 16 March to 20 June 2031, within 31 days.", {"20 June 2031"}),
        ("10:30", "At 10:30 and 22:15, every 40 minutes.", {"22:15"}),
        ("Runa Estby", "Captain Runa Estby and Liss Morrow met in 2016.", {"Liss Morrow"}),
        ("twelve", "There are twelve, not 1,400, berths of 2031.", {"1,400"}),
        ("Runa Estby", "Captain Runa Estby sails in 2016.", {None}),
    ],
)
def test_wrong_answers_are_whole_spans_of_the_same_kind(answer, text, wrong):
    assert spans_for(answer, text) == wrong


def test_what_the_question_names_is_no_wrong_answer():
    assert spans_for("Elder Slip", "The Grey Heron sails from Elder Slip.", "Where does the Grey Heron sail from?") == {None}


def test_where_the_documents_are_silent_the_refusal_is_preferred_to_a_made_up_answer(shop):
    [row] = [row for row in rows_of(shop.preference_pairs()) if row["question"] == "What colour is the funnel?"]
    assert row["chosen"] == REFUSAL and row["rejected"].strip() in " ".join(row["contexts"])


def test_pairs_obey_the_same_border_as_examples(shop):
    version = shop.preference_pairs()
    assert all(set(row["doc_ids"]) <= {f"docs/{HERON}", f"docs/{OSK}"} for row in rows_of(version))
    assert datasets.leaks(shop.eval_questions(), version, shop.documents) == []


def test_reasoning_stands_before_both_answers(shop, project):
    shop.material = Material(prompt=Prompt.load(project / "configs/prompts/step_by_step.yaml", project))
    [row] = [row for row in rows_of(shop.preference_pairs()) if row["question"] == "Who painted the panel?"]
    why = "The artist Liss Morrow painted the panel in the saloon. So the answer is:"
    assert row["chosen"] == f" {why} Liss Morrow" and row["rejected"].startswith(f" {why} ")


def test_the_same_input_gives_the_same_rows_once(shop, tmp_path):
    first = shop.preference_pairs()
    ids = [row["example_id"] for row in rows_of(first)]
    assert len(set(ids)) == len(ids) == first.facts["examples"] and shop.preference_pairs().reused
    shop.lake = type(shop.lake)(tmp_path / "elsewhere", "demo")
    assert shop.preference_pairs().digest == first.digest


def test_no_pair_at_all_is_refused(shop):
    shop.questions = questions_in(shop.project, held_out=0.999)
    with pytest.raises(QuestionsError, match="no preference pair results from 0 lessons"):
        shop.preference_pairs()
