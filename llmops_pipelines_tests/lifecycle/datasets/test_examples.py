from collections import Counter

import pytest

from llmops_pipelines.config.pipeline import Answers
from llmops_pipelines.lifecycle import datasets
from llmops_pipelines.lifecycle.datasets import QuestionsError
from llmops_pipelines.lifecycle.datasets.prompts import prompt
from llmops_pipelines.lifecycle.datasets.wording import plain

from .conftest import HERON, MOLE, OSK, questions_in, training_in


def rows_of(version, *origins: str) -> list[dict]:
    return [row for row in version.table().to_pylist() if not origins or row["origin"] in origins]


def test_a_written_question_gets_the_passage_with_its_answer_and_another_one(shop):
    rows = [
        row for row in rows_of(shop.training_examples(), "question") if row["question"] == "How much oil do the tanks hold?"
    ]
    assert rows
    for row in rows:
        assert any("46 cubic metres" in text for text in row["contexts"])
        assert len(row["contexts"]) == shop.answers.passages
        assert row["prompt"] == prompt(row["contexts"], row["question"]) and row["answer"] == "46 cubic metres"
        assert row["completion"] == " 46 cubic metres" and row["cluster"] == f"docs/{HERON}"
        assert f"docs/{HERON}" in row["doc_ids"]


def ask_much(shop) -> None:
    """Enough questions that everything which happens now and then happens."""
    shop.rows += [
        {"id": f"m{n}", "question": f"Who is master {n}?", "answers": ["Runa Estby"], "documents": [HERON], "answerable": True}
        for n in range(40)
    ]
    shop.write_questions()


def test_the_right_passage_is_not_always_first(shop):
    ask_much(shop)
    rows = [row for row in rows_of(shop.training_examples(), "question") if row["completion"] == " Runa Estby"]
    first = [row["contexts"][0].startswith("The fuel tanks") for row in rows]
    assert 0.2 < sum(first) / len(first) < 0.8


def test_refusals_are_learned_from_passages_without_the_answer(shop):
    ask_much(shop)
    refusals = [row for row in rows_of(shop.training_examples()) if row["completion"] == " not in the documents"]
    assert {row["origin"] for row in refusals} == {"unanswerable", "wrong_passages"}
    assert "What colour is the funnel?" in {row["question"] for row in refusals}
    answers = {row["question"]: row["completion"] for row in rows_of(shop.training_examples()) if row not in refusals}
    checked = [row for row in refusals if row["origin"] == "wrong_passages"]
    for row in checked:
        assert plain(answers[row["question"]]) not in plain(" ".join(row["contexts"]))
    assert checked


def test_nothing_of_the_held_out_side_is_used(shop):
    version = shop.training_examples()
    assert all(row["doc_ids"] and set(row["doc_ids"]) <= {f"docs/{HERON}", f"docs/{OSK}"} for row in rows_of(version))
    assert not any("lamp" in row["prompt"] for row in rows_of(version))
    assert datasets.leaks(shop.eval_questions(), version, shop.documents) == []


def test_a_passage_that_copies_held_out_text_is_left_out(shop):
    copied = shop.texts[MOLE].split("\n\n")[1].replace("linen", "cotton")
    shop.texts[HERON] += f"\n\n{copied}"
    version = shop.training_examples()
    assert version.facts["dropped_passage_like_held_out_text"] == 1
    assert not any("cotton" in row["prompt"] for row in rows_of(version))
    assert datasets.leaks(shop.eval_questions(), version, shop.documents) == []


def test_a_made_up_question_that_evaluation_asks_is_left_out(shop):
    shop.rows.append(
        {"id": "q6", "question": "What is the main lounge called", "answers": ["x"], "documents": [MOLE], "answerable": True}
    )
    shop.write_questions()
    version = shop.training_examples()
    assert version.facts["dropped_question_in_evaluation"] == 1
    assert "What is the main lounge called?" not in {row["question"] for row in rows_of(version)}


def test_an_answer_that_no_passage_holds_is_dropped_and_counted(shop):
    shop.rows[0]["answers"] = ["47 barrels"]
    shop.write_questions()
    assert shop.training_examples().facts["dropped_answer_not_in_passage"] == 1


def test_the_number_of_made_up_pairs_is_limited(shop):
    shop.training = training_in(shop.project, pairs=0)
    version = shop.training_examples()
    assert {row["origin"] for row in rows_of(version)} <= {"question", "unanswerable", "wrong_passages"}


def test_facts_add_up_and_ids_are_unique(shop):
    version = shop.training_examples()
    rows = rows_of(version)
    origins = Counter(row["origin"] for row in rows)
    assert {f"origin_{name}": count for name, count in origins.items()}.items() <= version.facts.items()
    assert len({row["example_id"] for row in rows}) == len(rows) == version.facts["examples"]


def test_the_same_input_gives_the_same_rows_and_no_second_reading(shop, tmp_path):
    first = shop.training_examples()
    assert shop.training_examples().reused
    shop.lake = type(shop.lake)(tmp_path / "elsewhere", "demo")
    assert shop.training_examples().digest == first.digest


def test_more_passages_make_longer_prompts(shop):
    shop.answers = Answers(passages=3)
    row = rows_of(shop.training_examples(), "question")[0]
    assert len(row["contexts"]) == 3


def test_no_example_at_all_is_refused(shop):
    shop.questions = questions_in(shop.project, held_out=0.999)
    with pytest.raises(QuestionsError, match="no training example results from 0 passages"):
        shop.training_examples()


@pytest.mark.parametrize("terms", [{"consent": "search"}, {"trust": "untrusted"}])
def test_texts_without_consent_or_trust_are_never_learnt_from(shop, terms):
    shop.terms = {f"docs/{HERON}": terms}
    version = shop.training_examples()
    assert all(f"docs/{HERON}" not in row["doc_ids"] for row in version.table().to_pylist())
    assert version.facts["dropped_no_consent_or_trust"] > 0
