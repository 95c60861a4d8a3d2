"""Where each key of a store lies: file and row, found in memory by the first 64 bits of the key. Only keys are read for it.

At 16 bytes per row a store of 50 million rows needs 800 MB; a scan of the table per lookup would need hours.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

HEX = 64  # characters of a sha256; other keys are hashed first
ROW_BITS = 32  # of a place: file number above, row below


class Run(NamedTuple):
    """Marks in ascending order and the place of each."""

    marks: "np.ndarray"
    places: "np.ndarray"


class Places:
    """The keys of one Delta table. `refresh` before use: another process may have appended."""

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key
        self._files: list[str] = []
        self._footers: dict[int, pq.FileMetaData] = {}
        self._runs: list[Run] = []
        self._table = None
        self._lock = RLock()

    @property
    def count(self) -> int:
        return sum(len(run.marks) for run in self._runs)

    def refresh(self) -> None:
        """Take in what was appended since; start anew when files were rewritten."""
        from deltalake import DeltaTable

        with self._lock:
            if self._table is None:
                self._table = DeltaTable(str(self._path))
            else:
                self._table.update_incremental()
            listed = [unquote(uri) for uri in self._table.file_uris()]
            known = set(self._files)
            if not known <= set(listed):
                self._files, self._footers, self._runs, known = [], {}, [], set()
            for file in sorted(set(listed) - known):
                self._add(file)

    def find(self, keys: Sequence[str]) -> "np.ndarray":
        """int64 [n]: the place of each key, -1 where there is none."""
        import numpy as np

        wanted = marks_of(keys)
        found = np.full(len(wanted), -1, dtype=np.int64)
        with self._lock:
            for run in self._runs:
                at = np.minimum(np.searchsorted(run.marks, wanted), len(run.marks) - 1)
                found = np.where(run.marks[at] == wanted, run.places[at], found)
        return found

    def read(self, places: "np.ndarray", columns: list[str] | None) -> "pa.Table":
        """The rows at these places, in their order."""
        import numpy as np
        import pyarrow as pa

        files, rows = places >> ROW_BITS, places & (2**ROW_BITS - 1)
        parts, order = [], []
        for number in np.unique(files).tolist():
            chosen = np.flatnonzero(files == number)
            parts.append(self._read(number, rows[chosen], columns))
            order.append(chosen)
        if not parts:
            return self._schema(columns).empty_table()
        back = np.empty(len(places), dtype=np.int64)
        back[np.concatenate(order)] = np.arange(len(places))
        return pa.concat_tables(parts).take(back).combine_chunks()

    def _read(self, number: int, rows: "np.ndarray", columns: list[str] | None) -> "pa.Table":
        """Only the row groups that hold one of the rows."""
        import numpy as np
        import pyarrow.parquet as pq

        footer = self._footer(number)
        ends = np.cumsum([footer.row_group(group).num_rows for group in range(footer.num_row_groups)])
        group = np.searchsorted(ends, rows, side="right")
        needed = np.unique(group)
        starts = np.concatenate([[0], ends])
        before = np.zeros(footer.num_row_groups, dtype=np.int64)  # rows of the groups read before each one
        before[needed] = np.cumsum([0, *(ends[needed] - starts[needed])[:-1]])
        with pq.ParquetFile(self._files[number], metadata=footer) as file:
            table = file.read_row_groups(needed.tolist(), columns)
        rows = table.take(before[group] + rows - starts[group])
        return rows.select(self._schema(columns).names).cast(self._schema(columns))

    def _schema(self, columns: list[str] | None) -> "pa.Schema":
        """As Delta has it: files may spell a list of fixed length in two ways."""
        import pyarrow as pa

        schema = pa.schema(self._table.schema().to_arrow())
        return schema if columns is None else pa.schema([schema.field(name) for name in columns])

    def _footer(self, number: int) -> "pq.FileMetaData":
        import pyarrow.parquet as pq

        if number not in self._footers:
            with pq.ParquetFile(self._files[number]) as file:
                self._footers[number] = file.metadata
        return self._footers[number]

    def _add(self, file: str) -> None:
        import numpy as np
        import pyarrow.parquet as pq

        number = len(self._files)
        self._files.append(file)
        with pq.ParquetFile(file) as opened:
            self._footers[number] = opened.metadata
            marks = marks_of(opened.read([self._key]).column(0))
        order = np.argsort(marks, kind="stable")
        run = Run(marks[order], (number << ROW_BITS) + order.astype(np.int64))
        # Runs double in size, as in a binary counter: an append costs little, a lookup looks into few of them.
        while self._runs and len(self._runs[-1].marks) <= 2 * len(run.marks):
            run = _merged(self._runs.pop(), run)
        if len(run.marks):
            self._runs.append(run)


def _merged(a: Run, b: Run) -> Run:
    import numpy as np

    marks = np.concatenate([a.marks, b.marks])
    order = np.argsort(marks, kind="stable")  # timsort: two sorted runs are merged, not sorted
    return Run(marks[order], np.concatenate([a.places, b.places])[order])


def marks_of(keys: "Sequence[str] | pa.ChunkedArray") -> "np.ndarray":
    """uint64 [n]: the first 16 hex digits of each sha256; of any other key those of its sha256."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pa.array(keys, pa.string()) if isinstance(keys, list | tuple) else keys.combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.string())
    if not len(column):
        return np.zeros(0, dtype=np.uint64)
    if pc.min_max(pc.binary_length(column)).as_py() != {"min": HEX, "max": HEX}:
        column = pa.array([key if len(key) == HEX else hashlib.sha256(key.encode()).hexdigest() for key in column.to_pylist()])
    start = int(np.frombuffer(column.buffers()[1], dtype=np.int32)[column.offset])
    digits = np.frombuffer(column.buffers()[2], dtype=np.uint8)[start : start + HEX * len(column)].reshape(-1, HEX)[:, :16]
    nibbles = np.where(digits >= ord("a"), digits - (ord("a") - 10), digits - ord("0")).astype(np.uint64) & np.uint64(15)
    return (nibbles << (np.arange(15, -1, -1, dtype=np.uint64) * np.uint64(4))).sum(axis=1, dtype=np.uint64)
