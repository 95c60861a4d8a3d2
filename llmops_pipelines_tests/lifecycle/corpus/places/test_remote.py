"""Addresses through fsspec: stamps from what the store tells, no truncated listing, one sentence for a missing driver."""

import time
import traceback

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from llmops_pipelines.lifecycle.corpus.places import remote
from llmops_pipelines.lifecycle.corpus.sources import CorpusError, UnreadableFile

from .looking import Looking, source, stamps, uris


@pytest.fixture
def bucket(tmp_path):
    system, root = MemoryFileSystem(), f"/{tmp_path.name}"
    for name in ("a.md", "deep/b.md", "deep/c.txt"):
        system.pipe(f"{root}/{name}", f"text of {name}".encode())
    yield root
    system.rm(root, recursive=True)


def look(tmp_path, root, **words):
    return Looking(tmp_path).look(source(tmp_path, path=f"memory:/{root}", **words))


def test_objects_are_listed_by_patterns_and_read(tmp_path, bucket):
    listing = look(tmp_path, bucket)
    assert uris(listing) == ["a.md", "deep/b.md", "deep/c.txt"]
    assert [found.read() for found in listing.files][1] == b"text of deep/b.md"
    assert [(found.size, found.suffix) for found in listing.files][2] == (18, ".txt")
    assert uris(look(tmp_path, bucket, include=["**/*.md"], exclude=["a*"])) == ["deep/b.md"]
    assert uris(look(tmp_path, f"{bucket}/**/*.txt")) == ["deep/c.txt"]
    assert uris(look(tmp_path, f"{bucket}/a.md")) == ["a.md"]


def test_hidden_objects_are_left_out_unless_the_address_names_one(tmp_path, bucket):
    for name in (".env", ".git/config"):
        MemoryFileSystem().pipe(f"{bucket}/{name}", b"token=1")
    listing = look(tmp_path, bucket)
    assert uris(listing) == ["a.md", "deep/b.md", "deep/c.txt"] and listing.counts["hidden_left_out"] == 2
    assert uris(look(tmp_path, bucket, include=[".git/*"])) == [".git/config"]
    assert uris(look(tmp_path, f"{bucket}/.env")) == [".env"]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("s3://user:p@ss@host/docs", "s3://host/docs"),
        ("s3://user@host/docs and az://a:b@c/d", "s3://host/docs and az://c/d"),
        ("az://box/a?sv=2024&sig=abc%2B&se=1", "az://box/a?sv=2024&sig=***&se=1"),
        ("https://host/a?X-Amz-Signature=abc&access_token=def", "https://host/a?X-Amz-Signature=***&access_token=***"),
        ("s3://bucket/a@b?design=1", "s3://bucket/a@b?design=1"),
    ],
)
def test_no_secret_of_an_address_is_shown(address, shown):
    assert remote.masked(address) == shown


def test_a_stamp_changes_with_the_object(tmp_path, bucket):
    first = stamps(look(tmp_path, bucket))
    assert stamps(look(tmp_path, bucket)) == first
    MemoryFileSystem().pipe(f"{bucket}/a.md", b"TEXT OF a.md")
    second = stamps(look(tmp_path, bucket))
    assert [uri for uri in first if first[uri] != second[uri]] == ["a.md"]


def test_a_time_alone_is_trusted_after_a_moment_and_an_etag_at_once(tmp_path, bucket, monkeypatch):
    assert not look(tmp_path, bucket).files[0].settled
    later = time.time() + remote.SETTLED_SECONDS
    monkeypatch.setattr(remote.time, "time", lambda: later)
    assert look(tmp_path, bucket).files[0].settled
    assert remote._stamp({"size": 1, "ETag": '"x"'}) == ('size=1 etag="x"', True)
    assert remote._stamp({"size": 1}) == ("size=1", False)
    assert remote._stamp({"size": 1, "LastModified": "2020-01-01T00:00:00Z"})[1]


