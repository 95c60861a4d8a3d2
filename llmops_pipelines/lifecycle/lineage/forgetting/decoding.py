"""What lies in a file, as bytes in which words can be looked for: as they stand, and decoded where they are packed.

Known by their first bytes, not by their names: Parquet, gzip, zip, zstd, LZ4 frames, zlib, SQLite,
git packs, pages of the embedded engine.
"""

import os
import sqlite3
import subprocess
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from . import gridstore
from .windows import BETWEEN

if TYPE_CHECKING:
    import pyarrow as pa

PART = 2**20  # bytes that are looked through at once
OVERLAP = 2**12  # of a part with the one before: a window may lie on the border
DEPTH = 4  # packed things in packed things
ROWS = 4_096
STREAMS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4", b"BZh": "bz2"}
SQLITE = b"SQLite format 3\0"
ZLIB = (b"\x78\x01", b"\x78\x9c", b"\x78\xda")
UNREADABLE = (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, EOFError, zlib.error)

Piece = tuple[str, bytes]  # how it was decoded, and what is there


def pieces(path: Path) -> Iterator[Piece]:
    """Everything that is written in a file, in parts. A file that vanishes meanwhile is empty."""
    with suppress(FileNotFoundError):
        with path.open("rb") as file:
            head = file.read(16)
        for part in _raw(path):
            yield "bytes", part
        if head.startswith(SQLITE):
            yield from _sqlite(path)
        elif path.name == "tracker.dat" and gridstore.is_gridstore(path.parent):
            yield from _grid(path.parent)
        elif head.startswith(b"PACK") and path.suffix == ".pack":
            yield from _git(path)
        elif _packed(head):
            yield from _unpacked(path.read_bytes(), 1)


def _raw(path: Path) -> Iterator[bytes]:
    """The file as it is, without the holes: engines map files that are mostly holes."""
    with path.open("rb") as file:
        size, at = os.fstat(file.fileno()).st_size, 0
        while at < size:
            try:
                at = max(os.lseek(file.fileno(), at, os.SEEK_DATA) - OVERLAP, at)
            except OSError:  # ENXIO: nothing but a hole from here on
                return
            part = os.pread(file.fileno(), PART + OVERLAP, at)
            if part.strip(b"\0"):
                yield part
            at += PART


def _packed(head: bytes) -> bool:
    return head.startswith((b"PAR1", b"PK\x03\x04", *STREAMS, *ZLIB))


def _unpacked(data: bytes, depth: int) -> Iterator[Piece]:
    """What a packed thing holds, and what is packed in that."""
    if depth > DEPTH:
        return
    if data.startswith(b"PAR1"):
        yield from _parquet(data)
    elif data.startswith(b"PK\x03\x04"):
        yield from _zip(data, depth)
    elif data.startswith(ZLIB):
        with suppress(zlib.error):
            yield from _inside("zlib", zlib.decompressobj().decompress(data), depth)
    elif kind := next((kind for head, kind in STREAMS.items() if data.startswith(head)), None):
        yield from _stream(data, kind, depth)


def _inside(how: str, data: bytes, depth: int) -> Iterator[Piece]:
    for at in range(0, len(data), PART):
        yield how, data[at : at + PART + OVERLAP]
    for more, part in _unpacked(data, depth + 1):
        yield f"{how} > {more}", part


def _zip(data: bytes, depth: int) -> Iterator[Piece]:
    with suppress(*UNREADABLE), zipfile.ZipFile(BytesIO(data)) as archive:
        for name in archive.namelist():
            with suppress(*UNREADABLE):
                yield from _inside(f"zip {name}", archive.read(name), depth)


def _stream(data: bytes, kind: str, depth: int) -> Iterator[Piece]:
    import pyarrow as pa

    with suppress(OSError, pa.ArrowException), pa.CompressedInputStream(pa.BufferReader(data), kind) as stream:
        yield from _inside(kind, stream.read(), depth)


def _parquet(data: bytes) -> Iterator[Piece]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with suppress(OSError, pa.ArrowException), pq.ParquetFile(pa.BufferReader(data)) as file:
        for batch in file.iter_batches(batch_size=ROWS):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                for cells in texts_in(column):
                    joined = BETWEEN.join(cells)
                    yield from (("parquet " + name, joined[at : at + PART + OVERLAP]) for at in range(0, len(joined), PART))


def texts_in(column: "pa.Array") -> "Iterator[list[bytes]]":
    """The strings and bytes of a column, however deep in lists and structs they stand."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        yield from texts_in(column.dictionary)
    elif pa.types.is_struct(kind):
        for at in range(kind.num_fields):
            yield from texts_in(column.field(at))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from texts_in(column.flatten())
    elif pa.types.is_map(kind):
        yield from texts_in(column.keys)
        yield from texts_in(column.items)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield [each.encode() for each in column.drop_null().to_pylist()]
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        yield column.drop_null().to_pylist()


def _sqlite(path: Path) -> Iterator[Piece]:
    """Every cell of every table: a long one lies on several pages."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
        database.text_factory = bytes
        tables = [row[0].decode() for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = database.execute(f'SELECT * FROM "{table}"')
            while some := rows.fetchmany(ROWS):
                cells = [cell for row in some for cell in row if isinstance(cell, bytes)]
                joined = BETWEEN.join(cells)
                yield from ((f"sqlite {table}", joined[at : at + PART + OVERLAP]) for at in range(0, len(joined), PART))
                for cell in cells:
                    yield from ((f"sqlite {table} > {how}", part) for how, part in _unpacked(cell, 2))


def _git(pack: Path) -> Iterator[Piece]:
    """All objects of the repository whose pack this is, as git itself unpacks them."""
    command = ["git", "--git-dir", str(pack.parents[2]), "cat-file", "--batch", "--batch-all-objects", "--buffer"]
    with suppress(OSError), subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as git:
        last = b""
        while git.stdout and (part := git.stdout.read(PART)):
            yield "git objects", last + part
            last = part[-OVERLAP:]


def _grid(folder: Path) -> Iterator[Piece]:
    waiting: list[bytes] = []
    for value in gridstore.values(folder):
        waiting.append(value)
        if sum(map(len, waiting)) > PART:
            yield "lz4 page", BETWEEN.join(waiting)
            waiting = []
    if waiting:
        yield "lz4 page", BETWEEN.join(waiting)
