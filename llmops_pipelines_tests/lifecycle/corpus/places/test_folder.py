"""Local folders: what is taken, what is not followed, what is never read as a mix."""

import os
import threading
import time

import pytest

from llmops_pipelines.lifecycle.corpus.places import folder
from llmops_pipelines.lifecycle.corpus.sources import CorpusError, UnreadableFile

from .looking import Looking, source, stamps, uris


@pytest.fixture
def documents(tmp_path):
    made = tmp_path / "documents"
    for name in ("a.md", "b.md", "deep/c.MD", "deep/d.txt", "e"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(f"text of {name}")
    return made


def look(tmp_path, path="documents", **words):
    return Looking(tmp_path).look(source(tmp_path, path=path, **words))


def test_patterns(tmp_path, documents):
    assert uris(look(tmp_path)) == ["a.md", "b.md", "deep/c.MD", "deep/d.txt", "e"]
    assert uris(look(tmp_path, include=["**/*.md"], exclude=["b*"])) == ["a.md"]
    assert uris(look(tmp_path, include=["*.md"], exclude=["[a].md"])) == ["b.md"]
    assert uris(look(tmp_path, include=["deep/?.*", "e"])) == ["deep/c.MD", "deep/d.txt", "e"]
    assert [found.suffix for found in look(tmp_path).files] == [".md", ".md", ".md", ".txt", ""]


def test_the_path_may_be_a_file_or_end_in_a_pattern_or_be_a_file_address(tmp_path, documents):
    assert uris(look(tmp_path, "documents/deep/d.txt")) == ["d.txt"]
    assert uris(look(tmp_path, "documents/**/*.txt")) == ["deep/d.txt"]
    assert uris(look(tmp_path, "documents/*.md", exclude=["b.md"])) == ["a.md"]
    assert uris(look(tmp_path, f"file://{documents}")) == uris(look(tmp_path))
    assert look(tmp_path, "documents/deep/d.txt").files[0].read() == b"text of deep/d.txt"


def test_an_excluded_folder_is_not_entered(tmp_path, documents):
    (documents / "deep").chmod(0)
    try:
        assert uris(look(tmp_path, exclude=["deep/**"])) == ["a.md", "b.md", "e"]
    finally:
        (documents / "deep").chmod(0o755)


@pytest.fixture
def hidden(documents):
    for name in (".env", ".git/config", ".github/a.md", ".github/workflows/b.md", "deep/.cache/c.md", "deep/.d.md"):
        (documents / name).parent.mkdir(parents=True, exist_ok=True)
        (documents / name).write_text("token=1")
    return documents


def test_hidden_files_are_left_out_and_counted(tmp_path, hidden):
    listing = look(tmp_path)
    assert uris(listing) == ["a.md", "b.md", "deep/c.MD", "deep/d.txt", "e"]
    assert listing.counts["hidden_left_out"] == 5  # two files; three folders, which are not entered


def test_a_hidden_folder_is_not_entered(tmp_path, hidden):
    (hidden / ".git").chmod(0)
    try:
        assert uris(look(tmp_path, include=[".github/**"])) == [".github/a.md", ".github/workflows/b.md"]
    finally:
        (hidden / ".git").chmod(0o755)


@pytest.mark.parametrize(
    ("include", "taken"),
    [
        (["**/*", ".github/*"], [".github/a.md", "a.md", "b.md", "deep/c.MD", "deep/d.txt", "e"]),
        (["deep/.cache/*.md"], ["deep/.cache/c.md"]),
        (["**/.*"], [".env", "deep/.d.md"]),
        (["**/*.md"], ["a.md", "b.md"]),
        (["a.md", "**/workflows/**"], ["a.md"]),
    ],
)
def test_hidden_files_are_taken_by_a_pattern_that_names_a_part_with_a_dot(tmp_path, hidden, include, taken):
    assert uris(look(tmp_path, include=include)) == taken


def test_the_path_itself_may_be_hidden(tmp_path, hidden):
    assert uris(look(tmp_path, "documents/.env")) == [".env"]
    assert uris(look(tmp_path, "documents/.github")) == ["a.md", "workflows/b.md"]
    assert uris(look(tmp_path, "documents/**/.cache/*")) == ["deep/.cache/c.md"]


@pytest.mark.parametrize(("target", "followed"), [("a.md", True), ("deep/d.txt", False), (".env", False)])
def test_a_link_leads_only_to_what_the_patterns_take(tmp_path, hidden, target, followed):
    (hidden / "link.md").symlink_to(target)
    listing = look(tmp_path, exclude=["deep/**"])
    assert ("link.md" in uris(listing)) is followed
    assert listing.counts["links_not_followed"] == (not followed)


def test_nothing_outside_the_folder_is_followed(tmp_path, documents):
    (tmp_path / "secret.md").write_text("secret")
    links = {"out.md": tmp_path / "secret.md", "up": tmp_path, "broken": "nowhere", "dir": "deep", "etc": "/proc/self/environ"}
    for name, target in links.items():
        (documents / name).symlink_to(target)
    (documents / "same.md").symlink_to("a.md")
    os.mkfifo(documents / "pipe.md")
    (documents / "null").symlink_to("/dev/null")
    listing = look(tmp_path)
    assert listing.counts == {"links_not_followed": 6, "not_regular_files": 1, "hidden_left_out": 0}
    assert {found.uri: found.read() for found in listing.files}["same.md"] == b"text of a.md"
    assert len(listing.files) == 6


def test_a_folder_swapped_for_a_link_after_listing_is_not_followed(tmp_path, documents):
    found = next(found for found in look(tmp_path).files if found.uri == "deep/d.txt")
    assert found.read() == b"text of deep/d.txt"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/d.txt").write_text("secret")
    (documents / "deep").rename(tmp_path / "moved")
    (documents / "deep").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnreadableFile):
        found.read()


