"""A version being written: its tables, JSON and files go into a staging folder that nobody sees until it is complete."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import files
from .digests import digest, file_digest
from .seals import sealed

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST = "manifest.json"
GROUP = 65_536  # rows of a Parquet row group


@dataclass
class Draft:
    """A version being written, invisible until complete. Files marked `data=False` (timings, logs, engine files) are
    protected by the manifest like all others but do not make a different version when they differ."""

    path: Path
    fingerprint: str
    facts: dict[str, Any] = field(default_factory=dict)
    aside: set[str] = field(default_factory=set)
    amounts: dict[str, float] = field(default_factory=dict)

    def table(self, name: str, table, *, data: bool = True) -> None:
        """Write a `pyarrow.Table` as `<name>.parquet` with page checksums."""
        import pyarrow.parquet as pq

        pq.write_table(table, self.file(f"{name}.parquet", data=data), compression="zstd", write_page_checksum=True)

    @contextmanager
    def writer(self, name: str, schema: "pa.Schema", *, data: bool = True) -> "Iterator[Callable[[Any], None]]":
        """Write `<name>.parquet` batch by batch: `with draft.writer(...) as write: write(batch)`. Batches may be of any size.

        Row groups have a fixed number of rows, so that equal rows make equal bytes however they were batched.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        waiting: list[Any] = []
        options = {"compression": "zstd", "write_page_checksum": True}
        with pq.ParquetWriter(self.file(f"{name}.parquet", data=data), schema, **options) as file:

            def write(rows: Any) -> None:
                waiting.append(pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows)
                if sum(each.num_rows for each in waiting) >= GROUP:
                    flush(last=False)

            def flush(*, last: bool) -> None:
                table = pa.concat_tables(waiting).combine_chunks() if waiting else schema.empty_table()
                whole = table.num_rows if last else table.num_rows // GROUP * GROUP
                file.write_table(table.slice(0, whole), row_group_size=GROUP)
                waiting[:] = [table.slice(whole)]

            yield write
            flush(last=True)

    def json(self, name: str, value: Any, *, data: bool = True) -> None:
        self.file(f"{name}.json", data=data).write_bytes(files.to_json(value))

    def file(self, name: str, *, data: bool = True) -> Path:
        """Path for a file or directory that the caller fills."""
        if not data:
            self.aside.add(name)
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def spent(self, **amounts: float) -> None:
        """Say what this work took besides time: `tokens`, `gpu_seconds`. Added to what was said before."""
        for name, amount in amounts.items():
            self.amounts[name] = self.amounts.get(name, 0) + amount

    def seal(self, *, made: dict[str, Any], **identity: Any) -> dict[str, Any]:
        """Hash every file and write the manifest, last. `made` says when, by whom and with what effort."""
        names = sorted(p.relative_to(self.path).as_posix() for p in self.path.rglob("*") if p.is_file())
        with ThreadPoolExecutor() as threads:
            hashes = dict(zip(names, threads.map(lambda name: file_digest(self.path / name), names), strict=True))
        data = {n: h for n, h in hashes.items() if n not in self.aside and n.split("/")[0] not in self.aside}
        aside = sorted(hashes.keys() - data.keys())
        said = {**identity, "files": hashes, "aside": aside, "digest": digest(data), "facts": self.facts}
        manifest = sealed({**said, "made": made | self.amounts})
        (self.path / MANIFEST).write_bytes(files.to_json(manifest))
        return manifest
