"""Versions: the immutable, verified outputs of steps. One directory each, its manifest written last, found by fingerprint.

`Lake.once` is the heart of "nothing is done twice": a step whose fingerprint was published before returns that version.
"""

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import files, stamps
from .digests import canonical_json, file_digest, fingerprint
from .drafts import MANIFEST, Draft
from .effort import Effort
from .refusal import Refusal
from .retention import hold
from .seals import is_intact
from .stores import Store

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH = 8_192  # rows that are read at once


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

    @property
    def seal(self) -> str:
        """sha256 of the manifest, repeated by what is made from this version; empty for versions of earlier releases."""
        return self.manifest.get("seal", "")

    @property
    def config(self) -> Any:
        """The settings that entered the fingerprint, as plain JSON; None for versions of earlier releases."""
        return self.manifest.get("config")

    @property
    def made(self) -> dict[str, Any]:
        """When (`at`) and in which Dagster run (`run`) this was written, and what it took: `seconds`, `cpu_seconds` and, where
        the step says so, `gpu_seconds` and `tokens`. Empty for versions of earlier releases."""
        return self.manifest.get("made", {})

    @property
    def noun(self) -> str:
        """What the asset's own table is called: 'raw_documents' of the asset 'raw_documents/handbook'."""
        return self.asset.split("/")[0]

    def table(self, name: str | None = None, columns: list[str] | None = None):
        """The Parquet table `name` (default: the asset's own) as a `pyarrow.Table`."""
        with self._parquet(name) as file:
            return file.read(columns)  # unlike `read_table`, this does not import pandas (0.2 s)

    def batches(
        self, name: str | None = None, columns: list[str] | None = None, rows: int = BATCH
    ) -> "Iterator[pa.RecordBatch]":
        """The same table as record batches of at most `rows` rows, for tables that need not fit into memory."""
        with self._parquet(name) as file:
            yield from file.iter_batches(batch_size=rows, columns=columns)

    def rows(self, name: str | None = None) -> int:
        """Number of rows of that table; nothing of it is read."""
        with self._parquet(name) as file:
            return file.metadata.num_rows

    def _parquet(self, name: str | None) -> "pq.ParquetFile":
        import pyarrow.parquet as pq

        return pq.ParquetFile(self.file(f"{name or self.noun}.parquet"), page_checksum_verification=True)

    def outline(self, name: str | None = None, rows: int = 5) -> Outline | None:
        """Size, columns and first rows of the table `name` (default: the asset's own), None if there is no such table."""
        file = f"{name or self.noun}.parquet"
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


