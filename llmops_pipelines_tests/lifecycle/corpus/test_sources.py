"""What all places have in common: names, order, and which place a source is."""

import pytest

from llmops_pipelines.lifecycle.corpus import sources
from llmops_pipelines.lifecycle.corpus.sources import CorpusError, Found, Listing, printable

from .places.looking import Looking, source, uris

HOSTILE = ["../../etc/passwd", "/etc/passwd", "a/../../b.md", "\n.md", "\x1b[2J.md", "a\u202edm.exe", "\\x41.md", "C:\\a.md"]


def test_names_are_printable_and_two_names_never_become_one():
    names = [*HOSTILE, "caf\udce9.md", "caf\\xe9.md", "café.md", "plain.md", "A.md"]
    spelled = [printable(name) for name in names]
    assert len(set(spelled)) == len(names)
    assert all(name.encode("utf-8") and not set(name) & {"\n", "\x1b", "\u202e"} for name in spelled)
    assert (printable("caf\udce9.md"), printable("café.md"), printable("\n.md")) == ("caf\\xe9.md", "café.md", "\\x0a.md")


def test_items_are_sorted_and_two_of_one_name_stop_the_look(tmp_path, monkeypatch):
    from llmops_pipelines.lifecycle.corpus.places import folder

    def found(uri: str) -> Found:
        return Found("handbook", uri, 0, "", True, lambda: b"")

    (tmp_path / "documents").mkdir()
    monkeypatch.setattr(folder, "look", lambda *_: Listing((found("b"), found("a"))))
    said = source(tmp_path, path="documents")
    assert uris(Looking(tmp_path).look(said)) == ["a", "b"]
    monkeypatch.setattr(folder, "look", lambda *_: Listing((found("b"), found("b"))))
    with pytest.raises(CorpusError, match="source handbook: two items are called b"):
        Looking(tmp_path).look(said)


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    from llmops_pipelines.lifecycle.corpus.places import folder

    def full(*_):
        raise OSError(28, "No space left on device")

    (tmp_path / "documents").mkdir()
    monkeypatch.setattr(folder, "look", full)
    with pytest.raises(CorpusError, match="source handbook: it cannot be listed completely .*No space left on device"):
        Looking(tmp_path).look(source(tmp_path, path="documents"))


def test_a_look_needs_no_environment_and_no_network_library(tmp_path):
    import subprocess
    import sys

    (tmp_path / "documents").mkdir()
    (tmp_path / "documents/a.md").write_text("text")
    program = (
        "import sys; from pathlib import Path; from llmops_pipelines.lifecycle.corpus import sources;"
        "from llmops_pipelines_tests.lifecycle.corpus.places.looking import *;"
        f"print(uris(Looking(Path({str(tmp_path)!r})).look(source(Path({str(tmp_path)!r}), path='documents'))));"
        "print([name for name in ('httpcore', 'sqlalchemy', 'fsspec', 'deltalake', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["['a.md']", "[]"]


def test_nothing_is_known_by_default():
    assert sources.nothing_known("a.md") is None
