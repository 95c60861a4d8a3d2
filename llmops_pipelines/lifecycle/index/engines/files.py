"""Directories of the embedded engine: a copy of a sealed one to continue from, and room on the disk before it is needed."""

import fcntl
import os
import shutil
from pathlib import Path

from ..errors import IndexingError

ROOM = 80 * 2**20  # bytes that an empty shard maps before it holds anything
FICLONE = 0x40049409  # ioctl of Linux: the new file shares the blocks of the old one until either is written


def copy_shard(base: Path, path: Path) -> str:
    """Copy a sealed directory. Returns how: "reflink" where the file system shares blocks (XFS, Btrfs), else "bytes".

    Never hard links: a writer changes files in place. A reader that opens the base may be renaming its settings meanwhile.
    """
    written = sum(file.stat().st_blocks * 512 for file in base.glob("segments/**/*.*") if ".atomicwrite" not in str(file))
    require_room(path.parent, written)
    shared: set[bool] = set()

    def copy(source: str, target: str) -> None:
        shared.add(_reflink(source, target))
        if False in shared:
            _copy_without_holes(source, target)

    shutil.copytree(base, path, copy_function=copy, ignore=shutil.ignore_patterns(".atomicwrite*"))
    return "bytes" if False in shared else "reflink"


def require_room(path: Path, needed: int) -> None:
    """The engine maps its files: a full disk kills the process by a signal, without any error message."""
    free = shutil.disk_usage(path).free
    if free < needed + ROOM:
        raise IndexingError(
            f"{path}: {free // 2**20} MB are free, the index needs about {(needed + ROOM) // 2**20} MB; make room and run again"
        )


def _reflink(source: str, target: str) -> bool:
    with Path(source).open("rb") as read, Path(target).open("wb") as write:
        try:
            fcntl.ioctl(write.fileno(), FICLONE, read.fileno())
        except OSError:  # another file system, or two of them
            return False
        return True


def _copy_without_holes(source: str, target: str) -> None:
    """Copy what is written of a file. Shards map 69 MB ahead of which a small index fills one."""
    with Path(source).open("rb") as read, Path(target).open("wb") as write:
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
