"""Receipts: what was forgotten, where, by whom and why. Write-once, each with its seal and the sha256 of the one before.

They hold digests and counts, no doc_id and no text.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from llmops_pipelines.lifecycle.corpus import forgotten
from llmops_pipelines.lifecycle.lake import Lake, Refusal, files
from llmops_pipelines.lifecycle.lake.seals import is_intact, sealed


class BrokenReceipts(Refusal):
    """A receipt was edited or removed."""


def folder(lake: Lake) -> Path:
    return forgotten.folder(lake) / "receipts"


def receipts(lake: Lake) -> list[Path]:
    return sorted(folder(lake).glob("[0-9]*.json"))


def write(lake: Lake, said: dict[str, Any]) -> Path:
    """Append a receipt to the chain. Of two at once the second takes the next number."""
    while True:
        last = receipts(lake)
        number = int(last[-1].stem) + 1 if last else 1
        previous = hashlib.sha256(last[-1].read_bytes()).hexdigest() if last else ""
        path = folder(lake) / f"{number:06d}.json"
        whole = sealed({"number": number, "pipeline": lake.pipeline, "previous": previous, **said})
        if files.write_once(path, files.to_json(whole)):
            return path


def find(lake: Lake, work: str) -> Path | None:
    """The receipt of a piece of work, by its name."""
    return next((path for path in receipts(lake) if json.loads(path.read_text("utf-8")).get("work") == work), None)


def verify(lake: Lake) -> int:
    """Check the chain. Returns how many receipts there are; raises `BrokenReceipts` naming the first that does not fit."""
    previous = ""
    for number, path in enumerate(receipts(lake), start=1):
        data = path.read_bytes()
        said = json.loads(data)
        if not is_intact(said) or said["number"] != number:
            raise BrokenReceipts(f"{path}: this receipt was edited, or one before it was removed")
        if said["previous"] != previous:
            raise BrokenReceipts(f"{path}: the receipt before it is not the one that it was written after")
        previous = hashlib.sha256(data).hexdigest()
    return len(receipts(lake))
