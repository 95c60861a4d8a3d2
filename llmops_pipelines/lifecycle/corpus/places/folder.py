"""A local folder or file: listed in one pass of names, sizes and times; read without ever leaving the folder.

Symbolic links are followed only to regular files inside the folder that the patterns take as well; devices, pipes and
sockets are never opened.
"""

import os
import stat
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..sources import CorpusError, Found, Listing, UnreadableFile, printable
from .patterns import Patterns, is_hidden, split_glob, suffix

if TYPE_CHECKING:
    from llmops_pipelines.config.documents import Source

READ_ATTEMPTS = 3
SETTLED_NS = 2 * 10**9  # a file that changed within this time may change again without a change of its times
FILE_SCHEME = "file://"


def local(path: str) -> str:
    """file:// addresses are local paths like any other."""
    return path.removeprefix(FILE_SCHEME)


def look(source: "Source", project: Path) -> Listing:
    """Every regular file that the source's patterns take."""
    root, only, beside = _root(source, project)
    patterns = Patterns.of(source, beside, hidden_too=bool(only))
    counts = {"links_not_followed": 0, "not_regular_files": 0, "hidden_left_out": 0}
    try:
        entries = [(only, os.lstat(os.path.join(root, only)))] if only else _entries(root, patterns, counts)  # noqa: PTH118
        files = list(_files(source.name, root, entries, patterns, counts))
    except OSError as error:
        raise CorpusError(
            f"source {source.name}: {root} cannot be listed completely ({error.strerror or error}); "
            "nothing was changed, mend the folder and run again"
        ) from error
    return Listing(tuple(files), counts)


def _root(source: "Source", project: Path) -> tuple[str, str, str]:
    """The real folder, the file in it when the path names a single one, and a pattern when the path ends in one."""
    path = project / local(source.path or "")
    if path.is_file():
        return os.path.realpath(path.parent), path.name, ""
    folder, beside = (str(path), "") if path.exists() else split_glob(str(path))
    root = os.path.realpath(folder)
    if not Path(root).is_dir():
        raise CorpusError(f"source {source.name}: the folder {folder} does not exist (is it mounted?)")
    return root, "", beside


def _entries(root: str, patterns: Patterns, counts: dict[str, int]) -> Iterator[tuple[str, os.stat_result]]:
    """Path below `root` and status of everything that is not a folder. A folder behind a link is one entry."""
    folders = [""]
    while folders:
        below = folders.pop()
        with os.scandir(f"{root}/{below}") as entries:  # an error here is one of the whole listing: no os.walk
            for entry in entries:
                inside = below + entry.name
                if not entry.is_dir(follow_symlinks=False):
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:  # removed since: then it is not there now
                        continue
                    yield inside, status
                elif patterns.enter(printable(inside)):
                    folders.append(inside + "/")
                elif is_hidden(printable(inside)):
                    counts["hidden_left_out"] += 1


def _files(
    name: str, root: str, entries: "Iterator[tuple[str, os.stat_result]] | list", patterns: Patterns, counts: dict[str, int]
) -> Iterator[Found]:
    now = time.time_ns()
    for inside, status in entries:
        uri = printable(inside)
        if not patterns.take(uri):
            counts["hidden_left_out"] += patterns.hides(uri)
            continue
        target = inside
        if stat.S_ISLNK(status.st_mode):
            resolved = _resolve(root, inside)
            if resolved is None or not patterns.take(printable(resolved[0])):
                counts["links_not_followed"] += 1
                continue
            target, status = resolved
        if not stat.S_ISREG(status.st_mode):
            counts["not_regular_files"] += 1
            continue
        stamp = f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"
        read = partial(read_steady, root, target)
        yield Found(name, uri, status.st_size, stamp, _settled(status, now), read, False, suffix(uri))


def _settled(status: os.stat_result, now: int) -> bool:
    """A time of content in the future was set by hand and says nothing; that of the inode cannot be set."""
    changed = max(status.st_ctime_ns, status.st_mtime_ns if status.st_mtime_ns <= now else 0)
    return now - changed >= SETTLED_NS


def _resolve(root: str, inside: str) -> tuple[str, os.stat_result] | None:
    """Where the link really leads, below `root`; None when it leaves the folder, is broken or names no regular file."""
    target = os.path.realpath(f"{root}/{inside}")
    if os.path.commonpath([root, target]) != root or target == root:
        return None
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return None
    return (os.path.relpath(target, root), status) if stat.S_ISREG(status.st_mode) else None


def read_steady(root: str, inside: str) -> bytes:
    """The bytes of the file as they were at one moment. Raises `UnreadableFile`; never returns a mix of two versions."""
    for _ in range(READ_ATTEMPTS):
        try:
            handle = _open_inside(root, inside)
        except OSError as error:
            raise UnreadableFile(error.strerror or type(error).__name__) from error
        with os.fdopen(handle, "rb") as stream:
            before = os.fstat(handle)
            if not stat.S_ISREG(before.st_mode):
                raise UnreadableFile("not a regular file")
            try:
                data = stream.read()
            except OSError as error:
                raise UnreadableFile(error.strerror or type(error).__name__) from error
            after = os.fstat(handle)
        if len(data) == after.st_size and _same(before, after):
            return data
    raise UnreadableFile("changes while it is read")


def _same(a: os.stat_result, b: os.stat_result) -> bool:
    return (a.st_size, a.st_mtime_ns, a.st_ctime_ns) == (b.st_size, b.st_mtime_ns, b.st_ctime_ns)


def _open_inside(root: str, inside: str) -> int:
    """Open a file name by name from `root`, following no link: a folder swapped for a link meanwhile cannot lead outside."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        *folders, name = PurePosixPath(inside).parts
        for part in folders:
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = deeper
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)  # a pipe would block
    finally:
        os.close(folder)
