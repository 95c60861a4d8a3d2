"""Erasing a document from a real home: nothing of its text is left, everything else works as before."""

import json
import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.index.checks import every_chunk_is_indexed
from llmops_pipelines.lifecycle.index.engines.contract import EVERYTHING
from llmops_pipelines.lifecycle.index.search.retrieval import open_reader
from llmops_pipelines.lifecycle.lake import Lake, Refusal
from llmops_pipelines.lifecycle.lineage.forgetting import (
    Asked,
    Needles,
    OnHold,
    StillThere,
    UnknownDocument,
    erase,
    erasing,
    know,
    plan,
    receipts,
    scan,
)

from .conftest import copied
from .product import FERRY_ID, FERRY_TEXT, LIGHT_ID, LIGHT_TEXT, PIPELINE, SECRET, SECRET_ID, SECRET_TEXT, Product

pytestmark = pytest.mark.slow

ASKED = Asked("ann", "her family asked", "2026-05-12T09:00:00+00:00")
NEEDLES = Needles.of([SECRET_TEXT], [FERRY_TEXT, LIGHT_TEXT])


def planned(product: Product, *documents: str, holds=None):
    return plan(product.lake, product.history, know(product.lake, documents), holds or {})


def erased(product: Product, *documents: str):
    documents = documents or (SECRET_ID,)
    return erase(product.home, product.lake, planned(product, *documents), documents, ASKED)


@pytest.fixture(scope="module")
def after(original, tmp_path_factory):
    """(a product from which the document was erased, what was found before, what was done): for tests that only look."""
    product = copied(original, tmp_path_factory.mktemp("after"))
    before = scan(product.home, NEEDLES)
    return product, before, erased(product)


def test_the_plan_finds_every_kind_of_place_and_the_model_that_learnt(product):
    found = planned(product, SECRET_ID)
    assert {each.kind for each in found.holders} == {"bytes of sources", "store", "index", "versions", "training rows"}
    assert {each.name.split("/")[0] for each in found.holders if each.kind == "store"} >= {
        "parsed",
        "texts",
        "vectors",
        "answers",
    }
    (index,) = (each for each in found.holders if each.kind == "index")
    assert (index.count, index.note) == (3, "release 1 answers from it")
    (model,) = found.trained
    assert (model.asset, model.releases, model.live) == ("checkpoint", (1,), ("release 1 in production",))
    assert found.live and found.retrain == "llmops run isles"
    assert product.lake.current("documents").rows() == 3


def test_nothing_of_its_text_is_left_in_any_file(after):
    product, before, done = after
    assert {place.file.split("/")[0] for place in before.places} == {"lake", "dagster", "mlflow", "training"}
    assert {place.how.split()[0] for place in before.places} >= {"bytes", "parquet", "lz4"}
    assert scan(product.home, NEEDLES).places == ()
    assert done.clean and done.scan.files >= 100
    assert all((probe.asked > 5, probe.found, probe.points) == (True, 0, 4) for probe in done.probes)
    for path in product.home.rglob("*"):  # a second pair of eyes, which decodes nothing
        assert path.is_dir() or b"herring in a good coat" not in path.read_bytes()


def test_what_is_left_is_whole_and_says_what_was_done_to_it(after):
    lake = (product := after[0]).lake
    for version in lake.all_versions():
        version.verify()
    documents, chunks, index = (lake.current(name) for name in ("documents", "chunks", "index"))
    assert corpus.ledger_balances(lake, documents)[0]
    assert every_chunk_is_indexed(index, chunks)[0]
    assert documents.table().column("doc_id").to_pylist() == sorted([FERRY_ID, LIGHT_ID])
    assert all(SECRET_ID not in row["doc_ids"] for row in lake.versions("training_examples")[0].table().to_pylist())
    (redacted,) = index.manifest["redacted"]
    assert redacted["files"]["content.json"][0] != redacted["files"]["content.json"][1]
    assert index.digest == product.history.record(1).parts["index"]["digest"]  # the name of what was made stays
    assert corpus.texts(lake, documents.table().column("content_hash").to_pylist())
    assert receipts.verify(lake) == 1


def test_an_answer_that_quoted_it_is_none_any_more_and_the_others_stay(after):
    one, other = after[0].lake.versions("answers/retrieval")[0].table().to_pylist()
    assert (one["answer"], one["error"], one["read"][1]) == (None, "forgotten", LIGHT_TEXT)
    assert one["documents"][0].startswith("forgotten/")
    assert (other["answer"], other["error"], other["read"]) == ("14:30", None, [FERRY_TEXT])


def test_a_page_that_quoted_it_says_that_it_did(after):
    (page,) = after[0].lake.versions("regression")
    assert "quoted a document that was erased" in page.file("page.html").read_text("utf-8")


def test_run_history_keeps_everything_else(after):
    home = after[0].home
    with closing(sqlite3.connect(home / "dagster/history/runs/one.db")) as database:
        first, second = (json.loads(row[0]) for row in database.execute("SELECT event FROM event_logs"))
    assert "[forgotten]" in first["metadata"]["preview"]
    assert second == {"fine": "untouched"}
    assert json.loads((home / "mlflow/artifacts/1/answers.json").read_text())[0]["score"] == 1.0
    assert "INFO done" in (home / "dagster/storage/1/compute_logs/a.err").read_text()