def test_a_file_swapped_for_a_link_or_a_pipe_is_not_opened_and_does_not_hang(tmp_path, documents):
    first, second, *_ = look(tmp_path).files
    (documents / "a.md").unlink()
    (documents / "a.md").symlink_to("/etc/hostname")
    (documents / "b.md").unlink()
    os.mkfifo(documents / "b.md")
    for found in (first, second):
        with pytest.raises(UnreadableFile):
            found.read()


def test_while_somebody_swaps_a_file_and_a_link_nothing_from_outside_is_read(tmp_path, documents):
    (tmp_path / "secret").write_text("secret")
    found, stop = look(tmp_path, include=["a.md"]).files[0], threading.Event()

    def swap() -> None:
        spare = tmp_path / "spare"
        while not stop.is_set():
            spare.symlink_to(tmp_path / "secret")
            spare.rename(documents / "a.md")
            spare.write_text("text")
            spare.rename(documents / "a.md")

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    for _ in range(300):
        try:
            seen.add(found.read())
        except UnreadableFile:
            seen.add(b"unreadable")
    stop.set()
    swapper.join()
    assert b"secret" not in seen
    assert seen <= {b"text", b"text of a.md", b"unreadable"}


def test_a_file_that_keeps_changing_is_never_read_as_a_mix(tmp_path, documents, monkeypatch):
    found = look(tmp_path).files[0]
    real, calls = os.fstat, []

    def changing(handle):
        calls.append(handle)
        (documents / "a.md").write_text("x" * len(calls))
        return real(handle)

    monkeypatch.setattr(os, "fstat", changing)
    with pytest.raises(UnreadableFile, match="changes while it is read"):
        found.read()


