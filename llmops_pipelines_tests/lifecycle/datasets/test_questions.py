import pytest

from llmops_pipelines.lifecycle.datasets import QuestionsError
from llmops_pipelines.lifecycle.datasets.question_files import load
from llmops_pipelines.lifecycle.datasets.questions import place

from .conftest import HERON, MOLE, OSK, questions_in
from .corpus_of import uri_on


def ids(version) -> list[str]:
    return version.table().column("id").to_pylist()


def dropped(version) -> dict[str, str]:
    return {row["id"]: row["reason"] for row in version.table("dropped").to_pylist()}


def test_only_questions_about_held_out_documents_are_kept(shop):
    version = shop.eval_questions()
    assert ids(version) == ["q4", "q5"]
    row = version.table().to_pylist()[0]
    assert row["documents"] == [f"docs/{MOLE}"] and row["cluster"] == f"docs/{MOLE}" and row["answers"] == ["18"]
    expected = {"questions": 2, "answerable": 1, "train_side_questions": 3, "dropped": 0, "answer_not_in_document": 0}
    assert expected.items() <= version.facts.items()


def test_every_fault_of_every_file_is_reported_at_once(shop):
    (shop.project / "questions" / "b.jsonl").write_text(
        '{"id": "q1", "question": "Again?", "answers": ["x"], "documents": ["a.md"], "answerable": true}\n'
        "\n"
        "{not json\n"
        '{"id": "q7", "question": "Where?", "answers": [], "documents": ["a.md"], "answerable": true, "extra": 1}\n'
        '{"id": "q8", "question": "Why?", "answers": ["x"], "documents": [], "answerable": "yes"}\n'
    )
    with pytest.raises(QuestionsError) as caught:
        load(shop.questions, shop.project)
    assert str(caught.value).splitlines() == [
        "questions/b.jsonl:1  id: 'q1' is taken by questions/a.jsonl:1; ids are unique over all files",
        "questions/b.jsonl:3  line: not JSON (Expecting property name enclosed in double quotes at column 2)",
        "questions/b.jsonl:4  extra: Extra inputs are not permitted (it is 1)",
        "questions/b.jsonl:5  documents: List should have at least 1 item after validation, not 0 (it is [])",
        'questions/b.jsonl:5  answerable: Input should be a valid boolean (it is "yes")',
    ]