def test_it_stays_out_whatever_the_source_holds(product):
    erased(product)
    blobs = set(product.home.glob("lake/blobs/*/*"))
    product.write("copy.md", SECRET_TEXT)
    documents = product.documents()
    ledger = {row["doc_id"]: (row["outcome"], row["reason"]) for row in documents.table("ledger").to_pylist()}
    assert ledger[SECRET_ID] == ledger["handbook/copy.md"] == ("skipped", "forgotten")
    assert corpus.ledger_balances(product.lake, documents)[0]
    assert set(product.home.glob("lake/blobs/*/*")) == blobs  # its bytes were not kept again
    assert scan(product.home, NEEDLES).places == ()
    product.write(SECRET, "# Ada Holm\n\nAnother text under the old name, which nobody has ever seen before today.")
    assert SECRET_ID not in product.documents().table().column("doc_id").to_pylist()
    product.index(documents)
    assert scan(product.home, NEEDLES).places == ()
    product.write(
        "buoys.md", "# Buoys\n\nThe harbour master counts all buoys in spring, before the first ferry leaves for Tolm."
    )
    grown = product.documents()
    assert "handbook/buoys.md" in grown.table().column("doc_id").to_pylist()
    product.index(grown)  # stores that were made smaller go on growing


def test_the_receipt_tells_all_and_gives_nothing_away(after):
    said = json.loads(Path(after[2].receipt).read_text())
    assert said["who"] == "ann" and said["why"] == "her family asked"
    assert said["scan"]["places"] == [] and said["scan"]["needles"] > 30
    assert said["trained"][0]["asset"] == "checkpoint"
    assert {each["asset"] for each in said["done"]["rewritten"]} >= {"documents", "chunks", "index", "training_examples"}
    assert "Ada" not in json.dumps(said) and SECRET not in json.dumps(said)


def test_a_legal_hold_forbids_it_and_changes_nothing(product):
    found = planned(product, SECRET_ID, holds={PIPELINE: ["handbook/ada-*"]})
    assert found.held == ((SECRET_ID, "handbook/ada-*"),)
    with pytest.raises(OnHold, match="under legal hold"):
        erase(product.home, product.lake, found, [SECRET_ID], ASKED)
    assert product.lake.current("documents").rows() == 3
    assert not list(product.home.glob("lake/*/forgotten/*.json"))


def test_what_was_erased_before_is_told_with_its_receipts(after):
    with pytest.raises(UnknownDocument, match="was erased already; receipts are in .*forgotten/receipts"):
        know(after[0].lake, [SECRET_ID])


def test_an_unknown_document_is_told_with_the_nearest_name(product):
    with pytest.raises(UnknownDocument, match=f"did you mean '{SECRET_ID}'"):
        know(product.lake, [SECRET_ID.replace("ada", "ade")])


def test_a_copy_that_nobody_removes_is_found_by_the_scan(product):
    """The control of all others: where redaction cannot help, the command fails and names the place."""
    blind = product.home / "notes" / "backup.bin"
    blind.parent.mkdir()
    blind.write_bytes(b"\xff\xfe\x00" + SECRET_TEXT.encode())
    with pytest.raises(StillThere, match="backup.bin"):
        erased(product)
    assert not receipts.receipts(product.lake)
    with pytest.raises(Refusal, match="was interrupted; finish it first"):
        erase(product.home, product.lake, None, [FERRY_ID], ASKED)
    blind.unlink()
    assert erase(product.home, product.lake, None, [SECRET_ID], ASKED).clean  # goes on where it stopped
    assert receipts.verify(product.lake) == 1


def test_readers_see_whole_versions_all_the_time(product):
    fingerprint = product.lake.current("index").fingerprint
    seen: list[int] = []
    errors: list[Exception] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.wait(0.02):
            lake = product.lake
            try:
                with closing(lake), closing(open_reader(lake.read("index", fingerprint))) as reader:
                    seen.append(reader.count(EVERYTHING))
            except Exception as error:
                errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        work = erasing._begin(product.lake, [SECRET_ID], None, ASKED)
        steps = erasing._Steps(product.home, product.lake, work, None, (), lambda _: None)
        steps._versions()
        steps._indexes()
        while 4 not in seen and not errors:
            time.sleep(0.02)
    finally:
        stop.set()
        reader.join()
    assert not errors
    assert set(seen) == {7, 4}


def test_an_edited_receipt_is_found(tmp_path):
    lake = Lake(tmp_path / "lake", PIPELINE)
    for who in ("ann", "bo"):
        receipts.write(lake, {"what": "hidden", "who": who})
    assert receipts.verify(lake) == 2
    first = receipts.receipts(lake)[0]
    kept = first.read_bytes()
    first.write_text(json.dumps(json.loads(kept) | {"who": "somebody else"}))
    with pytest.raises(Refusal, match="was edited"):
        receipts.verify(lake)
    first.unlink()
    with pytest.raises(Refusal, match="was edited, or one before it was removed"):
        receipts.verify(lake)


def killed_after(product: Product, notes: int) -> None:
    """Erase in a child process that is killed when it has noted so many things."""
    note = erasing.Work.note

    def count(self, step, what):
        note(self, step, what)
        if sum(map(len, self.done.values())) >= notes:
            os.kill(os.getpid(), signal.SIGKILL)

    erasing.Work.note = count
    erased(product)


@pytest.mark.slow
@pytest.mark.parametrize("notes", [1, 8, 11, 20])  # in versions, indexes, stores, and what is left
def test_killed_anywhere_and_said_again_it_ends_the_same(product, notes):
    child = multiprocessing.get_context("spawn").Process(target=killed_after, args=(product, notes))
    child.start()
    child.join(100)
    assert child.exitcode == -signal.SIGKILL
    began = time.monotonic()
    assert erase(product.home, product.lake, None, [SECRET_ID], ASKED).clean
    assert time.monotonic() - began < 60
    assert scan(product.home, NEEDLES).places == ()
    assert not list(product.home.glob("lake/**/forgetting-*"))
    for version in product.lake.all_versions():
        version.verify()
