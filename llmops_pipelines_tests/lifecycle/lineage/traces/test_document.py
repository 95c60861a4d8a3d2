"""A document is followed through every release: its states, passages, points, training rows, weights, and who has it now."""

import shutil

import pytest

from llmops_pipelines.lifecycle.lake.digests import text_digest
from llmops_pipelines.lifecycle.lineage.page import Cell, Table
from llmops_pipelines.lifecycle.lineage.traces.document import DocumentTrace
from llmops_pipelines.lifecycle.lineage.traces.document_page import document_page
from llmops_pipelines.lifecycle.lineage.traces.following import trace_document
from llmops_pipelines.lifecycle.lineage.traces.names import UnknownDocument

from ..small_product import FERRY, HARBOUR, Product, doc_id, sha, whole

EDITED = "The ferry sails at one.\n\nIt carries forty cars.\n\nIt has a bar."


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Product:
    """Release 1 has both documents; 2 an edited ferry; 3 has it in quarantine, and weights that learnt from it."""
    product = whole(tmp_path_factory.mktemp("made"))
    product.corpus({"harbour.md": HARBOUR, "ferry.md": EDITED})
    product.asked(said="at one")
    product.release("a newer page")
    product.trained({"When does the ferry sail?": "ferry.md"})
    product.corpus({"harbour.md": HARBOUR}, {"ferry.md": ("quarantined", "parser_failed", "no end of file")})
    product.release("a broken page")
    return product


@pytest.fixture
def product(made, tmp_path) -> Product:
    return made.copied(tmp_path / "home")


def followed(product: Product, wanted: str = doc_id("ferry.md"), release: int = 2) -> DocumentTrace:
    return trace_document(product.lake, product.history, product.history.record(release), wanted)


def test_its_states_are_in_the_order_of_releases_with_content_and_bytes(made):
    first, second, third = followed(made).states
    assert [state.outcome for state in (first, second, third)] == ["indexed", "indexed", "quarantined"]
    assert [state.releases for state in (first, second, third)] == [[1], [2], [3]]
    assert first.said["content_hash"] == text_digest(FERRY) and second.said["content_hash"] == text_digest(EDITED)
    assert first.source_sha256 == sha(f"bytes of {FERRY}")
    assert (third.reason, third.detail) == ("parser_failed", "no end of file")


def test_an_unchanged_document_has_one_state(made):
    (state,) = followed(made, "harbour.md").states
    assert state.releases == [1, 2, 3] and len(state.versions) == 3


def test_passages_are_those_of_the_release_with_their_place_and_first_words(made):
    found = followed(made).passages
    assert [(each.start, each.end, each.text) for each in found] == [
        (0, 23, "The ferry sails at one."),
        (25, 47, "It carries forty cars."),
        (49, 62, "It has a bar."),
    ]
    assert all(each.indexed for each in found)
    assert followed(made, release=3).passages == []


def test_points_are_counted_in_every_index_version(made):
    assert [(each.points, each.releases) for each in followed(made).points] == [(2, [1]), (3, [2])]


def test_rows_stand_with_their_side_and_the_releases_that_have_them(made):
    rows = {(row.side, row.question): row for row in followed(made).rows}
    learnt, asked = rows["training", "When does the ferry sail?"], rows["evaluation", "When does the ferry sail?"]
    assert learnt.releases == [3] and learnt.origin == "question"
    assert asked.id == "q1" and asked.releases == [1, 2, 3] and len(asked.versions) == 1
    assert not any(row.question == "Who is the harbour master?" for row in rows.values())


def test_weights_that_learnt_from_it_are_found_also_through_other_weights(product):
    product.step("compressed/small", ("checkpoint",), write=lambda draft: draft.json("compressed", {}))
    checkpoint, compressed = followed(product).trained
    assert (checkpoint.asset, checkpoint.rows, checkpoint.releases) == ("checkpoint", 1, [3])
    assert compressed.asset == "compressed/small" and compressed.through == [f"checkpoint {checkpoint.digest[:12]}"]


def test_releases_say_who_serves_it_who_learnt_it_and_what_is_live(made):
    first, second, third = followed(made).releases
    assert [(each.points, each.trained) for each in (first, second, third)] == [(2, False), (3, False), (0, True)]
    assert [each.live_in for each in (first, second, third)] == [[], [], ["production"]]
    answer = document_page(followed(made)).answer
    assert "no live release answers from it" in answer and "release 3, which is live, was trained on it" in answer


def test_questions_that_found_it_say_whether_the_model_read_it(made):
    (question,) = followed(made).questions
    assert (question.question_id, question.rank, question.read) == ("q1", 1, True)
    assert followed(made, "harbour.md").questions == []


@pytest.mark.parametrize("wanted", ["ferry.md", "handbook/ferry.md", "rry.md"])
def test_the_end_of_a_name_is_enough_when_only_one_has_it(made, wanted):
    assert followed(made, wanted).doc_id == doc_id("ferry.md")


def test_a_document_that_was_always_left_out_is_known_by_the_ledger(made):
    found = followed(made, "ferry.md", release=3)
    assert found.now.outcome == "quarantined"
    assert "quarantined (parser_failed: no end of file)" in document_page(found).answer


def test_an_end_that_several_have_is_refused_with_their_names(made):
    with pytest.raises(UnknownDocument, match="the end of 2 documents: handbook/ferry.md, handbook/harbour.md; write more"):
        followed(made, ".md")


def test_a_near_miss_is_told_what_was_probably_meant(made):
    with pytest.raises(UnknownDocument, match="did you mean handbook/ferry.md"):
        followed(made, "fery.md")


def test_what_cannot_be_looked_at_is_said(product):
    first = product.history.record(1).parts["documents"]["fingerprint"][:32]
    shutil.rmtree(product.lake.desk("documents", "versions") / first)
    found = followed(product)
    assert [state.releases for state in found.states] == [[2], [3]]
    assert "the documents of release 1 are gone: whether it was among them is not known" in found.missing
    assert any(block.title == "What could not be looked at" for block in document_page(found).blocks)


def test_a_point_that_is_not_in_the_index_shows(product):
    index = product.history.record(1).parts["index"]["fingerprint"][:32]
    other = product.history.record(3).parts["index"]["fingerprint"][:32]
    homes = [product.lake.desk("index", "versions") / name / "holdings.parquet" for name in (index, other)]
    homes[0].write_bytes(homes[1].read_bytes())  # the index of a corpus without the document
    found = followed(product, release=1)
    assert [each.indexed for each in found.passages] == [False, False]
    passages = next(each for each in document_page(found).blocks if each.title == "Passages in release 1")
    assert isinstance(passages, Table) and isinstance(passages.rows[0][-1], Cell) and passages.rows[0][-1].mark == "bad"