def test_bytes_that_are_no_text_are_faults_like_others(shop):
    good = b'{"id": "a", "question": "\xc3\xa9?", "answers": ["x"], "documents": ["a.md"], "answerable": true}'
    bad = [b"\xff\xfe{}", good.replace(b"\xc3\xa9", b"\\ud800"), b"[" * 5000]
    (shop.project / "questions" / "b.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join([good, *bad]))
    with pytest.raises(QuestionsError) as caught:
        load(shop.questions, shop.project)
    said = str(caught.value)
    assert [line.split("  ")[0] for line in said.splitlines()] == [f"questions/b.jsonl:{n}" for n in (2, 3, 4)]
    assert "2  line: not UTF-8 (byte 1)" in said and "4  line: nested too deeply" in said and said.encode("utf-8")


@pytest.mark.parametrize(("answers", "answerable"), [([], True), ([" "], True), (["x"], False)])
def test_answers_must_fit_answerable(shop, answers, answerable):
    shop.rows[0] |= {"answers": answers, "answerable": answerable}
    shop.write_questions()
    with pytest.raises(QuestionsError, match="a.jsonl:1  answers: an (un)?answerable question"):
        load(shop.questions, shop.project)


def test_a_pattern_selects_files_and_an_empty_one_is_refused(shop):
    assert len(load(questions_in(shop.project, "quest*/a.jsonl"), shop.project)) == 5
    (shop.project / "questions" / "a.jsonl").unlink()
    with pytest.raises(QuestionsError, match="no JSON Lines file matches 'questions'"):
        load(shop.questions, shop.project)


def test_what_cannot_be_used_is_dropped_with_a_reason(shop):
    question = {"answers": ["x"], "answerable": True}
    shop.rows += [
        {"id": "q6", "question": "how many WATTS does the lamp use", "documents": [MOLE], **question},
        {"id": "q7", "question": "Gone?", "documents": ["gone.md"], **question},
        {"id": "q8", "question": "Both?", "documents": [MOLE, OSK], **question},
    ]
    shop.write_questions()
    version = shop.eval_questions()
    reasons = {"q6": "duplicate_question", "q7": "document_not_in_corpus", "q8": "documents_on_both_sides"}
    assert dropped(version) == reasons
    assert version.facts["dropped_duplicate_question"] == 1 and version.facts["dropped"] == 3


def test_a_name_that_two_sources_have_is_not_guessed(shop):
    documents = shop.documents
    table = documents.table().to_pylist()
    twin = next(row for row in table if row["uri"] == MOLE) | {"doc_id": f"notes/{MOLE}"}

    class Twins:
        def table(self, name="documents", columns=None):
            import pyarrow as pa

            rows = {"documents": [*table, twin], "ledger": [{"doc_id": twin["doc_id"], "reason": "", "detail": ""}]}
            return pa.Table.from_pylist(rows[name])

    placed = place(load(shop.questions, shop.project), Twins(), 0.5)
    assert ("q4", "document_in_several_sources") in placed.dropped


def test_an_answer_that_an_edit_removed_is_counted(shop):
    shop.texts[MOLE] = shop.texts[MOLE].replace("18 watts", "25 watts")
    assert shop.eval_questions().facts["answer_not_in_document"] == 1


def test_without_a_held_out_question_there_is_no_evaluation(shop):
    del shop.rows[3:]
    shop.write_questions()
    with pytest.raises(QuestionsError, match="none of 3 questions is on the held-out side"):
        shop.eval_questions()


def test_no_question_changes_side_when_the_corpus_grows(shop):
    before = shop.eval_questions()
    shop.texts |= {f"new-{n}.md": f"# New {n}\n\nText number {n}." for n in range(50)}
    grown = shop.eval_questions()
    assert ids(grown) == ids(before) and grown.digest == before.digest
    del shop.texts[HERON]
    assert ids(shop.eval_questions()) == ids(before)
    control = place(load(shop.questions, shop.project), shop.documents, 0.999)  # a new share does move questions
    assert len(control.held_out) == 3


def test_a_document_that_becomes_a_copy_of_a_held_out_one_is_on_no_side(shop):
    copy = uri_on("train", "copy")
    shop.texts[copy] = shop.texts[MOLE] + "\n\nCopied."
    shop.rows.append({"id": "q9", "question": "What was done?", "answers": ["Copied"], "documents": [copy], "answerable": True})
    shop.write_questions()
    assert "q9" in [question.id for question in place(load(shop.questions, shop.project), shop.documents, 0.5).train]
    shop.clusters = {f"docs/{uri}": f"docs/{copy}" for uri in (copy, MOLE)}
    version = shop.eval_questions()
    assert ids(version) == ["q4", "q5"] and dropped(version) == {"q9": "document_like_a_held_out_one"}


def correct(shop, **words) -> None:
    row = {"id": "q4b", "question": "How many watts?", "answers": ["18 watts"], "documents": [MOLE], "answerable": True}
    shop.rows.append(row | {"author": "Ane", "supersedes": "q4"} | words)
    shop.write_questions()


def test_an_expert_corrects_a_question_beside_the_old_one(shop):
    correct(shop, reviewed_by="Olaf", topic="lights", language="en")
    version = shop.eval_questions()
    assert ids(version) == ["q4b", "q5"] and dropped(version) == {"q4": "superseded"}
    row = version.table().to_pylist()[0]
    said = {"topic": "lights", "language": "en", "author": "Ane", "reviewed_by": "Olaf", "supersedes": "q4"}
    assert said.items() <= row.items()
    assert version.table().to_pylist()[1]["topic"] is None


def test_a_correction_may_be_corrected(shop):
    correct(shop)
    correct(shop, id="q4c", supersedes="q4b", answers=["eighteen"])
    assert ids(shop.eval_questions()) == ["q4c", "q5"]


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ({"supersedes": "q99"}, "a.jsonl:6  supersedes: no question has the id 'q99'"),
        ({"supersedes": "q4b"}, "a.jsonl:6  supersedes: 'q4b' supersedes itself in the end"),
        ({"author": None}, "a.jsonl:6  author: a correction needs one"),
        ({"reviewed_by": "Ane"}, "a.jsonl:6  reviewed_by: 'Ane' wrote it"),
        ({"language": "English"}, "a.jsonl:6  language: String should match pattern"),
    ],
)
def test_a_correction_that_makes_no_sense_is_refused(shop, words, fault):
    correct(shop, **words)
    with pytest.raises(QuestionsError, match=fault):
        load(shop.questions, shop.project)


def test_two_corrections_of_one_question_and_a_circle_are_refused(shop):
    correct(shop)
    correct(shop, id="q4c")
    with pytest.raises(QuestionsError, match="a.jsonl:7  supersedes: 'q4' is superseded by 'q4b' already"):
        load(shop.questions, shop.project)
    shop.rows[3] |= {"author": "Ane", "supersedes": "q4c"}
    shop.rows[6]["supersedes"] = "q4b"
    shop.write_questions()
    with pytest.raises(QuestionsError, match="'q4' supersedes itself in the end"):
        load(shop.questions, shop.project)


def test_unchanged_input_is_not_read_again(shop):
    assert not shop.eval_questions().reused
    assert shop.eval_questions().reused
