"""Buckets of rows: one changed row touches one bucket, names stay when a table grows, memory does not grow with it."""

import io
import random

import pyarrow.parquet as pq
import pytest

from llmops_pipelines.lifecycle.corpus.places import buckets
from llmops_pipelines.lifecycle.corpus.sources import CorpusError


def listing(tmp_path, rows, before=0):
    made = buckets.Buckets("tickets", tmp_path)
    for start in range(0, len(rows), 97):
        part = rows[start : start + 97]
        made.add(*([row[at] for row in part] for at in range(3)))
    return made.listing(before)


def rows(number: int) -> list[tuple]:
    return [(f"id {n}", f"text of {n}", f"title {n}") for n in range(number)]


def read(found) -> list[tuple]:
    table = pq.read_table(io.BytesIO(found.read()))
    assert table.column_names == ["id", "text", "title"]
    return [tuple(row.values()) for row in table.to_pylist()]


def stamps(files) -> dict[str, str]:
    return {found.uri: found.stamp for found in files.files}


def test_every_row_is_in_one_bucket_whatever_the_order(tmp_path):
    first, bits = listing(tmp_path, rows(1_500))
    assert sorted(row for found in first.files for row in read(found)) == sorted(rows(1_500))
    assert (bits, len(first.files), first.counts) == (3, 8, {"rows": 1_500})
    assert all(found.rows and found.settled and found.suffix == ".parquet" for found in first.files)
    shuffled = random.Random(7).sample(rows(1_500), 1_500)
    second, _ = listing(tmp_path, shuffled)
    assert stamps(second) == stamps(first)
    assert [found.read() for found in second.files] == [found.read() for found in first.files]


@pytest.mark.parametrize("change", ["text", "title", "gone", "new"])
def test_one_changed_row_touches_one_bucket(tmp_path, change):
    first, bits = listing(tmp_path, rows(1_500))
    changed = rows(1_500)
    match change:
        case "text":
            changed[7] = ("id 7", "text of 8", "title 7")
        case "title":
            changed[7] = ("id 7", "text of 7", "title 8")
        case "gone":
            del changed[7]
        case "new":
            changed.append(("id x", "", ""))
    second, same = listing(tmp_path, changed, bits)
    assert same == bits
    assert sum(stamps(first)[uri] != stamp for uri, stamp in stamps(second).items()) == 1


def test_a_text_that_moves_between_columns_or_rows_changes_the_stamp(tmp_path):
    def stamp(*given):
        return listing(tmp_path, list(given))[0].files[0].stamp

    assert stamp(("a", "xy", "")) != stamp(("a", "x", "y"))
    assert stamp(("a", "xy", ""), ("b", "", "")) != stamp(("a", "x", ""), ("b", "y", ""))


def test_the_number_of_buckets_changes_rarely_and_names_stay(tmp_path):
    first, bits = listing(tmp_path, rows(1_500))
    for number in (100, 1_600, 500 * 2**bits):
        assert listing(tmp_path, rows(number), bits)[1] == bits
    grown, more = listing(tmp_path, rows(500 * 2**bits + 1), bits)
    assert more > bits
    assert set(stamps(first)) <= set(stamps(grown))  # no item looks deleted


def test_large_tables_go_through_the_disk_to_the_same_buckets(tmp_path, monkeypatch):
    kept, _ = listing(tmp_path, rows(1_500), buckets.PART_BITS)
    monkeypatch.setattr(buckets, "KEPT_BYTES", 10_000)
    spilled, bits = listing(tmp_path, rows(1_500))
    assert bits == buckets.PART_BITS
    assert stamps(spilled) == stamps(kept)
    assert sorted(row for found in spilled.files for row in read(found)) == sorted(rows(1_500))
    assert list(tmp_path.iterdir()) == []  # nothing is left behind, not even after a crash


def test_long_texts_make_more_buckets(tmp_path):
    long = [(str(n), "x" * 2**20, None) for n in range(40)]
    files, bits = listing(tmp_path, long)
    assert bits >= 4 and max(found.size for found in files.files) < 3 * buckets.BYTES


@pytest.mark.parametrize("apart", [0, 200])
def test_a_repeated_id_is_named(tmp_path, apart, monkeypatch):
    monkeypatch.setattr(buckets, "KEPT_BYTES", 1_500)
    with pytest.raises(CorpusError, match="source tickets: the id 'same' names more than one row"):
        listing(tmp_path, [("same", "a", ""), *rows(apart), (" same ", "b", "")])


def test_values_of_any_kind_become_text_and_rows_without_an_id_are_kept(tmp_path):
    files, _ = listing(
        tmp_path, [(None, "a", None), ("", "b", None), (7, b"caf\xe9", 1.5), (True, None, "\ud800".encode("utf-8", "ignore"))]
    )
    found = sorted(row for file in files.files for row in read(file))
    assert found == [("", "a", ""), ("", "b", ""), ("7", "caf\ufffd", "1.5"), ("True", "", "")]


def test_nothing_is_an_empty_listing(tmp_path):
    files, bits = listing(tmp_path, [])
    assert (files.files, files.counts, bits) == ((), {"rows": 0}, 0)
