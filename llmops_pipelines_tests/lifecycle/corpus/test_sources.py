"""The listing: what is taken, what is not followed, what is read again, and when it stops instead of shrinking."""

import os
import time

import pytest

from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.corpus import discovery, sources

from .small_files import Corpus, source


@pytest.fixture
def small(tmp_path) -> Corpus:
    made = Corpus(tmp_path)
    for name in ("a.md", "b.md", "deep/c.md", "deep/d.txt", "e.md"):
        made.write(name, f"text of {name}")
    return made


def settle(made: Corpus, monkeypatch) -> None:
    """Pretend that the files were written long ago."""
    monkeypatch.setattr(discovery, "SETTLED_NS", -(10**10))


def uris(made: Corpus, **words) -> list[str]:
    return [found.uri for found in sources.list_files(source(made.project, **words), made.project).files]


def test_patterns(small):
    assert uris(small) == ["a.md", "b.md", "deep/c.md", "deep/d.txt", "e.md"]
    assert uris(small, include=["**/*.md"], exclude=["deep/**"]) == ["a.md", "b.md", "e.md"]
    assert uris(small, include=["*.md"], exclude=["[ab].md"]) == ["e.md"]
    assert uris(small, include=["deep/?.*"]) == ["deep/c.md", "deep/d.txt"]


def test_nothing_outside_the_folder_is_followed(small, tmp_path):
    (tmp_path / "secret.md").write_text("secret")
    (small.folder / "out.md").symlink_to(tmp_path / "secret.md")
    (small.folder / "up").symlink_to(tmp_path)
    (small.folder / "same.md").symlink_to("a.md")
    os.mkfifo(small.folder / "pipe.md")
    listing = sources.list_files(source(small.project), small.project)
    assert [f.inside for f in listing.files if f.uri == "same.md"] == ["a.md"]
    assert (len(listing.files), listing.links_not_followed, listing.not_regular) == (6, 2, 1)


def test_a_folder_swapped_for_a_link_after_listing_is_not_followed(small, tmp_path):
    found = next(f for f in sources.list_files(source(small.project), small.project).files if f.uri == "deep/c.md")
    assert sources.read_steady(found) == b"text of deep/c.md"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/c.md").write_text("secret")
    (small.folder / "deep").rename(tmp_path / "moved")
    (small.folder / "deep").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(sources.UnreadableFile):
        sources.read_steady(found)


def test_a_file_that_keeps_changing_is_never_read_as_a_mix(small, monkeypatch):
    found = sources.list_files(source(small.project), small.project).files[0]
    real, calls = os.fstat, []

    def changing(handle):
        calls.append(handle)
        (small.folder / "a.md").write_text("x" * len(calls))
        return real(handle)

    monkeypatch.setattr(os, "fstat", changing)
    with pytest.raises(sources.UnreadableFile, match="changes while it is read"):
        sources.read_steady(found)


def test_names_that_are_no_utf8_are_spelled_out(small):
    (small.folder / os.fsdecode(b"caf\xe9.md")).write_text("text")
    assert "caf\\xe9.md" in uris(small)
    assert small.discover().table().num_rows == 6


def test_unchanged_files_are_not_read_again(small, monkeypatch):
    settle(small, monkeypatch)
    assert small.discover().facts["hashed"] == 5
    small.write("b.md", "new text")
    version = small.discover()
    assert (version.facts["hashed"], version.facts["reused_hashes"], version.facts["changed"]) == (1, 4, 1)
    monkeypatch.setattr(discovery, "read_steady", lambda found: pytest.fail(f"{found.uri} was read"))
    assert small.discover().reused


def test_a_rewrite_of_equal_size_and_old_time_is_noticed(small, monkeypatch):
    settle(small, monkeypatch)
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


def test_missing_and_empty_sources_stop_the_run_all_at_once(small):
    (small.project / "mounted").mkdir()
    wanted = [{"name": "gone", "path": "mounted"}, {"name": "none", "include": ["*.pdf"]}, {}]
    small.sources = [source(small.project, **words) for words in wanted]
    (small.project / "mounted").rmdir()
    with pytest.raises(corpus.CorpusError) as stopped:
        small.discover()
    assert "source gone: the folder" in str(stopped.value) and "source none: no file in" in str(stopped.value)


def test_a_folder_that_cannot_be_listed_stops_the_run(small, monkeypatch):
    real = os.scandir

    def failing(path):
        if str(path).endswith("deep"):
            raise OSError(5, "Input/output error")
        return real(path)

    monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(corpus.CorpusError, match="cannot be listed completely"):
        small.discover()


def test_a_mass_deletion_stops_until_exactly_this_one_is_allowed(small):
    first = small.discover()
    (small.folder / "a.md").unlink()
    assert small.discover().facts["removed"] == 1  # 1 of 5 is the limit
    (small.folder / "b.md").unlink()
    with pytest.raises(corpus.CorpusError, match="1 of 4 documents .*allow_deletions_in: ") as stopped:
        small.discover()
    assert small.lake.current("raw_documents").digest != first.digest
    wanted = str(stopped.value).rsplit(" ", 1)[1]
    small.cleaning = small.cleaning.model_copy(update={"allow_deletions_in": wanted})
    assert small.discover().facts["deleted"] == 2
    (small.folder / "e.md").unlink()
    with pytest.raises(corpus.CorpusError):  # yesterday's permission is not today's
        small.discover()


def test_unreadable_files_count_as_gone(small, monkeypatch):
    small.discover()

    def failing(found):
        raise sources.UnreadableFile("Input/output error")

    monkeypatch.setattr(discovery, "read_steady", failing)
    with pytest.raises(corpus.CorpusError, match="5 of 5 documents of the last version are gone or unreadable"):
        small.discover()


def test_tombstones_keep_the_last_blob_stay_and_end_with_the_return_of_the_file(small):
    first = small.discover()
    blob = {row["uri"]: row["blob"] for row in first.table().to_pylist()}["a.md"]
    (small.folder / "a.md").unlink()
    second = small.discover()
    assert {row["uri"]: row["blob"] for row in second.table().to_pylist() if row["deleted"]} == {"a.md": blob}
    assert small.discover().digest == second.digest
    small.write("a.md", "text of a.md")
    assert small.discover().digest == first.digest


def test_a_lost_blob_is_copied_again(small, monkeypatch):
    settle(small, monkeypatch)
    blob = small.discover().table().column("blob")[0].as_py()
    discovery.blob_path(small.lake, blob).unlink()
    small.discover()
    assert discovery.blob_path(small.lake, blob).is_file()
