"""An erasure under way, on disk: what is to go, and what was done already. A killed one goes on from here.

It names the documents and holds hashes of their word windows, no text; it is removed when the receipt is written.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmops_pipelines.lifecycle.corpus import forgotten
from llmops_pipelines.lifecycle.lake import Lake, Refusal, digest, files

from .knowledge import Known


class Busy(Refusal):
    """Another erasure is under way, or one was interrupted."""


@dataclass
class Work:
    """`done` says per step what came of it, as the receipt will."""

    path: Path
    known: Known
    asked: dict[str, str]
    trained: list[dict[str, Any]]
    done: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.path.stem

    def save(self) -> None:
        said = {"known": self.known.described(), "asked": self.asked, "trained": self.trained, "done": self.done}
        files.replace(self.path, files.to_json(said))

    def note(self, step: str, what: Any) -> None:
        """Remember one thing that was done, durably, before the next is begun."""
        self.done.setdefault(step, []).append(what)
        self.save()

    @classmethod
    def read(cls, path: Path) -> "Work":
        said = json.loads(path.read_text("utf-8"))
        return cls(path, Known.read(said["known"]), said["asked"], said["trained"], said["done"])


def folder(lake: Lake) -> Path:
    return forgotten.folder(lake) / "work"


def path_of(lake: Lake, documents: Iterable[str]) -> Path:
    return folder(lake) / f"{digest(sorted(set(documents)))[:16]}.json"


def begun(lake: Lake, documents: Iterable[str]) -> Work | None:
    """The interrupted erasure of exactly these documents. Raises `Busy` when another one has to be finished first."""
    wanted = path_of(lake, documents)
    for path in sorted(folder(lake).glob("*.json")):
        if path != wanted:
            names = " ".join(map(repr, Work.read(path).known.documents))
            raise Busy(f"{path}: an erasure was interrupted; finish it first: llmops forget {lake.pipeline} {names} --yes")
    return Work.read(wanted) if wanted.is_file() else None


@contextmanager
def alone(lake: Lake) -> Iterator[None]:
    """Only one process erases in a lake. Raises `Busy` when one does already."""
    lock = lake.root / "forgetting.lock"
    lock.touch()
    handle = os.open(lock, os.O_RDWR)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"{lock}: another process is erasing documents; wait for it") from error
        yield
    finally:
        os.close(handle)
