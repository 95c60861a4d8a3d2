"""What may be removed from a lake, and its removal. Nothing that somebody still needs is on the list.

Needed: the newest versions of each asset, the current one, what a release pins, all their parents, and whatever a process
has open (it holds a lock on the directory while it lives).
"""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .drafts import MANIFEST

if TYPE_CHECKING:
    from .versions import Lake, Version


@dataclass(frozen=True)
class Removable:
    """A directory or file that nobody needs, and why. `version` is None for leftovers and bytes of sources."""

    path: Path
    why: str
    size: int
    version: "Version | None" = None


def removable(lake: "Lake", keep: int, pinned: Iterable[str] = (), whole: Iterable[str] = ()) -> list[Removable]:
    """What a clean-up would remove of this pipeline and of its lakes aside, and blobs that no pipeline's versions name.

    `keep` newest versions of each asset stay; so do versions with a `pinned` fingerprint, and all of the assets `whole`.
    """
    versions = list(lake.all_versions())
    needed = _with_parents(versions, _roots(lake, versions, keep, set(pinned), set(whole)))
    unneeded = [each for each in versions if each.path not in needed and not in_use(each.path)]
    found = [Removable(each.path, f"older than the newest {keep}", _size(each.path), each) for each in unneeded]
    found += [Removable(path, "left behind by a killed run", _size(path)) for path in _left_behind(lake) if not in_use(path)]
    found += [Removable(each.path, "was only tried", _size(each.path), each) for each in _tried(lake) if not in_use(each.path)]
    gone = {each.path for each in unneeded}
    return found + [Removable(path, "bytes that no version names", _size(path)) for path in _orphan_blobs(lake.root, gone)]


def remove(found: Iterable[Removable]) -> int:
    """Remove what `removable` listed. Returns the bytes that came free; what came into use meanwhile stays."""
    return sum(each.size for each in found if _removed(each.path))


def _removed(path: Path) -> bool:
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return True
    with _alone_with(path) as alone:
        if alone:
            (path / MANIFEST).unlink(missing_ok=True)  # first: without it no reader takes the rest for a version
            shutil.rmtree(path, ignore_errors=True)
        return alone


def hold(path: Path) -> int:
    """Keep a directory from being removed while this process lives, or until the returned descriptor is closed."""
    handle = os.open(path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


@contextmanager
def _alone_with(path: Path) -> Iterator[bool]:
    """Whether nobody holds the directory; while this lasts nobody can begin to."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield True
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def in_use(path: Path) -> bool:
    with _alone_with(path) as alone:
        return not alone


def _roots(lake: "Lake", versions: "list[Version]", keep: int, pinned: set[str], whole: set[str]) -> set[Path]:
    by_asset: dict[str, list[Version]] = {}
    for each in versions:
        by_asset.setdefault(each.asset, []).append(each)
    roots: set[Path] = set()
    for asset, all_of_it in by_asset.items():
        newest = sorted(all_of_it, key=lambda each: each.path.stat().st_mtime_ns, reverse=True)
        current = lake.current_fingerprint(asset)
        roots |= {each.path for each in newest[:keep]}
        roots |= {each.path for each in all_of_it if each.fingerprint in pinned | {current} or asset.split("/")[0] in whole}
    return roots


def _with_parents(versions: "list[Version]", roots: set[Path]) -> set[Path]:
    """Roots and everything that they were made from: a "why?" is answered by walking up."""
    by_content: dict[tuple[str, str], list[Version]] = {}
    for each in versions:
        by_content.setdefault((each.asset, each.digest), []).append(each)
    needed: set[Path] = set()
    waiting = [each for each in versions if each.path in roots]
    while waiting:
        each = waiting.pop()
        if each.path not in needed:
            needed.add(each.path)
            waiting += [parent for pair in each.parents.items() for parent in by_content.get(pair, [])]
    return needed


def _left_behind(lake: "Lake") -> Iterator[Path]:
    folder = lake.root / lake.pipeline
    yield from folder.rglob("staging/*")
    yield from (path for path in folder.rglob("versions/*.damaged-*"))


def _tried(lake: "Lake") -> "Iterator[Version]":
    """Versions of the lakes aside."""
    for folder in sorted(lake.root.glob(f"{lake.pipeline}~*")):
        yield from replace(lake, pipeline=folder.name).all_versions()


def _orphan_blobs(root: Path, gone: set[Path]) -> Iterator[Path]:
    import pyarrow.parquet as pq

    if in_use(root / "blobs"):  # by a run that has not named yet what it keeps
        return
    named: set[str] = set()
    for path in root.glob("*/raw_documents/*/versions/*/raw_documents.parquet"):
        if path.parent not in gone and "." not in path.parent.name:
            named.update(pq.read_table(path, columns=["blob"]).column(0).to_pylist())
    yield from (path for path in root.glob("blobs/*/*") if path.name not in named and not path.name.startswith("."))


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_blocks * 512 for file in files if file.is_file())
