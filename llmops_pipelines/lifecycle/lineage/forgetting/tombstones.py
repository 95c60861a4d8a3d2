"""Tombstones: what says that a document is left out. They hold digests, who asked and why, never a text.

Reading them for the corpus is `corpus/forgotten.py`.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llmops_pipelines.lifecycle.corpus import forgotten
from llmops_pipelines.lifecycle.corpus.forgotten import ERASED, ERASING, HIDDEN
from llmops_pipelines.lifecycle.lake import Lake, Refusal, files
from llmops_pipelines.lifecycle.lake.digests import text_digest

from .knowledge import Known, UnknownDocument

DAY = 86_400.0


class CannotRestore(Refusal):
    """The document was erased, or hidden too long ago."""


@dataclass(frozen=True)
class Asked:
    """Who wants something, and why."""

    who: str
    why: str
    at: str

    @classmethod
    def now(cls, who: str, why: str) -> "Asked":
        return cls(who, why, datetime.now(UTC).isoformat(timespec="seconds"))


def path_of(lake: Lake, document: str) -> Path:
    return forgotten.folder(lake) / f"{text_digest(document)}.json"


def read(lake: Lake, document: str) -> dict[str, Any] | None:
    """The tombstone of a document, None when it has none."""
    found = (each for each in forgotten.tombstones(lake) if each["document"] == text_digest(document))
    return next(found, None)


def is_erased(lake: Lake, document: str) -> bool:
    said = read(lake, document)
    return said is not None and said["state"] != HIDDEN


def write(lake: Lake, documents: Iterable[str], known: Known, state: str, asked: Asked) -> None:
    """Say of each document that it is hidden, being erased, or erased. Everything left out with it stands in each, and what an
    earlier tombstone said."""
    others = {text_digest(each) for each in known.of(lake.pipeline)}
    for document in documents:
        before = read(lake, document) or {"documents": (), "contents": (), "blobs": ()}
        said = {
            "document": text_digest(document),
            "documents": sorted({text_digest(document), *others, *before["documents"]}),
            "contents": sorted(known.contents.union(before["contents"])),
            "blobs": sorted(known.blobs.union(before["blobs"])),
            "state": state,
            "seconds": time.time(),
            **vars(asked),
        }
        files.replace(path_of(lake, document), files.to_json(said))


def finish(lake: Lake, documents: Iterable[str]) -> None:
    """What was being erased is erased."""
    for document in documents:
        if (said := read(lake, document)) and said["state"] == ERASING:
            files.replace(path_of(lake, document), files.to_json(said | {"state": ERASED}))


def restore(lake: Lake, document: str, days: int) -> None:
    """Take the tombstone of a hidden document away. Raises `CannotRestore` after erasure, and after so many days."""
    said = read(lake, document)
    if said is None:
        raise UnknownDocument(f"{lake.pipeline}: {document!r} is not hidden; nothing was changed")
    if said["state"] != HIDDEN:
        raise CannotRestore(
            f"{lake.pipeline}: {document!r} was erased at {said['at']} by {said['who']}; no copy is left in this home. Put it "
            "into a source under another name to have it again"
        )
    if time.time() - said["seconds"] > days * DAY:
        raise CannotRestore(
            f"{lake.pipeline}: {document!r} was hidden at {said['at']}, more than {days} days ago; raise retention.hidden_days "
            "to restore it, or put it into a source under another name"
        )
    path_of(lake, document).unlink()
    files.sync_directory(forgotten.folder(lake))
