"""The versions that a release was made of, found from its record downwards, with what is said of each by those made from it.

Manifests are read as files: one that was edited, or cannot be read, has to be named too.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lake.drafts import MANIFEST
from llmops_pipelines.lifecycle.release.history import Release

from .checks import Check, short


@dataclass(frozen=True)
class Said:
    """What a record, or a version made from it, says of a version. `fingerprint` and `seal` are empty where it does not say."""

    by: str
    digest: str
    seal: str = ""
    fingerprint: str = ""


@dataclass
class Node:
    """A version on disk; `manifest` is None when it cannot be read."""

    asset: str
    path: Path
    manifest: dict[str, Any] | None
    said: list[Said] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.asset} {self.said[0].digest[:12]}" if self.said else f"{self.asset} {self.path.name[:12]}"

    @property
    def as_said(self) -> bool:
        """Whether its manifest has the content that the first who named it meant."""
        return self.manifest is not None and self.manifest["digest"] == self.said[0].digest

    def version(self, lake: Lake) -> Version:
        """Unverified, for readers of what is in it."""
        return Version(lake.pipeline, self.asset, self.path, self.manifest or {})


@dataclass
class Ancestry:
    """`nodes` from the release downwards; `lost` are the checks of what is not there; `roles` of the record."""

    nodes: dict[Path, Node]
    roles: dict[str, Node]
    lost: list[Check]

    @classmethod
    def of(cls, lake: Lake, release: Release) -> "Ancestry":
        found = cls({}, {}, [])
        shelves: dict[str, dict[Path, dict[str, Any] | None]] = {}
        waiting = [
            (release.asset(role), Said(f"release {release.epoch}", p["digest"], p.get("seal", ""), p["fingerprint"]), role)
            for role, p in release.parts.items()
        ]
        for asset, said, role in waiting:  # grows while it is walked
            shelf = shelves.setdefault(asset, dict(_shelf(lake, asset)))
            path = _find(lake, asset, shelf, said, found.nodes)
            if path is None:
                found.lost.append(_lost(lake, asset, said, list(shelf)))
                continue
            new = path not in found.nodes
            node = found.nodes.setdefault(path, Node(asset, path, shelf.get(path)))
            if said not in node.said:
                node.said.append(said)
            if role:
                found.roles[role] = node
            if new and node.manifest:
                waiting += [(*each, "") for each in _parents(node)]
        return found


def everything(lake: Lake) -> list[Node]:
    """Every version of a pipeline, also those whose manifest cannot be read."""
    folder = lake.desk("", "")
    assets = sorted({path.parent.relative_to(folder).as_posix() for path in folder.rglob("versions") if path.is_dir()})
    return [Node(asset, path, manifest) for asset in assets for path, manifest in _shelf(lake, asset)]


def _parents(node: Node) -> Iterator[tuple[str, Said]]:
    manifest = node.manifest or {}
    seals = manifest.get("seals") or {}
    for asset, digest in (manifest.get("parents") or {}).items():
        yield asset, Said(node.name, digest, seals.get(asset, ""))


def _shelf(lake: Lake, asset: str) -> Iterator[tuple[Path, dict[str, Any] | None]]:
    """Every version of an asset that was not set aside, and its manifest if that can be read."""
    for path in sorted(lake.desk(asset, "versions").glob("*")):
        if path.is_dir() and "." not in path.name:
            yield path, _manifest(path)


def _manifest(path: Path) -> dict[str, Any] | None:
    try:
        said = json.loads((path / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    needed = {"asset", "fingerprint", "digest", "parents", "files", "code"}
    return said if isinstance(said, dict) and needed <= said.keys() and isinstance(said["files"], dict) else None


def _find(lake: Lake, asset: str, shelf: dict[Path, dict[str, Any] | None], said: Said, known: dict[Path, Node]) -> Path | None:
    """By fingerprint where that was recorded. Else by seal, by digest (rather one that is known already), and when nothing
    fits the only one that is nobody else's: it is then told how it differs."""
    if said.fingerprint:
        path = lake.desk(asset, "versions") / said.fingerprint[:32]
        return path if path in shelf else None
    manifests = {path: manifest for path, manifest in shelf.items() if manifest}
    if sealed := [path for path, manifest in manifests.items() if said.seal and manifest.get("seal") == said.seal]:
        return sealed[0]
    if same := [path for path, manifest in manifests.items() if manifest["digest"] == said.digest]:
        return next((path for path in same if path in known), same[0])
    free = [path for path in shelf if path not in known or not known[path].as_said]
    return free[0] if len(free) == 1 else None


def _lost(lake: Lake, asset: str, said: Said, there: list[Path]) -> Check:
    found = f"gone; {len(there)} other versions of it are there" if there else "gone; no version of it is there"
    if unreadable := [path for path in there if _manifest(path) is None]:
        found = f"gone, unless it is {unreadable[0]}, whose manifest cannot be read"
    elif said.fingerprint:
        found = "missing"
    place = lake.desk(asset, "versions") / said.fingerprint[:32]
    expected = f"digest {short(said.digest)}, says {said.by}"
    fix = f"restore it from a backup, or release anew with: llmops run {lake.pipeline}"
    return Check(f"{asset} {said.digest[:12]}", str(place), "differs", expected, found, fix)
