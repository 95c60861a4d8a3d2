"""Stores: append-only Delta tables with one row per content hash, so that work is done once per content, for ever.

A row is never changed. Two writers may append the same key at once; they computed the same row, and readers take the first.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Store:
    """One Delta table at `path`, keyed by the string column `key`."""

    path: Path
    key: str

    def missing(self, keys: Iterable[str]) -> list[str]:
        """The distinct keys that have no row yet, in the order given."""
        wanted = list(dict.fromkeys(keys))
        if not wanted or not self._exists():
            return wanted
        known = set(self._dataset().to_table(columns=[self.key]).column(self.key).to_pylist())
        return [key for key in wanted if key not in known]

    def append(self, table) -> None:
        """Add the rows of a `pyarrow.Table` in one transaction."""
        from deltalake import write_deltalake

        if table.num_rows:
            write_deltalake(str(self.path), table, mode="append")

    def take(self, keys: Iterable[str], columns: list[str] | None = None):
        """The rows of `keys` as a `pyarrow.Table`, one per key, in the order given. Raises KeyError for a missing key."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return self._dataset().schema.empty_table() if self._exists() else pa.table({self.key: pa.array([], pa.string())})
        if not self._exists():
            raise KeyError(f"{self.path}: no table, {len(wanted)} keys wanted")
        chosen = None if columns is None else [self.key, *(c for c in columns if c != self.key)]
        found = self._dataset().to_table(columns=chosen, filter=pc.field(self.key).isin(wanted))
        place: dict[str, int] = {}
        for row, key in enumerate(found.column(self.key).to_pylist()):
            place.setdefault(key, row)
        if lost := [key for key in wanted if key not in place]:
            raise KeyError(f"{self.path}: no row for {lost[0]} and {len(lost) - 1} others")
        return found.take([place[key] for key in wanted])

    def _exists(self) -> bool:
        return (self.path / "_delta_log").is_dir()

    def _dataset(self):
        from deltalake import DeltaTable

        return DeltaTable(str(self.path)).to_pyarrow_dataset()