def test_a_store_that_fails_in_one_folder_gives_no_listing(tmp_path, monkeypatch):
    """fsspec's own walk would leave the folder out without a word."""

    class Walked(fsspec.AbstractFileSystem):
        protocol = "walked"

        def ls(self, path, detail=True, **_):
            path = self._strip_protocol(path).strip("/")
            if path == "docs/deep":
                raise PermissionError("no rights")
            found = [{"name": "docs/a.md", "size": 1, "type": "file"}, {"name": "docs/deep", "size": 0, "type": "directory"}]
            return found if path == "docs" else []

        def info(self, path, **_):
            return {"name": path, "size": 0, "type": "directory"}

    fsspec.register_implementation("walked", Walked, clobber=True)
    assert Walked().find("docs") == ["docs/a.md"]
    with pytest.raises(CorpusError, match=r"walked://docs cannot be listed completely \(no rights\); nothing was changed"):
        Looking(tmp_path).look(source(tmp_path, path="walked://docs"))


def test_a_flat_listing_that_fails_stops_and_shows_no_password(tmp_path, monkeypatch):
    def failing(*_, **__):
        raise RuntimeError("403 for memory://me:secret@bucket/docs")

    monkeypatch.setattr(MemoryFileSystem, "find", failing)
    with pytest.raises(CorpusError, match="cannot be listed completely") as stopped:
        Looking(tmp_path).look(source(tmp_path, path="memory://me:secret@bucket/docs"))
    assert "secret" not in "".join(traceback.format_exception(stopped.value, limit=0))
    assert "memory://bucket/docs" in str(stopped.value)


@pytest.mark.parametrize(
    ("path", "way_out"),
    [
        ("s3://bucket/docs", "pip install s3fs"),
        ("abfs://bucket/docs", "pip install adlfs"),
        ("https://example.org/docs", "use web: instead of path:"),
        ("github://owner:repository@/docs", "use git: instead of path:"),
        ("zip://*.md::memory://a.zip", "a chain of addresses"),
        ("nosuch://a/b", "cannot be opened"),
    ],
)
def test_what_cannot_be_opened_is_one_sentence(tmp_path, path, way_out, monkeypatch):
    real = fsspec.get_filesystem_class

    def missing(protocol):
        if protocol in remote.DRIVERS:
            raise ImportError(f"no driver for {protocol}")
        return real(protocol)

    monkeypatch.setattr("fsspec.core.get_filesystem_class", missing)
    with pytest.raises(CorpusError) as stopped:
        Looking(tmp_path).look(source(tmp_path, path=path))
    assert way_out in str(stopped.value) and "\n" not in str(stopped.value)


def test_an_object_that_changes_while_it_is_read_is_never_a_mix(tmp_path, bucket, monkeypatch):
    found = look(tmp_path, bucket).files[0]
    real, times = MemoryFileSystem.cat_file, []

    def changing(self, path, **words):
        data = real(self, path, **words)
        if len(times) < limit:
            times.append(path)
            self.pipe(path, b"x" * len(times))
        return data

    monkeypatch.setattr(MemoryFileSystem, "cat_file", changing)
    limit = 1
    assert found.read() == b"x"
    times, limit = [], 99
    with pytest.raises(UnreadableFile, match="changes while it is read"):
        found.read()


def test_an_object_that_is_gone_is_unreadable(tmp_path, bucket):
    found = look(tmp_path, bucket).files[0]
    MemoryFileSystem().rm(f"{bucket}/a.md")
    with pytest.raises(UnreadableFile):
        found.read()


def test_a_delta_table_without_columns_is_named(tmp_path, bucket):
    MemoryFileSystem().pipe(f"{bucket}/_delta_log/00000000000000000000.json", b"{}")
    with pytest.raises(CorpusError, match="is a Delta table; say columns"):
        look(tmp_path, bucket)
