"""What a source holds: what is read again, what is remembered of what is gone, and when it stops instead of shrinking."""

import os
import time

import pytest

from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.corpus import discovery
from llmops_pipelines.lifecycle.corpus.places import folder
from llmops_pipelines.lifecycle.lake import Lake

from .formats.small_files import Corpus, prose, source


@pytest.fixture
def small(tmp_path) -> Corpus:
    made = Corpus(tmp_path)
    for name in ("a.md", "b.md", "deep/c.md", "deep/d.txt", "e.md"):
        made.write(name, f"text of {name}")
    return made


@pytest.fixture
def settled(monkeypatch) -> None:
    """Pretend that the files were written long ago."""
    monkeypatch.setattr(folder, "SETTLED_NS", -(10**10))


def test_unchanged_files_are_not_read_again(small, settled, monkeypatch):
    assert small.discover().facts["hashed"] == 5
    small.write("b.md", "new text")
    version = small.discover()
    assert (version.facts["hashed"], version.facts["reused_hashes"], version.facts["changed"]) == (1, 4, 1)
    monkeypatch.setattr(discovery, "_blobs", lambda *_: pytest.fail("something was read"))
    assert small.discover().reused


def test_a_rewrite_of_equal_size_and_old_time_is_noticed(small, settled):
    small.discover()
    before = (small.folder / "a.md").stat()
    time.sleep(0.02)
    small.write("a.md", "TEXT OF A.MD"[: before.st_size])
    os.utime(small.folder / "a.md", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert small.discover().facts["changed"] == 1


def test_a_file_written_a_moment_ago_is_not_trusted_by_its_times(small):
    small.discover()
    small.write("e.md", "other")
    assert small.discover().facts["hashed"] == 5


def test_a_touched_file_is_the_same_version(small, settled):
    first = small.discover()
    os.utime(small.folder / "a.md")
    assert small.discover().digest == first.digest


def test_an_empty_source_stops_the_run(small):
    small.sources = [source(small.project, include=["*.pdf"])]
    with pytest.raises(corpus.CorpusError, match="source handbook: nothing there matches"):
        small.discover()


def test_a_mass_deletion_stops_until_exactly_this_one_is_allowed(small):
    first = small.discover()
    (small.folder / "a.md").unlink()
    assert small.discover().facts["removed"] == 1  # 1 of 5 is the limit
    (small.folder / "b.md").unlink()
    with pytest.raises(corpus.CorpusError, match="1 of 4 documents .*allow_deletions_in: ") as stopped:
        small.discover()
    assert small.lake.current("raw_documents/handbook").digest != first.digest
    wanted = str(stopped.value).rsplit(" ", 1)[1]
    small.cleaning = small.cleaning.model_copy(update={"allow_deletions_in": wanted})
    assert small.discover().facts["deleted"] == 2
    (small.folder / "e.md").unlink()
    with pytest.raises(corpus.CorpusError):  # yesterday's permission is not today's
        small.discover()


def test_unreadable_files_count_as_gone(small, monkeypatch):
    small.discover()
    monkeypatch.setattr(discovery, "_keep", lambda *_: "")
    with pytest.raises(corpus.CorpusError, match="5 of 5 documents of the last version are gone or unreadable"):
        small.discover()


def test_tombstones_keep_the_last_blob_and_end_with_the_return_of_the_file(small):
    first = small.discover()
    blob = {row["uri"]: row["blob"] for row in first.table().to_pylist()}["a.md"]
    (small.folder / "a.md").unlink()
    second = small.discover()
    assert {row["uri"]: row["blob"] for row in second.table().to_pylist() if row["deleted"]} == {"a.md": blob}
    assert small.discover().digest == second.digest
    small.write("a.md", "text of a.md")
    assert small.discover().digest == first.digest


def test_a_lost_or_damaged_blob_costs_one_run_and_is_read_anew_by_the_next(small, settled):
    small.write("a.md", prose("harbour"))
    blob = small.discover().table().column("blob")[0].as_py()
    discovery.blob_path(small.lake, blob).write_bytes(b"rot")
    with pytest.raises(corpus.CorpusError, match="missing or damaged; run it again"):
        small.parse()
    assert small.parse().facts["parsed"] == 5


def test_rows_of_a_table_that_are_gone_stop_the_run_too(tmp_path):
    import pyarrow as pa
    from deltalake import write_deltalake

    made = Corpus(tmp_path)

    def publish(count: int) -> None:
        rows = {"n": [str(n) for n in range(count)], "said": [prose(f"subject{n}") for n in range(count)]}
        write_deltalake(str(tmp_path / "table"), pa.table(rows), mode="overwrite")

    publish(10)
    made.sources = [source(tmp_path, path="table", columns={"id": "n", "text": "said"})]
    assert made.read().facts["indexed"] == 10
    assert made.read().table().column("doc_id").to_pylist()[0] == "handbook/0"
    publish(9)
    assert made.read().facts["indexed"] == 9
    publish(4)
    with pytest.raises(corpus.CorpusError, match="4 rows are there now, 9 were"):
        made.read()
    made.lake.desk("raw_documents/handbook", "look.json").unlink()
    with pytest.raises(corpus.CorpusError, match="4 rows are there now, 9 were"):  # the look is only a memory
        made.read()


def damage(small: Corpus, version) -> None:
    version.file("raw_documents.parquet").write_bytes(b"rot")
    small.lake = Lake(small.lake.root, small.lake.pipeline)  # another process, which has opened nothing yet


def test_a_damaged_version_does_not_open_the_guard(small):
    small.discover()
    small.write("f.md", "text of f.md")
    damage(small, small.discover())
    for name in ("a.md", "b.md", "f.md"):
        (small.folder / name).unlink()
    with pytest.raises(corpus.CorpusError, match="2 of 5 documents of the last version are gone"):  # the version before
        small.discover()
    small.write("a.md", "text of a.md")
    assert small.discover().facts["removed"] == 1


def test_without_an_intact_version_nobody_can_tell_what_is_gone(small):
    damage(small, small.discover())
    with pytest.raises(corpus.CorpusError, match="damaged and none before it is intact") as stopped:
        small.discover()
    wanted = str(stopped.value).rsplit(" ", 1)[1]
    small.cleaning = small.cleaning.model_copy(update={"allow_deletions_in": wanted})
    assert small.discover().facts["files"] == 5


def test_a_look_tells_whether_anything_changed_and_opens_no_file(small, settled, monkeypatch):
    before = corpus.glance(small.lake, small.sources[0], small.project)
    monkeypatch.setattr(discovery, "_keep", lambda *_: pytest.fail("a file was opened"))
    assert corpus.glance(small.lake, small.sources[0], small.project) == before
    small.write("b.md", "new")
    assert corpus.glance(small.lake, small.sources[0], small.project) != before
