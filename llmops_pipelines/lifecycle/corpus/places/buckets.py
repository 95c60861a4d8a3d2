"""Rows of a large table as a listing: buckets by the hash of the row id, so that one changed row changes one small file.

Memory does not grow with the table: rows go to disk, are sorted part by part, and are read back bucket by bucket.
"""

import hashlib
import io
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmops_pipelines.config.words import did_you_mean

from ..sources import CorpusError, Found, Listing
from .spool import Spool

if TYPE_CHECKING:
    import pyarrow as pa

    from llmops_pipelines.config.documents import Source

CODE = "buckets 1"
SUFFIX = ".parquet"
ROWS = 500  # most rows of a bucket; a table that grows beyond gets twice as many buckets or more
BYTES = 4 * 2**20  # most text of a bucket
KEPT_BYTES = 48 * 2**20  # rows in memory before they go to disk
PART_BITS = 6  # what went to disk is sorted in this many parts (as a power of two)
IDENTITY_CHARACTERS = 200  # rows are told apart by this much of their id


class Buckets:
    """Add rows in any order, then ask for the `listing`. The columns of each bucket are id, text, title."""

    def __init__(self, source: str, cache: Path) -> None:
        self._source, self._cache = source, cache
        self._spool: Spool | None = None
        self._parts: list[list[tuple[int, int]]] = [[] for _ in range(2**PART_BITS)]
        self._kept: list[pa.Table] = []
        self._kept_bytes = 0
        self.rows = 0
        self.bytes = 0

    def add(self, ids: Sequence[Any], texts: Sequence[Any], titles: Sequence[Any]) -> None:
        """Values of any type; None is empty. A row without an id is kept: it is refused where it is read."""
        import pyarrow as pa

        names = [cell(value).strip() for value in ids]
        columns = [pa.array(values, pa.large_string()) for values in (names, map(cell, texts), map(cell, titles))]
        marks = pa.array([_mark(name) for name in names], pa.uint64())
        table = pa.table([marks, *columns], ["mark", "id", "text", "title"])
        self.rows += len(names)
        self.bytes += table.nbytes
        self._kept.append(table)
        self._kept_bytes += table.nbytes
        if self._kept_bytes > KEPT_BYTES:
            self._spill()

    def listing(self, before: int) -> tuple[Listing, int]:
        """One item per bucket that holds a row, and how many buckets there could be (power of two; `before` at the last look).

        Names stay when the number grows: bucket n hands half of its rows over to a new one.
        """
        if self._spool:
            self._spill()
        bits = _bits(self.rows, self.bytes, before, PART_BITS if self._spool else 0)
        spool = Spool(self._cache)
        files = []
        for rows in self._whole_buckets():
            files += [self._found(spool, number, bucket) for number, bucket in _split(self._source, rows, bits)]
        self._spool = None
        return Listing(tuple(files), {"rows": self.rows}), bits

    def _spill(self) -> None:
        import pyarrow as pa

        self._spool = self._spool or Spool(self._cache)
        for part, rows in _by(pa.concat_tables(self._kept), PART_BITS):
            self._parts[part].append(self._spool.append(_to_ipc(rows)))
        self._kept, self._kept_bytes = [], 0

    def _whole_buckets(self) -> "Iterator[pa.Table]":
        """Tables in which no bucket is cut in two."""
        import pyarrow as pa

        if self._spool is None:
            if self._kept:
                yield pa.concat_tables(self._kept)
            return
        for places in self._parts:
            if places:
                yield pa.concat_tables([_from_ipc(self._spool.read(*place)) for place in places])

    def _found(self, spool: Spool, number: int, rows: "pa.Table") -> Found:
        stamp = _stamp(rows)
        place = spool.append(_to_ipc(rows))
        return found(self._source, number, stamp, partial(_parquet, spool, place))


def found(source: str, number: int, stamp: str, read) -> Found:
    """The item of a bucket. Its size is part of its stamp, so that it need not be counted again."""
    return Found(source, uri(number), int(stamp.rpartition(" ")[2]), stamp, True, read, True, SUFFIX)


def uri(number: int) -> str:
    return f"rows/{number:06x}"


def cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return value if isinstance(value, str) else str(value)


def named(source: "Source", there: list[str]) -> list[str | None]:
    """The columns of the source for id, text and title, each of which is there."""
    wanted = [source.columns.id, source.columns.text, source.columns.title]
    for column in filter(None, wanted):
        if column not in there:
            near = did_you_mean(column, there)
            raise CorpusError(f"source {source.name}: no column {column!r} among {', '.join(there)}{near}; mend columns")
    return wanted


def _mark(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name[:IDENTITY_CHARACTERS].encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _bits(rows: int, size: int, before: int, least: int) -> int:
    """As before while the buckets are small enough; else so many that they may double before it changes again."""
    bits = max(before, least)
    if rows > ROWS << bits or size > BYTES << bits:
        while 2 * rows > ROWS << bits or 2 * size > BYTES << bits:
            bits += 1
    return bits


def _by(table: "pa.Table", bits: int) -> "Iterator[tuple[int, pa.Table]]":
    """The rows by the last `bits` of their marks; within each by id."""
    import numpy as np

    numbers = table.column("mark").to_numpy() & np.uint64(2**bits - 1)
    table = table.append_column("number", [numbers])
    order = [(name, "ascending") for name in ("number", "id", "text", "title")]
    table = table.take(_sorted(table, order)).combine_chunks()
    numbers = table.column("number").to_numpy()
    ends = [*np.flatnonzero(np.diff(numbers)).tolist(), len(numbers) - 1]
    start = 0
    for end in ends:
        yield int(numbers[start]), table.slice(start, end + 1 - start).drop_columns(["number"])
        start = end + 1


def _sorted(table: "pa.Table", order: list[tuple[str, str]]):
    import pyarrow.compute as pc

    return pc.sort_indices(table, sort_keys=order)


def _split(source: str, table: "pa.Table", bits: int) -> "Iterator[tuple[int, pa.Table]]":
    for number, rows in _by(table, bits):
        names = rows.column("id").to_pylist()
        if twice := next((a for a, b in zip(names, names[1:], strict=False) if a == b and a), None):
            raise CorpusError(
                f"source {source}: the id {twice[:IDENTITY_CHARACTERS]!r} names more than one row; "
                "columns.id must name a column whose values differ in every row"
            )
        yield number, rows.drop_columns(["mark"])


def _stamp(rows: "pa.Table") -> str:
    """sha256 of the values, whatever the memory layout; number of rows; bytes of text."""
    import numpy as np

    digest, size = hashlib.sha256(CODE.encode()), 0
    for name in ("id", "text", "title"):
        array = rows.column(name).combine_chunks()
        offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
        digest.update(np.diff(offsets).tobytes())
        if values := array.buffers()[2]:
            digest.update(memoryview(values)[offsets[0] : offsets[-1]])
            size += int(offsets[-1] - offsets[0])
    return f"{digest.hexdigest()} {rows.num_rows} {size}"


def _to_ipc(table: "pa.Table") -> memoryview:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return memoryview(sink.getvalue())


def _from_ipc(data: bytes) -> "pa.Table":
    import pyarrow as pa

    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()


def _parquet(spool: Spool, place: tuple[int, int]) -> bytes:
    """The same rows are the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = _from_ipc(spool.read(*place))
    rows = rows.cast(pa.schema([(name, pa.string()) for name in rows.column_names]))
    written = io.BytesIO()
    pq.write_table(rows, written, compression="zstd", use_dictionary=False, write_statistics=False, store_schema=False)
    return written.getvalue()
