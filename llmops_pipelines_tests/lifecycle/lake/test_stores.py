"""A store keeps one row per content hash, for ever."""

import pyarrow as pa
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
