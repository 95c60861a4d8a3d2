"""What was erased on purpose, and the receipts that vouch for it: the one reason for which a sealed file may have changed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.lake.seals import is_intact
from llmops_pipelines.lifecycle.lineage.forgetting import receipts

from .checks import Check

FIX = "restore it from a backup: a receipt is written once"


@dataclass(frozen=True)
class Erasures:
    """The receipts of all pipelines that share the lake, as text by name: they name what they took by digests. An erasure that
    was begun in one pipeline reaches the others."""

    texts: dict[str, str]

    @classmethod
    def of(cls, lake: Lake) -> "Erasures":
        texts: dict[str, str] = {}
        for pipeline in sorted(path.name for path in lake.root.iterdir() if path.is_dir()):
            for path in receipts.receipts(Lake(lake.root, pipeline)):
                said = _read(path)
                if said is not None and is_intact(said):
                    for name in {path.stem, *(str(said[key]) for key in ("work", "redaction") if key in said)}:
                        texts[name] = texts.get(name, "") + json.dumps(said)
        return cls(texts)

    def name(self, receipt: str, fingerprint: str) -> bool:
        """Whether that receipt is there and names a version."""
        return fingerprint in self.texts.get(receipt, "")

    def took(self, blob: str) -> bool:
        """Whether any receipt names these bytes."""
        return any(blob in text for text in self.texts.values())


def receipts_checked(lake: Lake) -> Iterator[Check]:
    """The chain of the receipts; nothing where nothing was ever erased."""
    paths = receipts.receipts(lake)
    for path in (path for path in paths if _read(path) is None):
        yield Check("receipt of an erasure", str(path), "differs", "a receipt", "cannot be read", FIX)
        return
    if not paths:
        return
    place = str(receipts.folder(lake))
    try:
        count = receipts.verify(lake)
    except receipts.BrokenReceipts as broken:
        yield Check("receipt of an erasure", place, "differs", "each receipt as it was written", str(broken), FIX)
    else:
        yield Check("receipts of erasures", place, "match", "a chain of seals", f"{count} receipts")


def redactions(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was erased from a version, oldest first."""
    return list(manifest.get("redacted") or ())


def data_before_erasures(manifest: Mapping[str, Any]) -> dict[str, str]:
    """sha256 of each file that made the version's digest, as they were when it was made."""
    files = dict(manifest["files"])
    for each in reversed(redactions(manifest)):
        files |= {name: before for name, (before, _) in each["files"].items()}
    aside = set(manifest.get("aside", ()))
    folders = {name.split("/")[0] for name in aside if "/" in name}  # of the engine: made anew, under other names
    return {name: sha for name, sha in files.items() if sha and name not in aside and name.split("/")[0] not in folders}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) else None
