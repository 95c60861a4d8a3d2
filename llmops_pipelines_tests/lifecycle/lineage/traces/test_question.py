"""A question is told as it was recorded, asked again with the same release, and every difference is said."""

import json
from dataclasses import replace

import pytest

from llmops_pipelines.lifecycle.index import Hit
from llmops_pipelines.lifecycle.lake import DamagedVersion
from llmops_pipelines.lifecycle.lineage.page import Edit
from llmops_pipelines.lifecycle.lineage.traces.question import QuestionTrace, Unanswered, trace_question
from llmops_pipelines.lifecycle.lineage.traces.question_page import question_page
from llmops_pipelines.lifecycle.release.serving import Reply

from ..small_product import Product, doc_id, whole

QUESTION = "When does the ferry sail?"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Product:
    """Release 1 answered right, release 2 read the wrong document."""
    product = whole(tmp_path_factory.mktemp("made"))
    product.asked(said="at six", file="harbour.md")
    product.release()
    return product


def hit(product: Product, release: int, text: str = "") -> Hit:
    """The passage that a release read, as its index would give it again."""
    then = trace_question(product.lake, product.history.record(release), "q1").then
    assert then is not None
    found = then.passages[0]
    return Hit(found.chunk_id, found.doc_id, "", "", text or found.text, 0.5)


def asked(product: Product, wanted: str = "q1", release: int = 1, reply: Reply | None = None, **said) -> QuestionTrace:
    ask = (lambda question, evaluated: reply) if reply else None
    return trace_question(product.lake, product.history.record(release), wanted, ask, **said)


@pytest.mark.parametrize("wanted", ["q1", QUESTION])
def test_it_is_told_as_it_was_recorded_by_id_or_by_its_words(made, wanted):
    found = asked(made, wanted)
    assert (found.question_id, found.question, found.references) == ("q1", QUESTION, ["at noon"])
    assert (found.then.answer, found.then.refused) == ("at noon", False)
    assert [(each.doc_id, each.text, each.read) for each in found.then.passages] == [
        (doc_id("ferry.md"), "The ferry sails at noon.", True)
    ]
    assert found.then.scores == {"exact_match": 1.0, "token_f1": 1.0}


def test_the_prompt_is_rendered_anew_and_fits_what_was_recorded(made):
    then = asked(made).then
    assert then.prompt == f"Context:\nThe ferry sails at noon.\n\nQuestion: {QUESTION}\nAnswer:"
    assert then.prompt_fits is True


def test_a_prompt_that_was_changed_in_the_record_does_not_fit(made):
    release = made.history.record(1)
    release.candidate["spec"]["prompt"]["template"] = "Text: {context}\nQuestion: {question}\nAnswer:"
    found = trace_question(made.lake, release, "q1")
    assert found.then.prompt_fits is False
    assert "do not make the recorded prompt" in found.differs[0] and question_page(found).mark == "bad"


def test_the_same_answer_now_differs_in_nothing(made):
    found = asked(made, reply=Reply("at noon", [hit(made, 1)]))
    assert found.differs == [] and question_page(found).mark == "good"
    assert found.now.scores == {
        "exact_match": 1.0,
        "token_f1": 1.0,
        "refusal_right": 1.0,
        "document_precision": 1.0,
        "document_recall": 1.0,
    }


def test_another_answer_from_another_document_is_told_with_its_scores(made):
    found = asked(made, reply=Reply("at six", [hit(made, 2)]))
    assert found.differs[0] == "it answered 'at noon' then and answers 'at six' now"
    assert "it read handbook/ferry.md" in found.differs[1] and "reads handbook/harbour.md" in found.differs[1]
    assert "token_f1 was 1.000 and is 0.500" in found.differs
    assert any(isinstance(block, Edit) and block.title == "Prompt, then and now" for block in question_page(found).blocks)


def test_the_same_passage_with_another_text_is_another_prompt(made):
    found = asked(made, reply=Reply("at noon", [hit(made, 1, "The ferry sails at one.")]))
    assert found.differs == ["the same passages make another prompt now: their text, or what surrounds it, changed"]


def test_a_refusal_is_one_in_whatever_case(made):
    found = asked(made, reply=Reply("Not in the documents.", [hit(made, 1)]))
    assert found.now.refused and found.now.scores["refusal_right"] == 0.0


def test_what_the_live_release_recorded_stands_beside_it(made):
    found = asked(made, live=made.history.live())
    assert found.live.release == 2 and found.live.answer == "at six"
    assert asked(made, release=2, live=made.history.live()).live is None


def test_only_questions_of_evaluation_see_every_passage(made):
    seen = []

    def ask(question: str, evaluated: bool) -> Reply:
        seen.append(evaluated)
        return Reply("at noon", [])

    for wanted in ("q1", "Where is the bar?"):
        trace_question(made.lake, made.history.record(1), wanted, ask)
    assert seen == [True, False]


def test_another_text_has_only_what_it_is_now(made):
    found = asked(made, "Where is the bar?", reply=Reply("on deck", [hit(made, 1)]))
    assert found.then is None and found.question_id == "" and found.now.scores == {}
    assert question_page(found).answer == "Release 1 answers 'on deck'."
    with pytest.raises(Unanswered, match="recorded no answer to 'Where is the bar.'.*--recorded"):
        asked(made, "Where is the bar?")


def test_a_release_that_cannot_answer_any_more_says_why_and_tells_what_it_knows(made):
    def ask(question: str, evaluated: bool) -> Reply:
        raise DamagedVersion("its index is gone")

    found = trace_question(made.lake, made.history.record(1), "q1", ask)
    assert found.not_asked == "its index is gone" and found.then.answer == "at noon"
    assert "could not be asked again: its index is gone" in question_page(found).answer


def test_the_other_passages_have_the_text_of_their_documents(made, tmp_path):
    product = made.copied(tmp_path / "home")
    answers = next(each for each in product.lake.manifests("answers/fine_tuned_retrieval") if _first_answers(product, each))
    row = answers.table().to_pylist()[0]
    other = next(each for each in product.made["chunks"].table().to_pylist() if each["doc_id"] == doc_id("harbour.md"))
    row |= {"passages": [*row["passages"], other["chunk_id"]], "documents": [*row["documents"], other["doc_id"]]}
    _write(answers, row)
    found = asked(product)
    assert [(each.text, each.read) for each in found.then.passages][1] == ("The harbour opens at six.", False)


def test_it_answers_as_json(made):
    found = replace(asked(made), live=None)
    assert json.loads(json.dumps(found, default=vars))["then"]["answer"] == "at noon"


def _first_answers(product: Product, version) -> bool:
    return version.digest == product.history.record(1).parts["answers"]["digest"]


def _write(version, row: dict) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([row]), version.file("answers.parquet"))
