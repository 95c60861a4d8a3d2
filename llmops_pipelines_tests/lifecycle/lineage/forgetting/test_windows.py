"""A text is recognised however it is spelled and packed, and another text never is."""

import gzip
import io
import json
import sqlite3
import zipfile
import zlib
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llmops_pipelines.lifecycle.lineage.forgetting import Needles, scan
from llmops_pipelines.lifecycle.lineage.forgetting.gridstore import lz4_block

TEXT = (
    "The keeper of Vågen — Ada Holm — wrote “seven barrels” of oil into the book of the harbour, and nobody ever paid for them."
)
OTHER = "The Grey Heron leaves Garrow at 14:30 on every day but Sunday, and takes forty cars over to the island."
NEEDLES = Needles.of([TEXT], [OTHER])


@pytest.mark.parametrize(
    "spelled",
    [
        TEXT,
        TEXT.replace(" ", "\n"),
        json.dumps({"a": [TEXT]}),
        json.dumps(json.dumps({"a": TEXT})),
        f"<p>{TEXT.replace('oil', '<b>oil</b>')}</p>",
        f"| {TEXT.replace(' ', '  ')} |",
        f"before {TEXT[20:]} after",
    ],
)
def test_a_text_is_found_in_any_spelling(spelled):
    assert NEEDLES.within(spelled.encode())


def test_other_texts_and_single_phrases_are_not_found():
    for text in (OTHER, "Ada Holm wrote a book.", "seven barrels of oil", "", "oil " * 100):
        assert not NEEDLES.within(text.encode())


def test_what_another_document_says_too_is_no_needle():
    shared = "All rights are reserved by the harbour authority of the island."
    needles = Needles.of([f"{TEXT} {shared}"], [f"{OTHER} {shared}"])
    assert needles.within(TEXT.encode())
    assert not needles.within(shared.encode())


def test_a_text_shorter_than_a_window_counts_as_one():
    needles = Needles.of(["Ada owes seven barrels."])
    assert needles.within(b"it says: ADA OWES SEVEN BARRELS!")
    assert not needles.within(b"it says: Ada owes six barrels")
    assert not Needles.of(["two words"])


def test_signs_without_spaces_between_words_make_windows_too():
    needles = Needles.of(["灯台守は三十一年の冬を島で過ごした"])
    assert needles.within("昔、灯台守は三十一年の冬を島で過ごした。".encode())
    assert not needles.within("船は毎日十四時に港を出る".encode())


def test_spans_name_the_characters_that_are_its_own():
    around = f"Ärger: {TEXT} Ende"
    ((start, end),) = NEEDLES.spans(around)
    assert around[start:end] in TEXT and len(around[start:end]) > 0.9 * len(TEXT)


def test_needles_survive_json():
    again = Needles.read(json.loads(json.dumps(NEEDLES.described())))
    assert len(again) == len(NEEDLES) and again.within(TEXT.encode())


def parquet() -> bytes:
    rows = [{"nested": [{"said": TEXT, "n": 1}]}]
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file, compression="zstd", use_dictionary=False)
    return file.getvalue()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", f"<w:t>{TEXT}</w:t>")
    return file.getvalue()


PACKED = {
    "parquet": parquet,
    "zip": zipped,
    "gzip": lambda: gzip.compress(TEXT.encode() * 20),
    "zlib": lambda: zlib.compress(TEXT.encode() * 20),
    "zstd": lambda: pa.compress(TEXT.encode() * 20, codec="zstd", asbytes=True),
    "gzip > parquet": lambda: gzip.compress(parquet()),
}


@pytest.mark.parametrize("how", PACKED)
def test_a_packed_text_is_found_whatever_the_file_is_called(how, tmp_path):
    (tmp_path / "file.bin").write_bytes(PACKED[how]())
    (tmp_path / "other.bin").write_bytes(OTHER.encode())
    found = scan(tmp_path, NEEDLES)
    assert [place.file for place in found.places] == ["file.bin"]
    assert found.files == 2


def test_a_long_cell_of_a_database_and_its_deleted_rows_are_found(tmp_path):
    with closing(sqlite3.connect(tmp_path / "one.db")) as database, database:
        database.execute("CREATE TABLE t (a TEXT)")
        database.execute("INSERT INTO t VALUES (?)", ("x" * 5000 + " " + TEXT,))
    with closing(sqlite3.connect(tmp_path / "two.db")) as database, database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("CREATE TABLE t (a TEXT)")
        database.execute("INSERT INTO t VALUES (?)", (TEXT,))
        database.commit()
        database.execute("DELETE FROM t")
    assert [place.file for place in scan(tmp_path, NEEDLES).places] == ["one.db", "two.db"]


def test_a_block_of_the_engine_is_unpacked_without_knowing_its_end():
    packed = pa.compress(TEXT.encode() * 3, codec="lz4_raw", asbytes=True)
    assert lz4_block(packed + b"\x00garbage", len(TEXT.encode()) * 3) == TEXT.encode() * 3
    assert lz4_block(b"\x00\x00\x00", 50) == b""
