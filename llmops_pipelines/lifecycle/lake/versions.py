"""Versions: the immutable, verified outputs of steps. One directory each, its manifest written last, found by fingerprint.

`Lake.once` is the heart of "nothing is done twice": a step whose fingerprint was published before returns that version.
"""

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from . import files
from .digests import digest, file_digest, fingerprint
from .refusal import Refusal
from .stores import Store

MANIFEST = "manifest.json"


class DamagedVersion(Refusal):
    """A published file is missing or its bytes changed."""


@dataclass(frozen=True)
class Outline:
    """What a person wants to know about a table without reading it."""

    rows: int
    columns: dict[str, str]
    head: list[dict[str, Any]]


@dataclass(frozen=True)
class Version:
    """One published output of one asset. `digest` is the identity of its content and becomes Dagster's data version."""

    pipeline: str
    asset: str
    path: Path
    manifest: dict[str, Any]
    reused: bool = True

    @property
    def fingerprint(self) -> str:
        return self.manifest["fingerprint"]

    @property
    def digest(self) -> str:
        return self.manifest["digest"]

    @property
    def parents(self) -> dict[str, str]:
        return self.manifest["parents"]

    @property
    def facts(self) -> dict[str, Any]:
        """What a person wants to see: counts and scores as plain numbers and short strings."""
        return self.manifest["facts"]

    def table(self, name: str | None = None):
        """The Parquet table `name` (default: the asset's own) as a `pyarrow.Table`."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.file(f"{name or self.asset}.parquet"), page_checksum_verification=True) as file:
            return file.read()  # unlike `read_table`, this does not import pandas (0.2 s)

    def outline(self, name: str | None = None, rows: int = 5) -> Outline | None:
        """Size, columns and first rows of the table `name` (default: the asset's own), None if there is no such table."""
        file = f"{name or self.asset}.parquet"
        if not self.has(file):
            return None
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.file(file)) as table:
            head = next((batch.to_pylist() for batch in table.iter_batches(batch_size=rows)), [])
            columns = {column.name: str(column.type) for column in table.schema_arrow}
            return Outline(table.metadata.num_rows, columns, head)

    def json(self, name: str) -> Any:
        return json.loads(self.file(f"{name}.json").read_text("utf-8"))

    def file(self, name: str) -> Path:
        return self.path / name

    def has(self, name: str) -> bool:
        return name in self.manifest["files"]

    def verify(self) -> None:
        """Compare every file with the manifest. Raises `DamagedVersion` naming the first that differs."""
        for name, expected in self.manifest["files"].items():
            path = self.path / name
            if not path.is_file():
                raise DamagedVersion(f"{path}: missing")
            if (actual := file_digest(path)) != expected:
                raise DamagedVersion(f"{path}: sha256 is {actual[:12]}, the manifest says {expected[:12]}")


@dataclass
class Draft:
    """A version being written, invisible until complete. Files marked `data=False` (timings, logs, engine files) are
    protected by the manifest like all others but do not make a different version when they differ."""

    path: Path
    fingerprint: str
    facts: dict[str, Any] = field(default_factory=dict)
    aside: set[str] = field(default_factory=set)

    def table(self, name: str, table, *, data: bool = True) -> None:
        """Write a `pyarrow.Table` as `<name>.parquet` with page checksums."""
        import pyarrow.parquet as pq

        pq.write_table(table, self.file(f"{name}.parquet", data=data), compression="zstd", write_page_checksum=True)

    def json(self, name: str, value: Any, *, data: bool = True) -> None:
        self.file(f"{name}.json", data=data).write_bytes(files.to_json(value))

    def file(self, name: str, *, data: bool = True) -> Path:
        """Path for a file or directory that the caller fills."""
        if not data:
            self.aside.add(name)
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def seal(self, **identity: Any) -> dict[str, Any]:
        """Hash every file and write the manifest, last."""
        names = sorted(p.relative_to(self.path).as_posix() for p in self.path.rglob("*") if p.is_file())
        hashes = {name: file_digest(self.path / name) for name in names}
        data = {n: h for n, h in hashes.items() if n not in self.aside and n.split("/")[0] not in self.aside}
        written = files.to_json({**identity, "files": hashes, "digest": digest(data), "facts": self.facts})
        (self.path / MANIFEST).write_bytes(written)
        return json.loads(written)  # as every later reader sees it: numbers of NumPy have become plain ones


