"""A store keeps one row per content hash, for ever."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llmops_pipelines.lifecycle.lake import Lake


@pytest.fixture
def store(tmp_path):
    return Lake(tmp_path, "product").store("texts", "v1", "content_hash")


def rows(**texts: str) -> pa.Table:
    return pa.table({"content_hash": list(texts), "text": list(texts.values())})


def test_only_missing_keys_are_asked_for(store):
    assert store.missing(["b", "a", "b"]) == ["b", "a"]
    store.append(rows(a="one"))
    assert store.missing(["b", "a"]) == ["b"]


def test_rows_come_in_the_order_asked_and_once(store):
    store.append(rows(a="one", b="two"))
    store.append(rows(a="one", c="three"))  # a second writer had the same idea
    assert store.take(["c", "a"]).column("text").to_pylist() == ["three", "one"]


def test_an_unknown_key_is_named(store):
    with pytest.raises(KeyError, match="no table"):
        store.take(["z"])
    store.append(rows(a="one"))
    with pytest.raises(KeyError, match="no row for z"):
        store.take(["a", "z"])


def test_nothing_asked_is_nothing_found(store):
    assert store.take([]).num_rows == 0
    store.append(rows(a="one"))
    assert store.take([]).schema.names == ["content_hash", "text"]


def test_rows_are_found_among_many_appends_and_row_groups(store):
    import hashlib

    keys = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(3_000)]
    for start in range(0, 3_000, 700):
        some = keys[start : start + 700]
        store.append(pa.table({"content_hash": some, "text": [key[:5] for key in some]}))
    asked = keys[::-7]
    assert store.take(asked).column("text").to_pylist() == [key[:5] for key in asked]
    assert store.missing([*keys[:3], "f" * 64]) == ["f" * 64]
    assert store.rows() == 3_000


def test_what_another_process_appends_is_seen(tmp_path):
    import subprocess
    import sys

    store = Lake(tmp_path, "product").store("texts", "v1", "content_hash")
    store.append(rows(a="one"))
    assert store.missing(["b"]) == ["b"]
    code = (
        "import sys, pathlib, pyarrow as pa; from llmops_pipelines.lifecycle.lake import Lake\n"
        "Lake(pathlib.Path(sys.argv[1]), 'p').store('texts', 'v1', 'content_hash')"
        ".append(pa.table({'content_hash': ['b'], 'text': ['two']}))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert store.take(["b", "a"]).column("text").to_pylist() == ["two", "one"]


def test_a_folder_with_a_space_in_its_name_holds_a_store_like_any_other(tmp_path):
    store = Lake(tmp_path / "state of 50%", "product").store("texts", "v1", "content_hash")
    store.append(rows(a="one"))
    store.append(rows(b="two"))
    assert store.take(["b", "a"]).column("text").to_pylist() == ["two", "one"]


def test_a_removed_folder_is_an_empty_store_again(store):
    import shutil

    store.append(rows(a="one", b="two"))
    assert store.missing(["a"]) == []
    shutil.rmtree(store.path)
    assert store.missing(["a"]) == ["a"]
    store.append(rows(a="uno"))
    assert store.take(["a"]).column("text").to_pylist() == ["uno"] and store.missing(["b"]) == ["b"]


def test_keys_that_begin_alike_are_told_apart(store):
    """Places go by the first 64 bits of a key. If two keys share them, the wrong row is refused, never returned."""
    store.append(pa.table({"content_hash": ["a" * 64], "text": ["one"]}))
    with pytest.raises(KeyError, match="another key"):
        store.take(["a" * 16 + "b" * 48])


def test_a_lookup_of_long_rows_reads_few_of_them(store):
    keys = [str(n) for n in range(300)]
    store.append(pa.table({"content_hash": keys, "text": ["x" * 9_000] * 300}))
    (file,) = store.path.glob("*.parquet")
    footer = pq.ParquetFile(file).metadata
    assert footer.num_rows == 300 and footer.row_group(0).num_rows < 32
    assert store.take(["299", "0"]).column("content_hash").to_pylist() == ["299", "0"]
