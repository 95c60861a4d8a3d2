"""Hiding a document and taking that back; what a tombstone says, and what it never says."""

import json

import pytest

from llmops_pipelines.lifecycle.corpus.forgotten import Forgotten, tombstones
from llmops_pipelines.lifecycle.lineage.forgetting import Asked, CannotRestore, UnknownDocument, hide, know, receipts, restore
from llmops_pipelines.lifecycle.lineage.forgetting.tombstones import DAY, path_of, write

from .product import FERRY_ID, SECRET_ID, SECRET_TEXT

ASKED = Asked("ann", "under review", "2026-05-12T09:00:00+00:00")


def ledger(documents) -> dict[str, tuple[str, str]]:
    return {row["doc_id"]: (row["outcome"], row["reason"]) for row in documents.table("ledger").to_pylist()}


def test_a_hidden_document_is_left_out_and_comes_back_as_it_was(product):
    before = product.documents()
    hide(product.lake, know(product.lake, [SECRET_ID]), ASKED)
    assert Forgotten.of(product.lake).leaves_out(SECRET_ID)
    assert not Forgotten.of(product.lake).leaves_out(FERRY_ID)
    without = product.documents()
    assert ledger(without)[SECRET_ID] == ("skipped", "forgotten")
    assert without.rows() == before.rows() - 1
    restore(product.lake, [SECRET_ID], 30, ASKED)
    again = product.documents()
    assert (again.fingerprint, again.reused) == (before.fingerprint, True)  # nothing is parsed or cleaned for it
    assert receipts.verify(product.lake) == 2


def test_a_tombstone_holds_no_text_and_no_name(product):
    hide(product.lake, know(product.lake, [SECRET_ID]), ASKED)
    (said,) = tombstones(product.lake)
    assert (said["state"], said["who"], said["why"]) == ("hidden", "ann", "under review")
    assert SECRET_ID not in json.dumps(said) and SECRET_TEXT[:20] not in json.dumps(said)


def test_restoring_is_refused_after_the_days_and_after_erasure(product):
    known = know(product.lake, [SECRET_ID])
    hide(product.lake, known, ASKED)
    path = path_of(product.lake, SECRET_ID)
    said = json.loads(path.read_text())
    path.write_text(json.dumps(said | {"seconds": said["seconds"] - 31 * DAY}))
    with pytest.raises(CannotRestore, match="more than 30 days ago; raise retention.hidden_days"):
        restore(product.lake, [SECRET_ID], 30, ASKED)
    restore(product.lake, [SECRET_ID], 40, ASKED)
    write(product.lake, [SECRET_ID], known, "erased", ASKED)
    with pytest.raises(CannotRestore, match="was erased at .* by ann; no copy is left"):
        restore(product.lake, [SECRET_ID], 30, ASKED)


def test_what_is_not_hidden_cannot_be_restored(product):
    with pytest.raises(UnknownDocument, match="is not hidden; nothing was changed"):
        restore(product.lake, [FERRY_ID], 30, ASKED)


def test_a_later_tombstone_forgets_nothing_of_an_earlier_one(product):
    known = know(product.lake, [SECRET_ID])
    write(product.lake, [SECRET_ID], known, "erased", ASKED)
    write(product.lake, [SECRET_ID], know(product.lake, [FERRY_ID]), "erased", ASKED)
    assert Forgotten.of(product.lake).contents >= known.contents