@dataclass(frozen=True)
class Lake:
    """All versions and stores of one pipeline below `root`."""

    root: Path
    pipeline: str

    @cached_property
    def _verified(self) -> set[Path]:
        return set()

    def store(self, name: str, identity: str, key: str) -> Store:
        """The append-only table of what `identity` (a parser, chunker, embedder fingerprint) made; shared by all pipelines."""
        return Store(self.root / "stores" / name / identity[:16], key)

    def once(
        self,
        asset: str,
        *,
        code: str,
        config: Any,
        parents: Iterable[Version],
        write: Callable[[Draft], None],
    ) -> Version:
        """Return the version of this fingerprint, writing it first if it does not exist or is damaged.

        `write` fills a draft; an exception in it leaves nothing visible. `parents` are the versions that it reads.
        """
        read = {parent.asset: parent.digest for parent in parents}
        identity = fingerprint(code, config, read)
        if found := self.find(asset, identity):
            return found
        staging = self._folder(asset) / "staging" / f"{identity[:16]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        staging.mkdir(parents=True)
        try:
            draft = Draft(staging, identity)
            write(draft)
            manifest = draft.seal(pipeline=self.pipeline, asset=asset, fingerprint=identity, code=code, parents=read)
            final = self._home(asset, identity)
            if not files.publish_directory(staging, final):
                return self._open(asset, final)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        self._verified.add(final)
        return Version(self.pipeline, asset, final, manifest, reused=False)

    def find(self, asset: str, identity: str) -> Version | None:
        """The verified version with this fingerprint, or None. A damaged one is set aside so that it is built again."""
        home = self._home(asset, identity)
        if not home.is_dir():
            return None
        try:
            return self._open(asset, home)
        except DamagedVersion:
            home.rename(home.with_name(f"{home.name}.damaged-{uuid.uuid4().hex[:8]}"))
            return None

    def read(self, asset: str, identity: str) -> Version:
        """The version with this fingerprint, for a reader: nothing is set aside. Raises `DamagedVersion`."""
        return self._open(asset, self._home(asset, identity))

    def current(self, asset: str) -> Version | None:
        """The version that the last materialization of `asset` produced."""
        pointer = self._folder(asset) / "current.json"
        if not pointer.is_file():
            return None
        return self._open(asset, self._home(asset, json.loads(pointer.read_text("utf-8"))["fingerprint"]))

    def point(self, version: Version) -> None:
        """Make `version` the current one of its asset."""
        files.replace(
            self._folder(version.asset) / "current.json",
            files.to_json({"fingerprint": version.fingerprint, "digest": version.digest}),
        )

    def versions(self, asset: str) -> list[Version]:
        """All complete versions of an asset, in no order."""
        homes = (self._folder(asset) / "versions").glob(f"*/{MANIFEST}")
        return [self._open(asset, manifest.parent) for manifest in homes if "." not in manifest.parent.name]

    def _folder(self, asset: str) -> Path:
        return self.root / self.pipeline / asset

    def _home(self, asset: str, identity: str) -> Path:
        return self._folder(asset) / "versions" / identity[:32]

    def _open(self, asset: str, home: Path) -> Version:
        try:
            manifest = json.loads((home / MANIFEST).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise DamagedVersion(f"{home / MANIFEST}: {error}") from error
        version = Version(self.pipeline, asset, home, manifest)
        if home not in self._verified:
            version.verify()
            self._verified.add(home)
        return version
