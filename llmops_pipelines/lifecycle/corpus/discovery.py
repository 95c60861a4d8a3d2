"""The `discover` stage: what one source holds now, as asset raw_documents/<source>. Fails closed when much is gone.

The bytes of each file are kept once, in lake.root/blobs, named by their sha256.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..lake import DamagedVersion, digest, files
from .forgotten import Forgotten
from .looks import LastLook
from .sources import CorpusError, Found, Listing, UnreadableFile, look

if TYPE_CHECKING:
    from llmops_pipelines.config.documents import Cleaning, Source

    from ..lake import Draft, Lake, Version

CODE = "discover 2"
ASSET = "raw_documents"
KEPT_BYTES = 256 * 2**20  # larger files are listed and quarantined; their bytes are not copied
READERS = 8  # files that are read at once: remote places answer slowly

Secrets = Callable[[str], str | None]


@dataclass(frozen=True, order=True)
class Raw:
    """A row of raw_documents. `blob` is empty when the file could not be read; a deleted file keeps its last one."""

    uri: str
    suffix: str
    size: int
    blob: str
    rows: bool  # a bucket of rows of a table: its documents are named by their row ids alone
    deleted: bool


def no_secrets(name: str) -> None:
    return None


def discover(lake: "Lake", source: "Source", cleaning: "Cleaning", project: Path, secrets: Secrets = no_secrets) -> "Version":
    """List a source and keep the bytes of what is new in it. Asset raw_documents/<source>, sorted by uri.

    Raises `CorpusError` when the place is missing or cannot be listed, when it holds nothing, or when more than
    `cleaning.stop_when_deleted_above` of the current version is gone. The current version stays as it is.
    """
    asset = f"{ASSET}/{source.name}"
    current = _current(lake, asset)
    if source.paused and current:
        return current
    last, forgotten = LastLook.of(lake, asset), Forgotten.of(lake)
    listing = _listed(lake, source, project, secrets, last)
    identity = _identity(source, listing.files, forgotten)
    if current and identity and (last.identity, last.fingerprint) == (identity, current.fingerprint):
        return current
    lake.keep_bytes()  # from here on no clean-up takes bytes that no version names yet
    blobs, read = _blobs(lake, source.name, listing.files, last, forgotten)
    live = [Raw(f.uri, f.suffix, f.size, blob, f.rows, False) for f, blob in zip(listing.files, blobs, strict=True)]
    snapshot = digest([[raw.uri, raw.blob] for raw in live])
    trusted = current or _newest_intact(lake, source.name, cleaning, snapshot)
    before = [Raw(**row) for row in trusted.table().to_pylist()] if trusted else []
    _stop_when_much_is_gone(source.name, live, before, cleaning, snapshot)
    _stop_when_rows_are_gone(source.name, listing, trusted, cleaning, snapshot)
    names = {raw.uri for raw in live}
    gone = [Raw(raw.uri, raw.suffix, raw.size, raw.blob, raw.rows, True) for raw in before if raw.uri not in names]

    def write(draft: "Draft") -> None:
        draft.table(ASSET, _table(sorted([*live, *gone])))
        draft.json("source", _described(source))
        draft.facts.update(_facts(live, gone, before, snapshot))
        draft.facts.update(hashed=len(read), reused_hashes=len(live) - len(read), **listing.counts)

    for folder in {blob_path(lake, blob).parent for blob in read if blob}:
        files.sync_directory(folder)  # the version must not outlive the bytes that it names
    config = {"source": _described(source), "rows": digest([vars(raw) for raw in sorted([*live, *gone])])}
    config |= forgotten.entering()
    version = lake.once(asset, code=CODE, config=config, parents=[], write=write)
    last.replace(identity, version.fingerprint, listing.files, blobs, listing.state)
    return version


@dataclass(frozen=True)
class Glance:
    """A source as a look at names, sizes and times sees it; no file is opened."""

    files: int
    identity: str


def glance(lake: "Lake", source: "Source", project: Path, secrets: Secrets = no_secrets) -> Glance:
    """What a sensor compares from look to look. Raises `CorpusError` like `discover`."""
    listing = _listed(lake, source, project, secrets, LastLook.of(lake, f"{ASSET}/{source.name}"))
    return Glance(len(listing.files), digest([[file.uri, file.stamp] for file in listing.files]))


def blob_path(lake: "Lake", blob: str) -> Path:
    return lake.root / "blobs" / blob[:2] / blob


def _listed(lake: "Lake", source: "Source", project: Path, secrets: Secrets, last: LastLook) -> Listing:
    listing = look(source, project, secrets=secrets, known=last.known, cache=lake.root / "mirrors", before=last.state)
    if not listing.files:
        raise CorpusError(
            f"source {source.name}: nothing there matches {', '.join(source.include)}; nothing was changed, "
            "mend the place or the source and run again"
        )
    return listing


def _described(source: "Source") -> dict[str, Any]:
    """What is said of a source and travels with its texts; where it lies is no property of them."""
    columns = source.columns.model_dump() if source.columns else None
    said = {name: getattr(source, name) for name in ("licence", "language", "consent", "trust")}
    return {"name": source.name, "columns": columns, "access": sorted(set(source.access)), **said}


def _identity(source: "Source", found: tuple[Found, ...], forgotten: Forgotten) -> str:
    """Empty, which equals nothing, while a file changed so recently that it may change again unseen."""
    if not all(file.settled for file in found):
        return ""
    said = [CODE, _described(source), [[file.uri, file.stamp] for file in found]]
    return digest([*said, forgotten.entering()] if forgotten else said)


def _blobs(
    lake: "Lake", source: str, found: tuple[Found, ...], last: LastLook, forgotten: Forgotten
) -> tuple[list[str], list[str]]:
    """sha256 of each file ("" when unreadable or erased), and of those that were read. Unchanged files are known by their
    stamp."""
    from concurrent.futures import ThreadPoolExecutor

    blobs: list[str] = []
    unknown: list[int] = []
    for place, file in enumerate(found):
        seen = last.known(file.uri)
        same = bool(seen and seen.stamp == file.stamp and seen.blob and blob_path(lake, seen.blob).is_file())
        blobs.append(seen.blob if seen and same else "")
        if not same and not forgotten.must_not_keep(source, file.uri):
            unknown.append(place)
    with ThreadPoolExecutor(READERS) as readers:
        for place, blob in zip(unknown, readers.map(lambda place: _keep(lake, found[place], forgotten), unknown), strict=True):
            blobs[place] = blob
    return blobs, [blobs[place] for place in unknown]


def _keep(lake: "Lake", file: Found, forgotten: Forgotten) -> str:
    if file.size > KEPT_BYTES:
        return ""
    try:
        data = file.read()
    except UnreadableFile:
        return ""
    blob = hashlib.sha256(data).hexdigest()
    path = blob_path(lake, blob)
    if not path.is_file() and blob not in forgotten.blobs:
        files.write_once(path, data, settle=False)
    return blob


def _current(lake: "Lake", asset: str) -> "Version | None":
    """The current version; None also when it is damaged: then everything is read again, which is how it is repaired."""
    try:
        return lake.current(asset)
    except DamagedVersion:
        return None


def _newest_intact(lake: "Lake", name: str, cleaning: "Cleaning", snapshot: str) -> "Version | None":
    """What to compare with when the current version is damaged: without it, nothing would look gone."""
    asset = f"{ASSET}/{name}"
    if not lake.current_fingerprint(asset):
        return None
    if intact := lake.versions(asset):
        return max(intact, key=lambda each: each.path.stat().st_mtime_ns)
    if cleaning.allow_deletions_in == snapshot:
        return None
    raise CorpusError(
        f"source {name}: the last version is damaged and none before it is intact, so that nobody can tell what is gone; "
        f"nothing was changed, and when all that belongs to it is there now, set cleaning.allow_deletions_in: {snapshot}"
    )


def _stop_when_much_is_gone(name: str, live: list[Raw], before: list[Raw], cleaning: "Cleaning", snapshot: str) -> None:
    """A file that was readable and is not any more counts as gone: a failing disk must not empty the index."""
    readable = {raw.uri for raw in live if raw.blob}
    had = [raw for raw in before if not raw.deleted and raw.blob]
    gone = [raw for raw in had if raw.uri not in readable]
    if not gone or len(gone) <= cleaning.stop_when_deleted_above * len(had) or cleaning.allow_deletions_in == snapshot:
        return
    raise CorpusError(
        f"source {name}: {len(gone)} of {len(had)} documents of the last version are gone or unreadable, {len(live)} files "
        f"are there now; more than {cleaning.stop_when_deleted_above:.0%} at once stops the run, and the last version stays "
        f"in use; when the deletion is wanted, set cleaning.allow_deletions_in: {snapshot}"
    )


def _stop_when_rows_are_gone(
    name: str, listing: Listing, before: "Version | None", cleaning: "Cleaning", snapshot: str
) -> None:
    """The buckets of a table stay when its rows go, so its rows are counted."""
    had, now = before.facts.get("rows", 0) if before else 0, listing.counts.get("rows", 0)
    if had - now <= cleaning.stop_when_deleted_above * had or cleaning.allow_deletions_in == snapshot:
        return
    raise CorpusError(
        f"source {name}: {now} rows are there now, {had} were; more than {cleaning.stop_when_deleted_above:.0%} fewer at once "
        f"stops the run, and the last version stays in use; when that is wanted, set cleaning.allow_deletions_in: {snapshot}"
    )


def _facts(live: list[Raw], gone: list[Raw], before: list[Raw], snapshot: str) -> dict[str, Any]:
    had = {raw.uri: raw.blob for raw in before if not raw.deleted}
    return {
        "files": len(live),
        "bytes": sum(max(raw.size, 0) for raw in live),
        "unreadable": sum(not raw.blob for raw in live),
        "deleted": len(gone),
        "added": sum(raw.uri not in had for raw in live),
        "changed": sum(had.get(raw.uri, raw.blob) != raw.blob for raw in live),
        "removed": sum(raw.uri in had for raw in gone),
        "snapshot": snapshot,
    }


def _table(rows: list[Raw]):
    import pyarrow as pa

    kinds = {"size": pa.int64(), "rows": pa.bool_(), "deleted": pa.bool_()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in Raw.__dataclass_fields__])
    columns = {name: [getattr(row, name) for row in rows] for name in schema.names}
    return pa.table(columns, schema=schema)