def test_a_writer_beside_the_reader_leaves_old_or_new_bytes(tmp_path, documents):
    size, stop = 200_000, threading.Event()
    (documents / "a.md").write_bytes(b"0" * size)
    found = look(tmp_path, include=["a.md"]).files[0]

    def write() -> None:
        digit = 0
        while not stop.is_set():
            digit = (digit + 1) % 10
            with (documents / "a.md").open("r+b") as stream:  # in place: the worst case
                stream.write(b"%d" % digit * size)
            time.sleep(0.002)

    writer = threading.Thread(target=write)
    writer.start()
    read, refused = [], 0
    for _ in range(60):
        try:
            read.append(found.read())
        except UnreadableFile:
            refused += 1
    stop.set()
    writer.join()
    assert all(len(set(data)) == 1 for data in read)
    assert read or refused


def test_a_stamp_changes_with_size_time_and_inode_and_not_otherwise(tmp_path, documents):
    first = stamps(look(tmp_path))
    assert stamps(look(tmp_path)) == first
    before = (documents / "a.md").stat()
    time.sleep(0.02)
    (documents / "a.md").write_text("TEXT OF A.MD")
    os.utime(documents / "a.md", ns=(before.st_atime_ns, before.st_mtime_ns))  # same size, same time, other inode time
    second = stamps(look(tmp_path))
    assert [uri for uri in first if first[uri] != second[uri]] == ["a.md"]


def test_a_file_is_settled_two_seconds_after_its_last_change(tmp_path, documents, monkeypatch):
    assert not any(found.settled for found in look(tmp_path).files)
    later = time.time_ns() + folder.SETTLED_NS
    monkeypatch.setattr(folder.time, "time_ns", lambda: later)
    assert all(found.settled for found in look(tmp_path).files)
    os.utime(documents / "a.md", (later / 1e9 + 1000, later / 1e9 + 1000))  # set by hand into the future
    assert look(tmp_path).files[1].settled


def test_names_that_are_no_utf8_are_spelled_out_and_read(tmp_path, documents):
    (documents / os.fsdecode(b"caf\xe9.md")).write_text("text")
    found = next(found for found in look(tmp_path).files if found.uri == "caf\\xe9.md")
    assert found.read() == b"text"


def test_a_missing_folder_stops_and_an_empty_one_is_empty(tmp_path, documents):
    said = source(tmp_path, path="documents")
    documents.rename(tmp_path / "unmounted")
    with pytest.raises(CorpusError, match=r"source handbook: the folder .*documents does not exist \(is it mounted\?\)"):
        Looking(tmp_path).look(said)
    documents.mkdir()
    assert uris(Looking(tmp_path).look(said)) == []


@pytest.mark.parametrize("failing", ["scandir", "stat"])
def test_a_folder_that_cannot_be_listed_completely_stops_the_look(tmp_path, documents, monkeypatch, failing):
    real = os.scandir

    class Broken:
        def __init__(self, entry):
            self.name, self.is_dir = entry.name, entry.is_dir

        def stat(self, **_):
            raise OSError(5, "Input/output error")

    class Entries:
        def __init__(self, path):
            self.broken = path.endswith("deep/")
            if self.broken and failing == "scandir":
                raise OSError(5, "Input/output error")
            self.entries = real(path)

        def __enter__(self):
            return (Broken(entry) if self.broken else entry for entry in self.entries)

        def __exit__(self, *_):
            self.entries.close()

    monkeypatch.setattr(os, "scandir", Entries)
    with pytest.raises(CorpusError, match=r"cannot be listed completely \(Input/output error\)"):
        look(tmp_path)


def test_three_thousand_files_are_listed_without_opening_one(tmp_path, monkeypatch):
    many = tmp_path / "many"
    for number in range(3_000):
        if number % 100 == 0:
            (many / str(number)).mkdir(parents=True)
        (many / str(number - number % 100) / f"{number}.md").touch()
    monkeypatch.setattr(folder, "_open_inside", lambda *_: pytest.fail("a file was opened"))
    said = source(tmp_path, path="many")
    start = time.process_time()
    listing = Looking(tmp_path).look(said)
    assert len(listing.files) == 3_000
    assert time.process_time() - start < 0.5  # ten times what it takes: the machine may be busy
