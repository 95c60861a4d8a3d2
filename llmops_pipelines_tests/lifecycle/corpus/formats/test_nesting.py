"""Files in files: every member by its own parser, what is wrong with one member stays with it, bombs do not go off."""

import gzip
import io
import stat
import struct
import tarfile
import zipfile

import pytest

from llmops_pipelines.lifecycle.corpus.children.pool import Refused
from llmops_pipelines.lifecycle.corpus.formats import archives, pieces
from llmops_pipelines.lifecycle.corpus.formats.parsers import parse_bytes
from llmops_pipelines.lifecycle.corpus.formats.pieces import Exhausted, Piece, Room

from .foreign_files import mail, tarred, zipped
from .small_files import pdf

FILE = tarfile.REGTYPE


def read(data: bytes, columns: dict | None = None, room: Room | None = None) -> list[Piece]:
    return list(parse_bytes(data, "archive", columns, room or Room()).pieces)


def reasons(found: list[Piece]) -> list[tuple[str, str]]:
    return [(piece.row, piece.reason) for piece in found]


def test_members_are_parsed_by_their_own_format():
    files = {
        "a/b.md": b"# Mole",
        "c.csv": b"id,body\n1,x\n",
        "d.pdf": pdf([("Slip", 18), ("Text", 11)]),
        "e.bin": b"x",
        "f.md": b"",
    }
    found = read(zipped(files), {"id": "id", "text": "body", "title": None})
    assert reasons(found) == [
        ("a/b.md", ""),
        ("c.csv/1", ""),
        ("d.pdf", ""),
        ("e.bin", "unsupported_format"),
        ("f.md", "empty"),
    ]
    assert [piece.kind for piece in found[:3]] == ["markdown", "csv", "pdf"]


def test_a_member_that_cannot_be_parsed_leaves_the_others_alone():
    found = read(zipped({"bad.pdf": b"%PDF-1.4 no", "named.pdf": b"text", "deep.json": b"[" * 100_000, "good.md": b"# Good"}))
    assert reasons(found) == [
        ("bad.pdf", "member_failed"),
        ("named.pdf", "member_failed"),
        ("deep.json", "member_failed"),
        ("good.md", ""),
    ]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar_files_are_read_packed_or_not(mode):
    assert reasons(read(tarred(("./a.md", FILE, b"# A"), ("b.md", FILE, b"# B"), mode=mode))) == [("a.md", ""), ("b.md", "")]


def test_a_single_packed_file_is_that_file():
    out = io.BytesIO()
    with gzip.GzipFile("notes.md", "wb", fileobj=out) as stream:
        stream.write(b"# Notes\n\nText.")
    assert [(piece.title, piece.kind) for piece in read(out.getvalue())] == [("Notes", "markdown")]
    assert [piece.kind for piece in read(gzip.compress(b"words"))] == ["text"]


def test_names_that_lead_outside_and_links_are_refused_one_by_one():
    names = ["../x.md", "/etc/x.md", "a/../../x.md", "C:/x.md", "..\\x.md"]
    entries = [(name, FILE, b"# X") for name in names] + [
        ("l.md", tarfile.SYMTYPE, b"/etc/passwd"),
        ("h.md", tarfile.LNKTYPE, b"ok.md"),
    ]
    found = read(tarred(*entries, ("ok.md", FILE, b"# Ok"), mode="w"))
    assert reasons(found) == [(name, "unsafe_member") for name in [*names, "l.md", "h.md"]] + [("ok.md", "")]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("link.md")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert reasons(read(out.getvalue())) == [("link.md", "unsafe_member")]


def test_archives_in_archives_end_at_a_depth():
    data = zipped({"x.md": b"# X"})
    for _ in range(3):
        data = zipped({"in.zip": data, "y.md": b"# Y"})
    found = read(data)
    assert ("in.zip/in.zip/in.zip", "nested_too_deep") in reasons(found)
    assert [row for row, reason in reasons(found) if not reason] == ["in.zip/in.zip/y.md", "in.zip/y.md", "y.md"]


def test_a_mail_in_an_archive_brings_its_attachments():
    assert reasons(read(zipped({"m.eml": mail(a__md=b"# A")}))) == [("m.eml", ""), ("m.eml/a.md", "")]


def test_a_member_that_unpacks_beyond_all_measure_is_refused_alone():
    found = read(zipped({"bomb.txt": bytes(32 * 2**20), "good.md": b"# Good"}))
    assert reasons(found) == [("bomb.txt", "member_failed"), ("good.md", "")]
    assert "200 times" in found[0].detail


def test_the_declared_size_of_a_member_counts_for_nothing():
    data = bytearray(zipped({"a.txt": b"word " * 1000}))
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.find(mark) + place, 10)
    assert reasons(read(bytes(data))) == [("a.txt", "member_failed")]


def test_a_gzip_bomb_and_a_tar_of_one_are_refused():
    with pytest.raises(Refused, match="200 times"):
        read(gzip.compress(bytes(64 * 2**20)))
    with pytest.raises(Refused, match="200 times"):
        read(gzip.compress(tarred(("a.txt", FILE, bytes(64 * 2**20)))))


def test_all_levels_together_may_unpack_only_so_much(monkeypatch):
    monkeypatch.setattr(archives, "RATIO_FROM", 2**30)
    inner = zipped({f"{n}.txt": bytes(2**20) for n in range(4)})
    with pytest.raises(Exhausted, match="unpacks to more than"):
        read(zipped({"a.zip": inner, "b.zip": inner}), room=Room(unpacked=6 * 2**20))


def test_entries_are_counted_and_a_huge_directory_is_not_read(monkeypatch):
    with pytest.raises(Exhausted, match="entries"):
        read(zipped({f"{n}.md": b"# X" for n in range(5)}), room=Room(entries=4))
    with pytest.raises(Exhausted, match="entries"):
        read(tarred(*[(f"{n}.md", FILE, b"# X") for n in range(5)]), room=Room(entries=4))
    monkeypatch.setattr(archives, "DIRECTORY_BYTES", 100)
    with pytest.raises(Refused, match="too many entries"):
        read(zipped({f"{n}.md": b"# X" for n in range(5)}))


def test_a_name_that_stands_twice_is_used_once():
    entries = [("a.md", FILE, b"# One"), ("./a.md", FILE, b"# One"), ("a.md", FILE, b"# Two")]
    assert reasons(read(tarred(*entries))) == [
        ("a.md", ""),
        ("a.md (entry 2)", "repeated_member"),
        ("a.md (entry 3)", "conflicting_member"),
    ]


def test_characters_of_all_members_count_together():
    with pytest.raises(pieces.Exhausted, match="characters"):
        read(zipped({"a.txt": b"x" * 600, "b.txt": b"x" * 600}), room=Room(characters=1000))
