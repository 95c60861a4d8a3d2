"""Durable writes: first writer wins, pointers move in one step, nothing partial at a final name."""

import pytest

from llmops_pipelines.lifecycle.lake import files


def test_write_once_keeps_the_first(tmp_path):
    path = tmp_path / "deep" / "record.json"
    assert files.write_once(path, b"first") is True
    assert files.write_once(path, b"second") is False
    assert path.read_bytes() == b"first"
    assert [found.name for found in path.parent.iterdir()] == ["record.json"]


def test_replace_moves_a_pointer(tmp_path):
    path = tmp_path / "current"
    files.replace(path, b"1")
    files.replace(path, b"2")
    assert path.read_bytes() == b"2"


def test_a_directory_is_published_once(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    assert files.publish_directory(tmp_path / "one", tmp_path / "final") is True
    assert files.publish_directory(tmp_path / "two", tmp_path / "final") is False
    assert (tmp_path / "final" / "file").read_text() == "one"
    assert not (tmp_path / "two").exists()


def test_a_missing_staging_directory_is_an_error(tmp_path):
    with pytest.raises(OSError):
        files.publish_directory(tmp_path / "nothing", tmp_path / "final")