@dataclass(frozen=True)
class Lake:
    """All versions and stores of one pipeline below `root`. `run` is the Dagster run that writes, for the record."""

    root: Path
    pipeline: str
    run: str = ""

    @cached_property
    def _held(self) -> dict[Path, int]:
        """Versions that this process has opened and trusts, each with the descriptor that keeps a clean-up away."""
        return {}

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
        known = {parent.asset: parent for parent in parents}
        read = {name: parent.digest for name, parent in known.items()}
        identity = fingerprint(code, config, read)
        if found := self.find(asset, identity):
            return found
        staging = self._folder(asset) / "staging" / f"{identity[:16]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        staging.mkdir(parents=True)
        held, effort = hold(staging), Effort()  # a clean-up leaves it alone
        try:
            draft = Draft(staging, identity)
            write(draft)
            manifest = draft.seal(
                pipeline=self.pipeline,
                asset=asset,
                fingerprint=identity,
                code=code,
                config=json.loads(canonical_json(config)),
                parents=read,
                seals={name: parent.seal for name, parent in known.items()},
                made=effort.so_far() | {"run": self.run},
            )
            final = self._home(asset, identity)
            published = files.publish_directory(staging, final)
        except BaseException:
            os.close(held)
            shutil.rmtree(staging, ignore_errors=True)
            raise
        if not published:
            os.close(held)
            return self._open(asset, final)
        self._held[final] = held  # the lock moved along with the directory
        version = Version(self.pipeline, asset, final, manifest, reused=False)
        stamps.note(version)
        return version

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
        fingerprint = self.current_fingerprint(asset)
        return self._open(asset, self._home(asset, fingerprint)) if fingerprint else None

    def current_fingerprint(self, asset: str) -> str | None:
        pointer = self._folder(asset) / "current.json"
        return json.loads(pointer.read_text("utf-8"))["fingerprint"] if pointer.is_file() else None

    def point(self, version: Version) -> None:
        """Make `version` the current one of its asset."""
        files.replace(
            self._folder(version.asset) / "current.json",
            files.to_json({"fingerprint": version.fingerprint, "digest": version.digest}),
        )

    def unpoint(self, asset: str) -> None:
        """Leave the asset without a current version: the newest attempt at it failed, and the one before is not of now."""
        (self._folder(asset) / "current.json").unlink(missing_ok=True)

    def aside(self, name: str) -> "Lake":
        """A lake beside this one for what is only tried: the same stores, versions of its own, all of which may be removed."""
        return Lake(self.root, f"{self.pipeline}~{name}", self.run)

    def desk(self, asset: str, name: str) -> Path:
        """A file beside the versions of an asset, for what makes the next run faster; everything works without it."""
        return self._folder(asset) / name

    def parent(self, version: Version, asset: str) -> Version:
        """The version of `asset` that `version` was made from. Raises `DamagedVersion` when it is gone."""
        wanted = version.parents[asset]
        for found in self.manifests(asset):
            if found.digest == wanted:
                return self._open(asset, found.path)
        raise DamagedVersion(f"{version.asset} {version.digest[:12]} was made from {asset} {wanted[:12]}, which is gone")

    def versions(self, asset: str) -> list[Version]:
        """All complete versions of an asset, in no order; damaged ones are passed over."""
        found = []
        for each in self.manifests(asset):
            with suppress(DamagedVersion):
                found.append(self._open(asset, each.path))
        return found

    def distrust(self, version: Version) -> None:
        """Have the next process that opens `version` hash its files again; if they are damaged, it is built anew."""
        stamps.forget(version)

    def all_versions(self) -> Iterator[Version]:
        """Every complete version of every asset, unverified. A manifest that cannot be read is passed over."""
        folder = self.root / self.pipeline
        for versions in sorted(folder.rglob("versions")):
            yield from self.manifests(versions.parent.relative_to(folder).as_posix())

    def keep_bytes(self) -> None:
        """While this lake is open, no clean-up of any pipeline takes bytes of sources."""
        folder = self.root / "blobs"
        if folder not in self._held:
            folder.mkdir(parents=True, exist_ok=True)
            self._held[folder] = hold(folder)

    def close(self) -> None:
        """Let go of the versions that were opened: a clean-up may take them. For processes that live long, as sensors do."""
        while self._held:
            os.close(self._held.popitem()[1])

    def manifests(self, asset: str) -> Iterator[Version]:
        """Versions of an asset as their manifests tell of them, unverified; a manifest that cannot be read is passed over."""
        for manifest in sorted((self._folder(asset) / "versions").glob(f"*/{MANIFEST}")):
            if "." not in manifest.parent.name:  # set aside as damaged
                with suppress(OSError, ValueError):
                    yield Version(self.pipeline, asset, manifest.parent, json.loads(manifest.read_text("utf-8")))

    def _folder(self, asset: str) -> Path:
        return self.root / self.pipeline / asset

    def _home(self, asset: str, identity: str) -> Path:
        return self._folder(asset) / "versions" / identity[:32]

    def _open(self, asset: str, home: Path) -> Version:
        version = self._told(asset, home)
        if home not in self._held:
            held = hold(home)
            try:
                stamps.trust(version)
            except DamagedVersion:
                os.close(held)
                if self._told(asset, home).manifest == version.manifest:
                    raise
                return self._open(asset, home)  # it was exchanged for another one while it was looked at
            self._held[home] = held
        return version

    def _told(self, asset: str, home: Path) -> Version:
        """A version as its manifest tells of it."""
        try:
            manifest = json.loads((home / MANIFEST).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise DamagedVersion(f"{home / MANIFEST}: {error}") from error
        if not is_intact(manifest):
            raise DamagedVersion(f"{home / MANIFEST}: its seal does not match; it was edited")
        return Version(self.pipeline, asset, home, manifest)
