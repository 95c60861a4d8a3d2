"""The `discover` stage: what the sources hold now, as asset raw_documents. Fails closed when much of it has disappeared.

The bytes of each file are kept once, in lake.root/blobs, named by their sha256.
"""

import hashlib
import time
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..lake import DamagedVersion, digest, files
from .sources import CorpusError, Found, Listing, UnreadableFile, list_files, printable, read_steady

if TYPE_CHECKING:
    from llmops_pipelines.config.pipeline import Cleaning, Source

    from ..lake import Draft, Lake, Version

CODE = "discover 1"
ASSET = "raw_documents"
KEPT_BYTES = 256 * 2**20  # larger files are listed and quarantined; their bytes are not copied
SETTLED_NS = 2 * 10**9  # times on disks are coarse: a file that changed this recently may change again unseen


@dataclass(frozen=True, order=True)
class Raw:
    """A row of raw_documents. `blob` is empty when the file could not be read; a deleted file keeps its last one."""

    source: str
    uri: str
    suffix: str
    size: int
    blob: str
    licence: str
    deleted: bool


def discover(lake: "Lake", sources: "list[Source]", cleaning: "Cleaning", project: Path) -> "Version":
    """List all sources and keep the bytes of new files. Asset raw_documents, sorted by source and uri.

    Raises `CorpusError` when a folder is missing or cannot be listed, when a source has no file, or when more than
    `cleaning.stop_when_deleted_above` of the files of the current version are gone. The current version stays as it is.
    """
    listings = _list_all(sources, project)
    found = [file for listing in listings for file in listing.files]
    stamps = {file: digest([printable(str(file.root)), printable(file.inside), file.stamp]) for file in found}
    settled = [file for file in found if _settled(file)]  # as it was before their bytes are read
    blobs, hashed = _blobs(lake, found, stamps)
    licences = {source.name: source.licence for source in sources}
    live = [Raw(f.source, f.uri, Path(f.uri).suffix.lower(), f.size, blobs[f], licences[f.source], False) for f in found]
    before = _previous(lake)
    snapshot = digest(sorted((raw.source, raw.uri, raw.blob) for raw in live))
    _stop_when_much_is_gone(live, before, cleaning, snapshot)
    names = {(raw.source, raw.uri) for raw in live}
    gone = [Raw(*astuple(raw)[:-1], True) for raw in before if (raw.source, raw.uri) not in names]
    rows = sorted([*live, *gone])

    def write(draft: "Draft") -> None:
        draft.table(ASSET, _table(rows))
        draft.table("stamps", _stamp_table({stamps[file]: blobs[file] for file in settled if blobs[file]}), data=False)
        draft.facts.update(_facts(live, gone, before, snapshot))
        draft.facts.update(hashed=hashed, reused_hashes=len(found) - hashed)
        draft.facts["links_not_followed"] = sum(listing.links_not_followed for listing in listings)
        draft.facts["not_regular_files"] = sum(listing.not_regular for listing in listings)

    return lake.once(ASSET, code=CODE, config={"rows": digest([astuple(row) for row in rows])}, parents=[], write=write)


@dataclass(frozen=True)
class Glance:
    """The sources as a look at names, sizes and times sees them; no file is opened."""

    files: int
    identity: str


def glance(sources: "list[Source]", project: Path) -> Glance:
    """What a sensor compares from look to look. Raises `CorpusError` like `discover`."""
    found = [file for listing in _list_all(sources, project) for file in listing.files]
    return Glance(len(found), digest([[file.source, file.uri, file.stamp] for file in found]))


def blob_path(lake: "Lake", blob: str) -> Path:
    return lake.root / "blobs" / blob[:2] / blob


def _list_all(sources: "Iterable[Source]", project: Path) -> list[Listing]:
    listings, problems = [], []
    for source in sources:
        try:
            listing = list_files(source, project)
        except CorpusError as error:
            problems.append(str(error))
            continue
        if not listing.files:
            problems.append(f"source {source.name}: no file in {project / source.path} matches {', '.join(source.include)}")
        listings.append(listing)
    if problems:
        raise CorpusError("; ".join(problems) + "; nothing was changed, mend the folder or the source and run again")
    return listings


