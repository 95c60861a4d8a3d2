"""Rows of large tables by one value, reading as little as can be: row groups whose statistics exclude it are left out, then the
one column, then the other columns of the row groups that hold it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from llmops_pipelines.lifecycle.lake import Version

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

AT_ONCE = 4  # tables that are read at once

T, R = TypeVar("T"), TypeVar("R")


def rows_where(version: Version, column: str, values: Iterable[str], columns: Sequence[str], table: str = "") -> list[dict]:
    """The rows of a table (the asset's own, or `table`) in which a text column, or one of the texts of a list column, is one of
    `values`. Columns that the table does not have are left out; no rows when there is no such table."""
    rows: list[dict] = []
    for file, group, places in _found(version, column, values, table):
        known = set(file.schema_arrow.names)
        read = file.read_row_group(group, [name for name in columns if name in known])
        rows += read.take(places).to_pylist()
    return rows


def count_where(version: Version, column: str, value: str) -> int:
    """How many rows of the asset's own table have this value in a text column."""
    return sum(len(places) for _, _, places in _found(version, column, [value], ""))


def column_of(version: Version, column: str, table: str = "") -> "pa.ChunkedArray":
    """One column of a table."""
    return version.table(table or None, [column]).column(0)


def each(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """`work` for each item, several at once: reading Parquet leaves the interpreter alone."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(work, items))


def _found(
    version: Version, column: str, values: Iterable[str], table: str
) -> "Iterator[tuple[pq.ParquetFile, int, pa.Array]]":
    """Each row group that has some of the values, and in which of its rows."""
    import pyarrow.parquet as pq

    wanted, name = sorted(set(values)), f"{table or version.noun}.parquet"
    if not wanted or not version.has(name):
        return
    texts = _texts(wanted)
    with pq.ParquetFile(version.file(name), page_checksum_verification=True) as file:
        groups = range(file.metadata.num_row_groups) if column in file.schema_arrow.names else ()
        for group in groups:
            if _excluded(file.metadata.row_group(group), column, wanted):
                continue
            places = _places(file.read_row_group(group, [column]).column(0), texts)
            if len(places):
                yield file, group, places


def _excluded(group: "pq.RowGroupMetaData", column: str, wanted: list[str]) -> bool:
    """Whether the statistics of a row group rule out all values. Of a list column there are none that would."""
    for number in range(group.num_columns):
        about = group.column(number)
        if about.path_in_schema == column:
            known = about.statistics
            if known is None or not known.has_min_max or not isinstance(known.min, str):
                return False
            return all(value < known.min or value > known.max for value in wanted)
    return False


def _places(column: "pa.ChunkedArray", wanted: "pa.Array") -> "pa.Array":
    """Row numbers, ascending."""
    import pyarrow as pa
    import pyarrow.compute as pc

    held = column.combine_chunks()
    if isinstance(held, pa.ChunkedArray):
        held = pa.concat_arrays(held.chunks)
    if not pa.types.is_list(held.type):
        return _matching(held, wanted)
    inside = _matching(held.flatten(), wanted)
    return pc.list_parent_indices(held).take(inside).unique()


def _matching(values: "pa.Array", wanted: "pa.Array") -> "pa.Array":
    import pyarrow.compute as pc

    return pc.indices_nonzero(pc.is_in(values, wanted))


def _texts(values: Sequence[str]) -> "pa.Array":
    """The texts as an array. `pa.array` and `pa.scalar` would import pandas, which takes longer than most searches."""
    import numpy as np
    import pyarrow as pa

    raw = [value.encode("utf-8") for value in values]
    ends = np.cumsum([0, *map(len, raw)], dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(raw), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(raw))])
