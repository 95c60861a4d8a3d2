"""Rows are found by one value in large tables, and row groups that cannot have it are not read."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lineage.traces.tables import count_where, rows_where

ROWS = 1_000


@pytest.fixture(scope="module")
def version(tmp_path_factory) -> Version:
    """A thousand rows in ten row groups, ordered by `doc_id`; `doc_ids` are two texts each."""
    numbers = range(ROWS)
    names = [f"d/{number // 2:04d}" for number in numbers]
    table = pa.table(
        {"doc_id": names, "place": list(numbers), "doc_ids": [[name, f"x/{n % 7}"] for n, name in enumerate(names)]}
    )
    write = lambda draft: pq.write_table(table, draft.file("chunks.parquet"), row_group_size=100)  # noqa: E731
    return Lake(tmp_path_factory.mktemp("lake"), "isles").once("chunks", code="1", config={}, parents=[], write=write)


def test_all_rows_of_a_value_are_found(version):
    assert rows_where(version, "doc_id", ["d/0250"], ("place",)) == [{"place": 500}, {"place": 501}]


def test_several_values_are_found_in_order(version):
    assert [row["place"] for row in rows_where(version, "doc_id", {"d/0400", "d/0001"}, ("place",))] == [2, 3, 800, 801]


def test_a_value_that_is_not_there_has_no_rows(version):
    assert rows_where(version, "doc_id", ["d/0250x"], ("place",)) == []
    assert rows_where(version, "doc_id", [], ("place",)) == []


def test_lists_are_searched_for_a_member_and_a_row_counts_once(version):
    found = rows_where(version, "doc_ids", ["x/3", "d/0001"], ("place",))
    assert [row["place"] for row in found] == sorted({2, 3} | set(range(3, ROWS, 7)))


def test_columns_and_tables_that_do_not_exist_are_left_out(version):
    assert rows_where(version, "doc_id", ["d/0000"], ("place", "page")) == [{"place": 0}, {"place": 1}]
    assert rows_where(version, "page", ["1"], ("place",)) == []
    assert rows_where(version, "doc_id", ["d/0000"], ("place",), "ledger") == []


def test_only_row_groups_that_may_hold_the_value_are_read(version, monkeypatch):
    read = []
    whole = pq.ParquetFile.read_row_group
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", lambda self, n, *a, **k: read.append(n) or whole(self, n, *a, **k))
    rows_where(version, "doc_id", ["d/0250"], ("place",))
    assert set(read) == {5}


def test_rows_are_counted_without_reading_other_columns(version):
    assert count_where(version, "doc_id", "d/0250") == 2
    assert count_where(version, "doc_id", "nobody") == count_where(version, "page", "d/0250") == 0
