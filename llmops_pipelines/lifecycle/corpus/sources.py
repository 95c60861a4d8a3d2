"""Source folders: which files are there, and how their bytes are read without leaving the folder. No content is judged here.

Symbolic links are followed only to regular files inside the folder; devices, pipes and sockets are never opened.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ..lake import Refusal

if TYPE_CHECKING:
    from llmops_pipelines.config.pipeline import Source

READ_ATTEMPTS = 3


class CorpusError(Refusal):
    """The corpus cannot be trusted as it is. The message says what is wrong, what is safe and the way out."""


class UnreadableFile(Exception):
    """One file cannot be read, or keeps changing while it is read."""


@dataclass(frozen=True)
class Found:
    """A file of a source. `uri` is what people see; `inside` is the path below `root` that is opened (links resolved)."""

    source: str
    uri: str
    root: Path
    inside: str
    size: int
    stamp: str  # changes whenever the file may have changed: size, times, inode
    changed_ns: int  # the younger of the content's and the inode's time


@dataclass(frozen=True)
class Listing:
    """All files of one source that its patterns take, sorted by uri, and how many entries were not followed."""

    files: tuple[Found, ...]
    links_not_followed: int
    not_regular: int


def list_files(source: "Source", project: Path) -> Listing:
    """Every regular file below the source folder. Raises `CorpusError` when any part of the folder cannot be listed."""
    root = Path(os.path.realpath(project / source.path))
    if not root.is_dir():
        raise CorpusError(f"source {source.name}: the folder {root} does not exist (is it mounted?)")
    files, links, odd = [], 0, 0
    try:
        for inside in _entries(root):
            uri = printable(inside)
            if not _taken(uri, source):
                continue
            target = _resolve(root, inside)
            if target is None:
                links += 1
                continue
            status = (root / target).lstat()
            if not stat.S_ISREG(status.st_mode):
                odd += 1
                continue
            stamp = f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"
            changed = max(status.st_mtime_ns, status.st_ctime_ns)
            files.append(Found(source.name, uri, root, target, status.st_size, stamp, changed))
    except OSError as error:
        raise CorpusError(f"source {source.name}: {root} cannot be listed completely: {error}") from error
    return Listing(tuple(sorted(files, key=lambda found: found.uri)), links, odd)


def _entries(root: Path) -> Iterator[str]:
    """Paths below `root` of everything that is not a folder. A folder behind a link counts as one entry."""

    def stop(error: OSError) -> None:  # os.walk hides errors: a folder it may not read would look like an empty one
        raise error

    for folder, names, files in os.walk(root, onerror=stop, followlinks=False):
        below = os.path.relpath(folder, root)
        for name in [*files, *(n for n in names if (Path(folder) / n).is_symlink())]:
            yield name if below == "." else f"{below}/{name}"


def _resolve(root: Path, inside: str) -> str | None:
    """Where the entry really is, below `root`; None for a link that leaves the folder, is broken or names a folder."""
    path = root / inside
    if not path.is_symlink():
        return inside
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(root) or not target.is_file():
        return None
    return target.relative_to(root).as_posix()


def printable(path: str) -> str:
    """File names are bytes; what is not UTF-8 in them is spelled as \\xNN so that it can be stored and shown."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _taken(uri: str, source: "Source") -> bool:
    return any(_pattern(p).fullmatch(uri) for p in source.include) and not any(
        _pattern(p).fullmatch(uri) for p in source.exclude
    )


@lru_cache(maxsize=256)
def _pattern(glob: str) -> re.Pattern[str]:
    """Glob to regular expression: `**/` is any number of folders, `*` and `?` stay inside one name, `[a-c]` is a set."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]/]+\])", glob)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    out = [meaning.get(p) or (p.replace("[!", "[^") if p.startswith("[") and p.endswith("]") else re.escape(p)) for p in parts]
    return re.compile("".join(out), re.DOTALL)


def read_steady(found: Found) -> bytes:
    """The bytes of the file as they were at one moment. Raises `UnreadableFile`; never returns a mix of two versions."""
    for _ in range(READ_ATTEMPTS):
        try:
            handle = _open_inside(found.root, found.inside)
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


def _open_inside(root: Path, inside: str) -> int:
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
