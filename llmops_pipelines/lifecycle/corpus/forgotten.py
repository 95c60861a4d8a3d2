"""Documents that the corpus leaves out because somebody asked for it: read from tombstones, which never hold a text.

`<lake>/<pipeline>/forgotten/<digest>.json` names a document by the sha256 of its doc_id. Hidden ones may come back; of erased
ones the content hashes are known too, so that a renamed copy does not come back. Who writes them is lineage/forgetting.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..lake.digests import digest, text_digest

if TYPE_CHECKING:
    from ..lake import Lake

REASON = "forgotten"
HIDDEN, ERASING, ERASED = "hidden", "erasing", "erased"


@dataclass(frozen=True)
class Forgotten:
    """Digests: of the doc_ids that are left out, of those among them whose files must not be kept again, of erased texts,
    and of the bytes of erased files."""

    documents: frozenset[str] = frozenset()
    erased: frozenset[str] = frozenset()
    contents: frozenset[str] = frozenset()
    blobs: frozenset[str] = frozenset()

    @classmethod
    def of(cls, lake: "Lake") -> "Forgotten":
        """What the tombstones of this lake's pipeline say. A tombstone that cannot be read raises: nothing may come back."""
        found = list(tombstones(lake))
        gone = [each for each in found if each["state"] != HIDDEN]

        def all_of(some: list[dict[str, Any]], name: str) -> frozenset[str]:
            return frozenset(value for each in some for value in each[name])

        return cls(all_of(found, "documents"), all_of(gone, "documents"), all_of(gone, "contents"), all_of(gone, "blobs"))

    def __bool__(self) -> bool:
        return bool(self.documents or self.contents)

    def leaves_out(self, doc_id: str) -> bool:
        return bool(self.documents) and text_digest(doc_id) in self.documents

    def must_not_keep(self, source: str, uri: str) -> bool:
        """Whether a file is an erased document: its bytes are not even read."""
        return bool(self.erased) and text_digest(file_id(source, uri)) in self.erased

    def entering(self) -> dict[str, str]:
        """What enters the fingerprint of a step that leaves them out; nothing as long as nothing was forgotten."""
        return {REASON: digest([sorted(each) for each in vars(self).values()])} if self else {}


def file_id(source: str, uri: str) -> str:
    """The doc_id of a file that is one document."""
    return f"{source}/{file_name(uri)}"


def file_name(uri: str) -> str:
    """'#' divides a file from a row in it, so that no file can take the name of a row."""
    return uri.replace("#", "%23")


def folder(lake: "Lake") -> Path:
    """Trials of a pipeline ('name~trial') leave out what the pipeline leaves out."""
    return lake.root / lake.pipeline.split("~")[0] / "forgotten"


def tombstones(lake: "Lake") -> Iterator[dict[str, Any]]:
    for path in sorted(folder(lake).glob("*.json")):
        yield json.loads(path.read_text("utf-8"))
