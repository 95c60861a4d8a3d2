"""A Delta table: the rows of its current version in buckets. An unchanged version is not scanned again."""

import os
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ...lake import digest
from ..sources import CorpusError, Found, Listing, Memory, UnreadableFile
from . import buckets
from .folder import local
from .remote import is_remote, masked

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from llmops_pipelines.config.documents import Source

SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss", "adl")  # addresses that deltalake opens by itself


def is_table(source: "Source", project: Path) -> bool:
    """Whether the path is a Delta table. An address is asked only when columns are named: it costs a request."""
    path = source.path or ""
    if not is_remote(path):
        return (project / local(path) / "_delta_log").is_dir()
    if source.columns is None or path.partition("://")[0] not in SCHEMES:
        return False
    from deltalake import DeltaTable

    try:
        return DeltaTable.is_deltatable(path)
    except Exception as error:  # object stores have many errors; none of them may pass for "no table"
        raise _unreadable(source, error) from None  # here and below: it may hold the address with its password


def look(
    source: "Source", project: Path, *, known: Memory, cache: Path, before: dict[str, Any], version: int | None = None
) -> Listing:
    """Buckets of the rows. `before` says which version the last look saw, and in how many buckets."""
    from deltalake import DeltaTable

    if source.columns is None:
        raise CorpusError(
            f"source {source.name}: {_where(source)} is a Delta table; say columns: which is the id, which the text"
        )
    try:
        table = DeltaTable(_address(source, project), version=version)
        _stays_inside(source, table, project)
        seen = {
            "table": str(table.metadata().id),
            "version": table.version(),
            "columns": digest([buckets.CODE, source.columns.model_dump()]),
        }
        if version is None and (same := _unchanged(source, project, seen, known, cache, before)):
            return same
        rows = _rows(source, table, cache)
    except CorpusError:
        raise
    except Exception as error:  # deltalake, its query engine and object stores each have their own errors
        raise _unreadable(source, error) from None
    listing, bits = rows.listing(int(before.get("bits", 0)))
    state = {**seen, "bits": bits, "rows": rows.rows, "buckets": len(listing.files)}
    return Listing(listing.files, listing.counts, state)


def _address(source: "Source", project: Path) -> str:
    path = source.path or ""
    return path if is_remote(path) else os.path.realpath(project / local(path))


def _where(source: "Source") -> str:
    return masked(source.path or "")


def _unreadable(source: "Source", error: Exception) -> CorpusError:
    said = masked(" ".join(str(error).split()))[:200] or type(error).__name__
    return CorpusError(
        f"source {source.name}: the Delta table {_where(source)} cannot be read completely ({said}); "
        "nothing was changed, mend the table and run again"
    )


def _stays_inside(source: "Source", table: "DeltaTable", project: Path) -> None:
    """The log of a table may name any file of the machine, by its path or through a link."""
    if is_remote(source.path):
        return
    root = _address(source, project)
    for uri in table.file_uris():
        path = os.path.realpath(unquote(urlsplit(uri).path) if "://" in uri else uri)
        if not path.startswith(root + os.sep):
            raise CorpusError(
                f"source {source.name}: the Delta table {_where(source)} names a file outside its folder; copy it in"
            )


def _unchanged(
    source: "Source", project: Path, seen: dict[str, Any], known: Memory, cache: Path, before: dict[str, Any]
) -> Listing | None:
    """The last listing again, when it is of this version and each of its buckets is still known."""
    if any(before.get(name) != value for name, value in seen.items()):
        return None
    scan = _Scan(source, project, cache, before)
    stamps = {number: known(buckets.uri(number)) for number in range(2 ** int(before["bits"]))}
    files = tuple(
        buckets.found(source.name, number, one.stamp, partial(scan.read, buckets.uri(number)))
        for number, one in stamps.items()
        if one
    )
    return Listing(files, {"rows": before["rows"]}, before) if len(files) == before["buckets"] else None


class _Scan:
    """Reads the table only when somebody wants bytes that should have been kept."""

    def __init__(self, source: "Source", project: Path, cache: Path, before: dict[str, Any]) -> None:
        self._source, self._project, self._cache, self._before = source, project, cache, before
        self._files: dict[str, Found] | None = None
        self._lock = Lock()

    def read(self, uri: str) -> bytes:
        with self._lock:
            if self._files is None:
                self._files = {found.uri: found for found in self._listed()}
        if uri not in self._files:
            raise UnreadableFile("is not in the table")
        return self._files[uri].read()

    def _listed(self) -> tuple[Found, ...]:
        try:
            return look(
                self._source,
                self._project,
                known=lambda _: None,
                cache=self._cache,
                before=self._before,
                version=self._before["version"],
            ).files
        except CorpusError as error:
            raise UnreadableFile(str(error)) from error


def _rows(source: "Source", table: "DeltaTable", cache: Path) -> buckets.Buckets:
    import pyarrow as pa
    from deltalake import QueryBuilder

    wanted = buckets.named(source, [field.name for field in table.schema().fields])
    taken = list(dict.fromkeys(filter(None, wanted)))
    quoted = ", ".join('CAST("{0}" AS VARCHAR) AS "{0}"'.format(name.replace('"', '""')) for name in taken)
    reader = QueryBuilder().register("documents", table).execute(f"SELECT {quoted} FROM documents")
    rows = buckets.Buckets(source.name, cache)
    for batch in pa.RecordBatchReader.from_stream(reader):
        rows.add(*(batch.column(name).to_pylist() if name else [None] * batch.num_rows for name in wanted))
    return rows
