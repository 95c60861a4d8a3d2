"""Stores without the forgotten rows. Delta keeps old files, and the first and last text of each in its log: both go too."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from llmops_pipelines.lifecycle.lake import Refusal, store_seals
from llmops_pipelines.lifecycle.lake.digests import digest
from llmops_pipelines.lifecycle.lake.stores import GROUP

from .decoding import texts_in
from .knowledge import Known
from .reading import batches_of, files_of, tables_of
from .scanning import in_file
from .windows import BETWEEN

if TYPE_CHECKING:
    import pyarrow as pa

BY_KEY = {"content_hash": "contents", "text_hash": "text_hashes", "blob": "bytes", "chunk_id": "chunks", "doc_id": "documents"}
BY_KEY |= {"prompt_digest": "prompts"}
LOG = "_delta_log"


class StoreKeepsText(Refusal):
    """Rows that were deleted are still there."""


@dataclass(frozen=True)
class Emptied:
    """A store that lost rows; `before` and `after` are digests of the names of its files."""

    store: str
    rows: int
    before: str
    after: str


def stores_of(root: Path) -> list[Path]:
    return sorted(log.parent for log in (root / "stores").glob(f"*/*/{LOG}"))


def count(store: Path, known: Known) -> int:
    """How many rows would be deleted."""
    return sum(sum(_gone(table, known)) for table in batches_of(store))


def redact(root: Path, store: Path, known: Known, why: str) -> Emptied | None:
    """Delete the rows that hold something of the documents, and every trace of them below the folder. None without any."""
    before, rows = _names(store), count(store, known)
    stale = rows or any(in_file(path, known.needles) for path in sorted(store.rglob("*")) if path.is_file())
    if not stale:
        return None
    if rows:
        _delete(store, known)
    _vacuum(store)
    _shorten_log(store)
    _unreferenced(store, known)
    store_seals.seal_anew(store, why)
    if count(store, known):
        raise StoreKeepsText(f"{store}: rows that were deleted are back; stop the run that writes to it, and say it again")
    return Emptied(store.relative_to(root).as_posix(), rows, before, _names(store))


def _delete(store: Path, known: Known) -> None:
    """Write the table anew without the rows, in one transaction. Delta's own deletion writes columns of another type."""
    import pyarrow as pa
    from deltalake import DeltaTable, WriterProperties, write_deltalake

    schema = pa.schema(DeltaTable(str(store)).schema().to_arrow())
    properties = WriterProperties(compression="ZSTD", max_row_group_size=_largest_group(store))
    kept = pa.RecordBatchReader.from_batches(schema, _kept(files_of(store), known, schema))
    write_deltalake(str(store), kept, mode="overwrite", writer_properties=properties)


def _kept(paths: list[str], known: Known, schema: "pa.Schema") -> "Iterator[pa.RecordBatch]":
    """Runs in a thread of Delta's, where no second table can be opened: the files are listed before."""
    import pyarrow as pa

    for table in tables_of(paths):
        stays = pa.array([not gone for gone in _gone(table, known)], pa.bool_())
        yield from table.filter(stays).select(schema.names).cast(schema).to_batches()


def _largest_group(store: Path) -> int:
    """Rows of a row group as they were written: one lookup reads a whole one."""
    import pyarrow.parquet as pq

    footers = [pq.read_metadata(path) for path in store.glob("*.parquet")]
    groups = [footer.row_group(at).num_rows for footer in footers for at in range(footer.num_row_groups)]
    return max(groups, default=GROUP)


def _vacuum(store: Path) -> None:
    """Remove the files that hold deleted rows now. What other processes are writing is in no log entry yet, and stays."""
    from deltalake import DeltaTable

    DeltaTable(str(store)).vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)


def _shorten_log(store: Path) -> None:
    """Put a summary in the place of the log entries before the newest: they quote the first and the last text of each file
    that there was. Without the newest entry Delta would append no more."""
    from deltalake import DeltaTable

    table = DeltaTable(str(store))
    table.create_checkpoint()
    newest = table.version()
    for path in (store / LOG).iterdir():
        number = path.name[:20]
        if number.isdigit() and int(number) < newest:
            path.unlink()


def _unreferenced(store: Path, known: Known) -> None:
    """Files of writers that were killed."""
    from deltalake import DeltaTable

    named = {Path(unquote(uri)).name for uri in DeltaTable(str(store)).file_uris()}
    for path in store.glob("*.parquet"):
        if path.name not in named and in_file(path, known.needles):
            path.unlink()


def _gone(table: "pa.Table", known: Known) -> list[bool]:
    """Which rows hold a key, a name or a quotation of the documents."""
    gone = [False] * table.num_rows
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if not _tells(name, column, known):
            continue
        for row in range(table.num_rows):
            gone[row] = gone[row] or _tells(name, column.slice(row, 1), known)
    return gone


def _tells(name: str, column: "pa.Array | pa.ChunkedArray", known: Known) -> bool:
    import pyarrow as pa

    array = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
    if any(_named(field, values, known) for field, values in _leaves(name, array)):
        return True
    return any(known.needles.within(BETWEEN.join(cells)) for cells in texts_in(array))


def _named(name: str, values: "pa.Array", known: Known) -> bool:
    if name not in BY_KEY:
        return False
    sets = {"bytes": known.blobs | known.shared_blobs, "documents": {doc_id for _, doc_id in known.gone}}
    wanted = sets.get(BY_KEY[name]) or getattr(known, BY_KEY[name], frozenset())
    return bool(wanted) and not wanted.isdisjoint(values.to_pylist())


def _leaves(name: str, array: "pa.Array") -> "Iterator[tuple[str, pa.Array]]":
    """(field, its values) of a column and of what is nested in it."""
    import pyarrow as pa

    if pa.types.is_struct(array.type):
        for field, values in zip(array.type, array.flatten(), strict=True):
            yield from _leaves(field.name, values)
    elif pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        yield from _leaves(name, array.flatten())
    elif pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        yield name, array


def _names(store: Path) -> str:
    names = []
    with suppress(OSError, ValueError):
        names = sorted(path.name for path in store.glob("*.parquet"))
    return digest(json.dumps(names))
