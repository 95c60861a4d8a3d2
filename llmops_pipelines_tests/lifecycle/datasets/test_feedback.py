"""Feedback of people: what may stand in its files, what it comes to, and where it becomes rows."""

import json
from types import SimpleNamespace

import pytest

from llmops_pipelines.config.datasets import Feedback
from llmops_pipelines.lifecycle import datasets
from llmops_pipelines.lifecycle.datasets import Material, People, QuestionsError
from llmops_pipelines.lifecycle.datasets.feedback import load_feedback, verdicts

from .conftest import HERON, MOLE, OSK
from .test_examples import rows_of

LINE = {
    "id": "r1",
    "question": "Who is the permanent master of the Heron?",
    "answer": "Tide Room",
    "rating": "bad",
    "correction": "Runa Estby",
    "author": "ane",
    "time": "2031-05-04T09:30:00+00:00",
    "release": "rel-1",
}
REFUSAL = "not in the documents"


def feedback_in(shop, *lines: dict, **words) -> Feedback:
    folder = shop.project / "feedback"
    folder.mkdir(exist_ok=True)
    (folder / "a.jsonl").write_text("".join(json.dumps(LINE | line) + "\n" for line in lines))
    return Feedback.model_validate({"path": "feedback"} | words, context={"project": shop.project})


def said(shop, *lines: dict, **words):
    settings = feedback_in(shop, *lines, **words)
    return verdicts(load_feedback(settings, shop.project), settings)


def with_feedback(shop, *lines: dict, found: tuple[str, ...] = (f"docs/{HERON}:1",)) -> None:
    """People said this, and a search finds the chunks `found` for whatever they asked."""
    texts = {row["chunk_id"]: (row["doc_id"], row["start"], row["end"]) for row in shop.chunks.table().to_pylist()}

    def hit(name: str):
        doc_id, start, end = texts[name]
        return SimpleNamespace(chunk_id=name, text=shop.texts[doc_id.removeprefix("docs/")][start:end])

    settings = feedback_in(shop, *lines)
    people = People(settings, lambda asked, k: [[hit(name) for name in found] for _ in asked], ())
    shop.material = Material(people=people)


def test_a_correction_becomes_a_training_row_that_names_where_it_is_from(shop):
    with_feedback(shop, {})
    [row] = rows_of(shop.training_examples(), "feedback")
    assert (row["question"], row["completion"]) == (LINE["question"], " Runa Estby")
    assert (row["feedback_id"], row["release"], row["cluster"]) == ("r1", "rel-1", f"docs/{HERON}")
    assert any("Runa Estby" in text for text in row["contexts"])
    assert all(row["feedback_id"] is None for row in rows_of(shop.training_examples(), "question"))


def test_a_correction_becomes_a_preference_over_what_was_answered(shop):
    with_feedback(shop, {})
    [row] = rows_of(shop.preference_pairs(), "feedback")
    assert (row["chosen"], row["rejected"]) == (" Runa Estby", " Tide Room")
    assert (row["feedback_id"], row["release"]) == ("r1", "rel-1")


def test_an_answer_that_people_liked_is_learnt_but_is_no_preference(shop):
    with_feedback(shop, {"rating": "good", "answer": "Runa Estby", "correction": None})
    assert [row["completion"] for row in rows_of(shop.training_examples(), "feedback")] == [" Runa Estby"]
    assert all(row["feedback_id"] is None for row in rows_of(shop.preference_pairs(), "feedback"))


