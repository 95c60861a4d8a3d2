"""Durable file operations. Everything that must survive a crash is written here and nowhere else.

Two ways to become visible: `publish_directory` and `write_once` (first writer wins), `replace` (a pointer that moves).
"""

import json
import os
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

SYNCS_AT_ONCE = 16  # the disk answers so many requests at about the price of one


def sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(path: Path) -> None:
    """Flush every file and directory below `path` to the disk."""
    folders, files = [], []
    for folder, _, names in os.walk(path, topdown=False):
        folders.append(Path(folder))
        files += [Path(folder, name) for name in names]
    with ThreadPoolExecutor(SYNCS_AT_ONCE) as threads:
        for some in (files, folders):
            list(threads.map(sync_directory, some))  # a file is flushed in the same way


def _write_aside(path: Path, data: bytes, *, sync: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with aside.open("wb") as stream:
        stream.write(data)
        if sync:
            stream.flush()
            os.fsync(stream.fileno())
    return aside


def write_once(path: Path, data: bytes, *, settle: bool = True) -> bool:
    """Create `path` with `data` unless it exists. Returns whether this call created it; never a partial file.

    `settle=False` is for many files: the caller flushes their directories, once each, with `sync_directory`.
    """
    aside = _write_aside(path, data)
    try:
        os.link(aside, path)
        if settle:
            sync_directory(path.parent)
        return True
    except FileExistsError:
        return False
    finally:
        aside.unlink()


def replace(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Point `path` at new content in one atomic move. For pointers and notes only: content itself is write-once."""
    _write_aside(path, data, sync=sync).replace(path)
    if sync:
        sync_directory(path.parent)


def publish_directory(staging: Path, final: Path) -> bool:
    """Make a finished staging directory visible as `final`. Returns False (and drops the staging) if somebody was first."""
    sync_tree(staging)
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        staging.rename(final)  # refuses a non-empty target: the first writer wins
    except OSError:
        if not final.is_dir():
            raise
        shutil.rmtree(staging)
        return False
    sync_directory(final.parent)
    return True


def to_json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n").encode("utf-8")
