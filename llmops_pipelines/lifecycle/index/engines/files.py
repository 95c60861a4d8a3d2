"""Directories of the embedded engine: a copy of a sealed one to continue from, and room on the disk before it is needed."""

import fcntl
import os
import shutil
from pathlib import Path

from ..errors import IndexingError

ROOM = 80 * 2**20  # bytes that an empty shard maps before it holds anything
ASIDE = ".atomicwrite"  # in the names of what the engine is about to rename
FICLONE = 0x40049409  # ioctl of Linux: the new file shares the blocks of the old one until either is written


def copy_shard(base: Path, path: Path) -> str:
    """Copy a sealed directory. Returns how: "reflink" where the file system shares blocks (XFS, Btrfs), else "bytes".

    Never hard links: a writer changes files in place. A reader that opens the base may be renaming its settings meanwhile.
    """
    found = [(Path(folder), names) for folder, _, names in os.walk(base) if ASIDE not in folder]
    files = [folder / name for folder, names in found for name in names if ASIDE not in name]
    require_room(path.parent, sum(file.stat().st_blocks * 512 for file in files))
    for folder, _ in found:
        (path / folder.relative_to(base)).mkdir()
    shares = True
    for file in files:
        target = path / file.relative_to(base)
        shares = shares and _reflink(file, target)
        if not shares:
            _copy_without_holes(file, target)
    return "reflink" if shares else "bytes"


def require_room(path: Path, needed: int) -> None:
    """The engine maps its files: a full disk kills the process by a signal, without any error message."""
    free = shutil.disk_usage(path).free
    if free < needed + ROOM:
        raise IndexingError(
            f"{path}: {free // 2**20} MB are free, the index needs about {(needed + ROOM) // 2**20} MB; make room and run again"
        )


def _reflink(source: Path, target: Path) -> bool:
    with source.open("rb") as read, target.open("wb") as write:
        try:
            fcntl.ioctl(write.fileno(), FICLONE, read.fileno())
        except OSError:  # another file system, or two of them
            return False
        return True


def _copy_without_holes(source: Path, target: Path) -> None:
    """Copy what is written of a file. Shards map 69 MB ahead of which a small index fills one."""
    with source.open("rb") as read, target.open("wb") as write:
        size = os.fstat(read.fileno()).st_size
        os.ftruncate(write.fileno(), size)
        at = 0
        while at < size:
            try:
                at = os.lseek(read.fileno(), at, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing but a hole from here on
                return
            end = os.lseek(read.fileno(), at, os.SEEK_HOLE)
            os.lseek(write.fileno(), at, os.SEEK_SET)
            while at < end:
                at += os.sendfile(write.fileno(), read.fileno(), at, end - at)
