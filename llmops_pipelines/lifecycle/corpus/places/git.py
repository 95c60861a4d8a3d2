"""A git repository at a ref: only what is committed. Nothing of the repository is executed, no password is asked for.

A folder is read where it is; an address through a bare mirror that holds the commits which were read.
"""

import os
import subprocess
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from ..sources import Found, Listing, Secrets, UnreadableFile, printable
from .patterns import Patterns, suffix
from .repository import Repository, opened

if TYPE_CHECKING:
    from llmops_pipelines.config.documents import Source

LINK, SUBMODULE = b"120000", b"160000"
LARGEST = 256 * 2**20  # bytes of one file
POINTER = b"version https://git-lfs.github.com/spec/"
POINTER_BYTES = 1024


def look(source: "Source", project: Path, *, secrets: Secrets, cache: Path) -> Listing:
    """The files of the commit that the ref names now. State: that commit."""
    repository, commit = opened(source.name, source.git, project, secrets, cache)
    counts = {"links_not_followed": 0, "submodules_not_followed": 0, "hidden_left_out": 0}
    listed = repository.run("ls-tree", "-r", "-z", "-l", "--full-tree", commit)
    files = tuple(_files(source, repository, listed, counts))
    return Listing(files, counts, {"commit": commit})


def _files(source: "Source", repository: Repository, listed: bytes, counts: dict[str, int]) -> Iterator[Found]:
    patterns, blobs = Patterns.of(source), Blobs(repository)
    for line in listed.split(b"\0")[:-1]:
        facts, _, path = line.partition(b"\t")
        mode, kind, name, size = facts.split()
        uri = printable(os.fsdecode(path))
        if not patterns.take(uri):
            counts["hidden_left_out"] += patterns.hides(uri)
            continue
        if mode == LINK:
            counts["links_not_followed"] += 1
        elif mode == SUBMODULE or kind != b"blob":
            counts["submodules_not_followed"] += 1
        else:
            length, stamp = int(size) if size.isdigit() else -1, name.decode()
            yield Found(source.name, uri, length, stamp, True, partial(blobs.read, stamp), False, suffix(uri))


class Blobs:
    """Bytes of blobs through one `git cat-file --batch`, started when the first is read and ended with this object."""

    def __init__(self, repository: Repository) -> None:
        self._repository, self._lock = repository, Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, name: str) -> bytes:
        with self._lock:
            try:
                data = self._ask(name)
            except (OSError, ValueError) as error:
                self._end()  # what it still has to say belongs to another question
                raise UnreadableFile(f"git cannot read it: {error}") from error
        if len(data) < POINTER_BYTES and data.startswith(POINTER):
            raise UnreadableFile("is a pointer of Git LFS; its content is not in the repository")
        return data

    def _ask(self, name: str) -> bytes:
        process = self._started()
        process.stdin.write(f"{name}\n".encode())
        process.stdin.flush()
        said = process.stdout.readline().split()
        if len(said) != 3 or said[1] != b"blob":
            raise ValueError(b" ".join(said).decode("utf-8", "replace") or "it ended")
        size = int(said[2])
        if size > LARGEST:
            raise ValueError(f"{size} bytes are more than {LARGEST}")
        data = process.stdout.read(size + 1)
        if len(data) != size + 1:
            raise ValueError("it ended early")
        return data[:-1]

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = self._repository.start("cat-file", "--batch")
            self._finalize = weakref.finalize(self, _stop, self._process)
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._finalize()
            self._process = None


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate()
