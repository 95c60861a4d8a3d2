"""Archives: the bytes of each member, nothing written to disk. What is unpacked is counted as it comes out.

Declared sizes are not believed; names that lead outside, links and devices are refused one by one.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ..children.pool import Refused
from .pieces import MEMBER_BYTES, RATIO, RATIO_FROM, Exhausted, Room
from .signatures import signature

DIRECTORY_BYTES = 4 * 2**20  # of a zip archive: 20,000 entries with names of 150 letters
BLOCK = 2**20


@dataclass(frozen=True)
class Member:
    """A file in an archive: its bytes, or the reason why it cannot be used. A packed single file may have no name."""

    name: str
    data: bytes = b""
    reason: str = ""
    detail: str = ""


class Counted(io.RawIOBase):
    """A stream of unpacked bytes that stops at the limits of `room`, and at a ratio that no text reaches."""

    def __init__(self, stream: Any, packed: int, room: Room) -> None:
        self._stream, self._packed, self._room, self._out = stream, packed, room, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(min(size, BLOCK) if size >= 0 else BLOCK)
        self._out += len(data)
        self._room.unpack(len(data))
        if self._out > RATIO_FROM and self._out > RATIO * self._packed:
            raise Refused(f"unpacks to more than {RATIO} times its size")
        return data

    def all(self, most: int = MEMBER_BYTES) -> bytes:
        parts, total = [], 0
        while part := self.read():
            parts.append(part)
            total += len(part)
            if total > most:
                raise Refused(f"a member of more than {most} bytes")
        return b"".join(parts)


def members(data: bytes, room: Room) -> Iterator[Member]:
    """Raises `Refused` when the archive as a whole costs too much; what is wrong with one member stays with it."""
    kind = signature(data)
    if kind == "zip":
        yield from _zip(data, room)
        return
    if kind == "tar":
        yield from _tar(io.BytesIO(data), room)
        return
    stream = Counted(_unpacked(data, kind), len(data), room)
    head = b""
    while len(head) < 512 and (part := stream.read(512 - len(head))):
        head += part
    if signature(head) == "tar":
        yield from _tar(_Rejoined(head, stream), room)
    else:
        yield Member(_gzip_name(data), head + stream.all())


def _unpacked(data: bytes, kind: str) -> Any:
    import bz2
    import gzip
    import lzma

    packed = io.BytesIO(data)
    return gzip.GzipFile(fileobj=packed) if kind == "gzip" else {"bzip2": bz2.BZ2File, "xz": lzma.LZMAFile}[kind](packed)


class _Rejoined:
    def __init__(self, head: bytes, stream: Counted) -> None:
        self._head, self._stream = head, stream

    def read(self, size: int) -> bytes:
        part, self._head = self._head[:size], self._head[size:]
        while len(part) < size and (more := self._stream.read(size - len(part))):
            part += more
        return part


def _gzip_name(data: bytes) -> str:
    """The name that gzip keeps of the file it packed."""
    if data[:2] != b"\x1f\x8b" or not data[3] & 8 or data[3] & 4:
        return ""
    name = data[10:400].partition(b"\0")[0].decode("latin-1")
    return PurePosixPath(name.replace("\\", "/")).name


def _zip(data: bytes, room: Room) -> Iterator[Member]:
    import zipfile
    import zlib

    end = data.rfind(b"PK\x05\x06")
    if end >= 0 and len(data) >= end + 22 and struct.unpack_from("<I", data, end + 12)[0] > DIRECTORY_BYTES:
        raise Refused("holds too many entries")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            room.enter()
            if problem := _unsafe(entry.filename) or _special(entry.external_attr >> 16):
                yield Member(entry.filename, reason="unsafe_member", detail=problem)
            elif entry.flag_bits & 1:
                yield Member(entry.filename, reason="member_failed", detail="encrypted with a password")
            else:
                try:
                    with archive.open(entry) as stream:
                        yield Member(entry.filename, Counted(stream, entry.compress_size, room).all())
                except Exhausted:
                    raise
                except Refused as error:
                    yield Member(entry.filename, reason="member_failed", detail=str(error))
                except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
                    yield Member(entry.filename, reason="member_failed", detail=f"{type(error).__name__}: damaged")


def _special(mode: int) -> str:
    import stat

    kind = stat.S_IFMT(mode)
    return "" if kind in (0, stat.S_IFREG) else "a link or device"


def _tar(stream: Any, room: Room) -> Iterator[Member]:
    import tarfile

    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for entry in archive:
            if entry.isdir():
                continue
            room.enter()
            if problem := _unsafe(entry.name) or ("" if entry.isreg() else "a link or device"):
                yield Member(entry.name, reason="unsafe_member", detail=problem)
            elif entry.size > MEMBER_BYTES:
                yield Member(entry.name, reason="member_failed", detail=f"a member of more than {MEMBER_BYTES} bytes")
            else:
                yield Member(entry.name, archive.extractfile(entry).read())
            archive.members = []  # else it remembers every entry


def _unsafe(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0]) or "\0" in name:
        return "its name leads outside the archive"
    return ""
