"""Reading tables for what must be forgotten: versions of any age, and Delta tables file by file."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.lake import Version

if TYPE_CHECKING:
    import pyarrow as pa

AT_ONCE = 65_536  # rows


def rows_of(version: Version, table: str, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of a table that older versions may lack, or write without a column."""
    import pyarrow.parquet as pq

    path = version.file(f"{table}.parquet")
    if not path.is_file():
        return
    with pq.ParquetFile(path) as file:
        if set(columns) <= set(file.schema_arrow.names):
            for batch in file.iter_batches(batch_size=AT_ONCE, columns=columns):
                yield from batch.to_pylist()


def batches_of(folder: Path, columns: list[str] | None = None) -> "Iterator[pa.Table]":
    """The files of a Delta table, one after the other."""
    yield from tables_of(files_of(folder), columns)


def files_of(folder: Path) -> list[str]:
    from urllib.parse import unquote

    from deltalake import DeltaTable

    return sorted(map(unquote, DeltaTable(str(folder)).file_uris())) if (folder / "_delta_log").is_dir() else []


def tables_of(paths: list[str], columns: list[str] | None = None) -> "Iterator[pa.Table]":
    import pyarrow.parquet as pq

    for path in paths:
        with pq.ParquetFile(path) as file:
            yield file.read(columns)


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    for table in batches_of(folder, ["content_hash", "text"]):
        yield from zip(table.column("content_hash").to_pylist(), table.column("text").to_pylist(), strict=True)


def parsed_texts(folder: Path, blobs: set[str]) -> Iterator[str]:
    for table in batches_of(folder, ["blob", "texts"]):
        for blob, pieces in zip(table.column("blob").to_pylist(), table.column("texts").to_pylist(), strict=True):
            if blob in blobs:
                yield from (piece["text"] for piece in pieces)