def test_people_may_say_that_the_documents_do_not_say_it(shop):
    with_feedback(shop, {"correction": REFUSAL, "question": "Who built the Heron in the end?"})
    [row] = rows_of(shop.training_examples(), "feedback")
    assert row["answer"] == REFUSAL
    [row] = rows_of(shop.preference_pairs(), "feedback")
    assert (row["chosen"], row["rejected"]) == (f" {REFUSAL}", " Tide Room")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ((f"docs/{MOLE}:1",), "answer_not_in_passage"),
        ((f"docs/{MOLE}:1", f"docs/{HERON}:1"), "passage_not_on_the_train_side"),
        ((f"docs/{OSK}:1",), "answer_not_in_passage"),
        ((), "answer_not_in_passage"),
    ],
)
def test_what_may_be_about_held_out_documents_or_is_not_proven_is_left_out(shop, found, reason):
    with_feedback(shop, {}, found=found)
    version = shop.training_examples()
    assert rows_of(version, "feedback") == [] and version.facts[f"dropped_feedback_{reason}"] == 1


def test_feedback_on_an_evaluation_question_is_left_out(shop):
    with_feedback(shop, {"question": "How many watts does the lamp use?"})
    version = shop.training_examples()
    assert rows_of(version, "feedback") == [] and version.facts["dropped_question_in_evaluation"] == 1
    assert datasets.leaks(shop.eval_questions(), version, shop.documents) == []


@pytest.mark.parametrize("field", ["question", "answer"])
def test_personal_data_is_not_learnt(shop, field):
    with_feedback(shop, {field: "Is it Runa Estby, runa.estby@example.org?"})
    for version in (shop.training_examples(), shop.preference_pairs()):
        assert rows_of(version, "feedback") == [] and version.facts["dropped_feedback_personal_data"] == 1


def test_new_feedback_is_a_new_version_and_the_same_is_not(shop):
    with_feedback(shop, {})
    shop.training_examples()
    assert shop.training_examples().reused
    with_feedback(shop, {"correction": "Captain Runa Estby"})
    assert not shop.training_examples().reused


def test_lines_about_one_answer_are_taken_together(shop):
    other = {"author": "olaf", "time": "2031-05-04T08:00:00+02:00"}
    found, dropped = said(shop, {}, {"preferred": "Runa", "correction": None} | other)
    assert [(each.right, each.given) for each in found] == [("Runa Estby", "Tide Room")]
    found, dropped = said(shop, {}, {"correction": "Estby"} | other)
    assert found == [] and dropped == {"people_disagree": 1}
    found, dropped = said(shop, {"rating": "good", "correction": None}, {"correction": None} | other)
    assert found == [] and dropped == {"people_disagree": 1}


def test_the_same_id_in_another_release_is_another_answer(shop):
    found, _ = said(shop, {}, {"release": "rel-2", "correction": "Liss Morrow"})
    assert [(each.release, each.right) for each in found] == [("rel-1", "Runa Estby"), ("rel-2", "Liss Morrow")]


def test_bad_answers_alone_teach_nothing_and_kinds_can_be_left_out(shop):
    assert said(shop, {"correction": None})[1] == {"no_better_answer": 1}
    assert said(shop, {}, learn_from=["good"])[1] == {"kind_not_learnt_from": 1}


def test_every_fault_of_every_line_is_reported_at_once(shop):
    lines = [
        {"correction": "tide ROOM"},
        {"id": "r2", "rating": "good"},
        {"id": "r3", "time": "yesterday"},
        {"id": "r4", "rating": "fine"},
        {"id": "r5"},
        {"id": "r5"},
        {"id": "r5", "author": "olaf", "answer": "Something else"},
    ]
    with pytest.raises(QuestionsError) as caught:
        said(shop, *lines)
    assert [line.split("  ", 1)[0] for line in str(caught.value).splitlines()] == [
        f"feedback/a.jsonl:{number}" for number in (1, 2, 3, 4, 6, 7)
    ]
    for part in ("it says the same as answer", "needs no correction", "no date and time with a zone", "keep one line"):
        assert part in str(caught.value)


def test_the_shipped_sample_can_be_read(project):
    settings = Feedback.model_validate({"path": "configs/quickstart/feedback"}, context={"project": project})
    found, dropped = verdicts(load_feedback(settings, project), settings)
    assert len(found) >= 5 and dropped
