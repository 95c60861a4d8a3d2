"""Stores: append-only Delta tables with one row per content hash, so that work is done once per content, for ever.

A row is never changed. Two writers may append the same key at once; they computed the same row, and readers take either.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from . import store_seals
from .places import Places
from .store_seals import DamagedStore, Examined

if TYPE_CHECKING:
    import pyarrow as pa

GROUP = 1_024  # rows of a Parquet row group at most: the least that one lookup reads
COLUMN_BYTES = 2**17  # of a column in it, on average: smaller pieces cost more to open than to read


@dataclass(frozen=True)
class Store:
    """One Delta table at `path`, keyed by the string column `key`. Lookups read the row groups that hold the keys, no more."""

    path: Path
    key: str

    def missing(self, keys: Iterable[str]) -> list[str]:
        """The distinct keys that have no row yet, in the order given."""
        wanted = list(dict.fromkeys(keys))
        if not wanted or not self._exists():
            return wanted
        found = self._places().find(wanted)
        return [key for key, place in zip(wanted, found.tolist(), strict=True) if place < 0]

    def append(self, table) -> None:
        """Add the rows of a `pyarrow.Table` in one transaction, and seal it."""
        from deltalake import WriterProperties, write_deltalake

        if table.num_rows:
            columns = sum(_columns(field.type) for field in table.schema)
            rows = max(1, min(GROUP, COLUMN_BYTES * columns * table.num_rows // max(table.nbytes, 1)))
            properties = WriterProperties(compression="ZSTD", max_row_group_size=rows)
            write_deltalake(str(self.path), table, mode="append", writer_properties=properties)
            store_seals.seal_new(self.path)

    def take(self, keys: Iterable[str], columns: list[str] | None = None):
        """The rows of `keys` as a `pyarrow.Table`, one per key, in the order given. Raises KeyError for a missing key."""
        import pyarrow as pa

        wanted = list(dict.fromkeys(keys))
        if not self._exists():
            if wanted:
                raise KeyError(f"{self.path}: no table, {len(wanted)} keys wanted")
            return pa.table({self.key: pa.array([], pa.string())})
        chosen = None if columns is None else [self.key, *(c for c in columns if c != self.key)]
        places = self._places()
        found = places.find(wanted)
        if (found < 0).any():
            lost = [key for key, place in zip(wanted, found.tolist(), strict=True) if place < 0]
            raise KeyError(f"{self.path}: no row for {lost[0]} and {len(lost) - 1} others")
        rows = places.read(found, chosen)
        if wanted and not rows.column(self.key).equals(pa.chunked_array([wanted], pa.string())):
            raise KeyError(f"{self.path}: a row has another key than its place says; remove this folder, it is made again")
        return rows

    def examine(self) -> Examined:
        """Every file against its seal; what was written before there were seals is told as such."""
        return store_seals.examine(self.path)

    def verify(self) -> Examined:
        """The same. Raises `DamagedStore` naming the first file that is missing or differs."""
        examined = self.examine()
        if examined.damage:
            raise DamagedStore(str(examined.damage[0]))
        return examined

    def rewritten(self, why: str) -> None:
        """Seal the table anew, after rows were taken out of it on purpose; `why` (a receipt) stays in the seals."""
        store_seals.seal_anew(self.path, why)

    def rows(self) -> int:
        return self._places().count if self._exists() else 0

    def _exists(self) -> bool:
        return (self.path / "_delta_log").is_dir()

    def _places(self) -> Places:
        try:
            first = (self.path / "_delta_log" / f"{0:020d}.json").stat().st_mtime_ns
        except FileNotFoundError:
            first = 0  # the log was shortened
        places = _opened(self.path, self.key, first)
        places.refresh()
        return places


def _columns(kind: "pa.DataType") -> int:
    """How many columns of a Parquet file a value of this type takes."""
    fields = [kind.field(at) for at in range(kind.num_fields)]
    return sum(_columns(field.type) for field in fields) or 1


@lru_cache(maxsize=32)
def _opened(path: Path, key: str, first: int) -> Places:
    """The places of one table's keys, kept in memory while the process lives: 16 bytes per row.

    `first` tells a table from one that was removed and begun anew at the same path.
    """
    return Places(path, key)