def _blobs(lake: "Lake", found: list[Found], stamps: dict[Found, str]) -> tuple[dict[Found, str], int]:
    """sha256 of each file ("" when unreadable), and how many were read for it. Unchanged files are known by their stamp.

    The stamps of the current version come first, because the store (stamps of all times: files may be touched, or moved
    back) takes longer to open.
    """
    current = _current(lake)
    blobs = _kept(lake, stamps, {row["stamp"]: row["blob"] for row in current.table("stamps").to_pylist()} if current else {})
    if len(blobs) == len(found):
        return blobs, 0
    seen = lake.store("seen_files", "v1", "stamp")
    rest = {file: stamp for file, stamp in stamps.items() if file not in blobs}
    new = set(seen.missing(rest.values()))
    if known := [stamp for stamp in rest.values() if stamp not in new]:
        rows = seen.take(known).to_pylist()
        blobs.update(_kept(lake, rest, {row["stamp"]: row["blob"] for row in rows}))
    hashed = [file for file in found if file not in blobs]
    settled = [file for file in hashed if stamps[file] in new and _settled(file)]  # as it was before they are read
    blobs.update((file, _keep(lake, file)) for file in hashed)
    if settled := [file for file in settled if blobs[file]]:
        seen.append(_stamp_table({stamps[file]: blobs[file] for file in settled}))
    return blobs, len(hashed)


def _kept(lake: "Lake", stamps: dict[Found, str], known: dict[str, str]) -> dict[Found, str]:
    """Files whose stamp is known and whose bytes are still in the lake."""
    blobs = {file: known.get(stamp, "") for file, stamp in stamps.items()}
    return {file: blob for file, blob in blobs.items() if blob and blob_path(lake, blob).is_file()}


def _settled(file: Found) -> bool:
    return file.changed_ns < time.time_ns() - SETTLED_NS


def _keep(lake: "Lake", file: Found) -> str:
    if file.size > KEPT_BYTES:
        return ""
    try:
        data = read_steady(file)
    except UnreadableFile:
        return ""
    blob = hashlib.sha256(data).hexdigest()
    path = blob_path(lake, blob)
    if not path.is_file():
        files.write_once(path, data)
    return blob


def _current(lake: "Lake") -> "Version | None":
    """The current version; None also when it is damaged: then everything is read again, which is how it is repaired."""
    try:
        return lake.current(ASSET)
    except DamagedVersion:
        return None


def _previous(lake: "Lake") -> list[Raw]:
    current = _current(lake)
    return [Raw(**row) for row in current.table().to_pylist()] if current else []


def _stop_when_much_is_gone(live: list[Raw], before: list[Raw], cleaning: "Cleaning", snapshot: str) -> None:
    """A file that was readable and is not any more counts as gone: a failing disk must not empty the index."""
    readable = {(raw.source, raw.uri) for raw in live if raw.blob}
    had = [raw for raw in before if not raw.deleted and raw.blob]
    gone = [raw for raw in had if (raw.source, raw.uri) not in readable]
    if not gone or len(gone) <= cleaning.stop_when_deleted_above * len(had) or cleaning.allow_deletions_in == snapshot:
        return
    raise CorpusError(
        f"{len(gone)} of {len(had)} documents of the last version are gone or unreadable, {len(live)} files are there now; "
        f"more than {cleaning.stop_when_deleted_above:.0%} at once stops the run, and the last version stays in use; "
        f"when the deletion is wanted, set cleaning.allow_deletions_in: {snapshot}"
    )


def _facts(live: list[Raw], gone: list[Raw], before: list[Raw], snapshot: str) -> dict[str, Any]:
    had = {(raw.source, raw.uri): raw.blob for raw in before if not raw.deleted}
    return {
        "files": len(live),
        "bytes": sum(raw.size for raw in live),
        "unreadable": sum(not raw.blob for raw in live),
        "deleted": len(gone),
        "added": sum((raw.source, raw.uri) not in had for raw in live),
        "changed": sum(had.get((raw.source, raw.uri), raw.blob) != raw.blob for raw in live),
        "removed": sum((raw.source, raw.uri) in had for raw in gone),
        "snapshot": snapshot,
    }


def _stamp_table(blobs: dict[str, str]):
    import pyarrow as pa

    schema = pa.schema([("stamp", pa.string()), ("blob", pa.string())])
    return pa.table({"stamp": list(blobs), "blob": list(blobs.values())}, schema=schema)


def _table(rows: list[Raw]):
    import pyarrow as pa

    kinds = {"size": pa.int64(), "deleted": pa.bool_()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in Raw.__dataclass_fields__])
    return pa.Table.from_pylist([dict(zip(Raw.__dataclass_fields__, astuple(row), strict=True)) for row in rows], schema=schema)
