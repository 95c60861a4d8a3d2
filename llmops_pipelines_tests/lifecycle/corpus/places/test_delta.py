"""Delta tables: the rows of the current version; an unchanged version is not scanned."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from llmops_pipelines.lifecycle.corpus.places import delta
from llmops_pipelines.lifecycle.corpus.sources import CorpusError

from .looking import Looking, source, stamps

COLUMNS = {"id": "id", "text": 'the "body"', "title": "subject"}


def table(start: int, end: int, text: str = "text of") -> pa.Table:
    numbers = range(start, end)
    columns = {"id": list(numbers), 'the "body"': [f"{text} {n}" for n in numbers], "subject": [None] * len(numbers)}
    return pa.table(columns, schema=pa.schema([("id", pa.int64()), ('the "body"', pa.string()), ("subject", pa.string())]))


@pytest.fixture
def written(tmp_path) -> str:
    write_deltalake(str(tmp_path / "tickets"), table(0, 1_000))
    return str(tmp_path / "tickets")


def said(tmp_path, **words):
    return source(tmp_path, path="tickets", **{"columns": COLUMNS, **words})


def rows(listing) -> dict[str, str]:
    tables = [pq.read_table(io.BytesIO(found.read())).to_pylist() for found in listing.files]
    return {row["id"]: row["text"] for table in tables for row in table}


def test_the_current_version_is_read_and_one_change_touches_one_bucket(tmp_path, written):
    looking = Looking(tmp_path)
    first = looking.look(said(tmp_path))
    assert rows(first) == {str(n): f"text of {n}" for n in range(1_000)}
    assert (first.state["version"], first.state["rows"], first.counts) == (0, 1_000, {"rows": 1_000})
    DeltaTable(written).update({'"the ""body"""': "'new'"}, predicate="id = 7")
    second = looking.look(said(tmp_path))
    assert rows(second)["7"] == "new" and second.state["version"] == 1
    assert sum(stamps(second)[uri] != stamp for uri, stamp in stamps(first).items()) == 1


def test_rows_deleted_by_a_deletion_vector_or_a_rewrite_are_gone(tmp_path, written):
    DeltaTable(written).delete("id < 990")
    assert len(rows(Looking(tmp_path).look(said(tmp_path)))) == 10


def test_an_unchanged_version_is_not_scanned_but_can_still_be_read(tmp_path, written, monkeypatch):
    looking = Looking(tmp_path)
    first = looking.look(said(tmp_path))
    real = delta._rows
    monkeypatch.setattr(delta, "_rows", lambda *_: pytest.fail("the table was scanned"))
    second = looking.look(said(tmp_path))
    assert (stamps(second), second.state, second.counts) == (stamps(first), first.state, first.counts)
    assert [(found.size, found.suffix, found.rows) for found in second.files] == [
        (found.size, found.suffix, found.rows) for found in first.files
    ]
    scans = []
    monkeypatch.setattr(delta, "_rows", lambda *a: scans.append(a) or real(*a))
    assert [found.read() for found in second.files] == [found.read() for found in first.files]
    assert len(scans) == 1


@pytest.mark.parametrize("change", ["version", "columns", "another table", "a bucket is not known"])
def test_whatever_else_changed_makes_a_scan(tmp_path, written, monkeypatch, change):
    looking = Looking(tmp_path)
    looking.look(said(tmp_path))
    words = {}
    if change == "version":
        write_deltalake(written, table(1_000, 1_001), mode="append")
    elif change == "columns":
        words = {"columns": {**COLUMNS, "title": None}}
    elif change == "another table":
        (tmp_path / "tickets").rename(tmp_path / "old")
        write_deltalake(written, table(0, 10))
    else:
        looking.last.pop(next(iter(looking.last)))
    real, scans = delta._rows, []
    monkeypatch.setattr(delta, "_rows", lambda *a: scans.append(a) or real(*a))
    looking.look(said(tmp_path, **words))
    assert len(scans) == 1


def test_columns_are_needed_and_must_be_there(tmp_path, written):
    with pytest.raises(CorpusError, match="tickets is a Delta table; say columns"):
        Looking(tmp_path).look(said(tmp_path, columns=None))
    with pytest.raises(CorpusError, match=r"no column 'subjekt' among .*; did you mean subject\?"):
        Looking(tmp_path).look(said(tmp_path, columns={**COLUMNS, "title": "subjekt"}))


def test_a_missing_data_file_is_no_short_listing(tmp_path, written):
    write_deltalake(written, table(1_000, 1_010), mode="append")
    next((tmp_path / "tickets").glob("*.parquet")).unlink()
    with pytest.raises(CorpusError, match="the Delta table tickets cannot be read completely"):
        Looking(tmp_path).look(said(tmp_path))


def test_a_table_that_names_files_outside_its_folder_is_refused(tmp_path, written):
    pq.write_table(table(0, 3), tmp_path / "secret.parquet")
    inside = next((tmp_path / "tickets").glob("*.parquet"))
    inside.unlink()
    inside.symlink_to(tmp_path / "secret.parquet")
    with pytest.raises(CorpusError, match="names a file outside it"):
        Looking(tmp_path).look(said(tmp_path))
    inside.unlink()
    log = tmp_path / "tickets/_delta_log/00000000000000000000.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "add" in action:
            action["add"]["path"] = f"file://{tmp_path}/secret.parquet"
    log.write_text("\n".join(map(json.dumps, actions)))
    with pytest.raises(CorpusError, match="names a file outside it|cannot be read completely"):
        Looking(tmp_path).look(said(tmp_path))
