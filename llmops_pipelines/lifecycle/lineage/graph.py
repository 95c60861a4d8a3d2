"""The graph of a release: every version that it was made of, found from records alone, and what each was made from.

Nothing is opened or hashed, and what a clean-up took away is a node without a version. What a person is shown of it is
decided in `traces/`.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lake.drafts import MANIFEST

if TYPE_CHECKING:
    from llmops_pipelines.lifecycle.release.history import Release

Key = tuple[str, str]  # asset and digest
ORDER = (
    "raw_documents", "parsed_documents", "documents", "corpus_profile", "drift_report", "chunks", "embedder", "embeddings",
    "index", "retrieval_settings", "eval_questions", "written_pairs", "training_examples", "preference_pairs", "base_model",
    "checkpoint", "compressed", "answers", "eval_scores", "comparison", "release",
)  # fmt: skip


class Records:
    """The manifests of a lake, each asset listed at most once."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._listed: dict[str, list[Version]] = {}

    def of(self, asset: str) -> list[Version]:
        """All versions of an asset, as their manifests tell of them."""
        if asset not in self._listed:
            self._listed[asset] = list(self.lake.manifests(asset))
        return self._listed[asset]

    def having(self, asset: str, digest: str) -> list[Version]:
        """The versions of an asset with this content: several, where the same came from other parents."""
        return [each for each in self.of(asset) if each.digest == digest]

    def pinned(self, asset: str, fingerprint: str) -> Version | None:
        """The version of this fingerprint; only its own manifest is read. None when it is gone or cannot be read."""
        home = self.lake.desk(asset, "versions") / fingerprint[:32]
        try:
            return Version(self.lake.pipeline, asset, home, json.loads((home / MANIFEST).read_text("utf-8")))
        except (OSError, ValueError):
            return None

    @cached_property
    def assets(self) -> list[str]:
        """Every asset that has versions: `documents`, `raw_documents/handbook` and so on."""
        folder = self.lake.root / self.lake.pipeline
        places = [*folder.glob("*/versions"), *folder.glob("*/*/versions")]
        return sorted(place.parent.relative_to(folder).as_posix() for place in places if "versions" not in place.parent.parts)


@dataclass(frozen=True)
class Node:
    """A version that took part. `role` is what the release calls it, empty for what lies above its parts. `version` is None
    where it is gone, and then `reason` says why that is known; it is also set where records contradict each other."""

    asset: str
    digest: str
    fingerprint: str
    role: str
    version: Version | None
    reason: str = ""

    @property
    def key(self) -> Key:
        return self.asset, self.digest

    @property
    def parents(self) -> dict[str, str]:
        return self.version.parents if self.version else {}


@dataclass(frozen=True)
class Graph:
    """All nodes, parents before children."""

    nodes: tuple[Node, ...]

    @classmethod
    def of(cls, lake: Lake, release: "Release", records: Records | None = None) -> "Graph":
        """The graph of a release, whatever became of it. A part that is gone leads nowhere: what it was made from is not
        recorded anywhere else."""
        known = _parts(records := records or Records(lake), release)
        waiting = list(known.values())
        while waiting:
            child = waiting.pop()
            for key in child.parents.items():
                if key not in known:
                    known[key] = _parent(records, child, key, known)
                    waiting.append(known[key])
        return cls(tuple(_ordered(known)))

    @property
    def edges(self) -> list[tuple[Key, Key]]:
        """(parent, child) for each step that read another."""
        return [(parent, node.key) for node in self.nodes for parent in node.parents.items()]

    @property
    def gone(self) -> list[Node]:
        return [node for node in self.nodes if node.version is None]

    def role(self, name: str) -> Version | None:
        """The version in a role; None when the release has none, or it is gone."""
        return next((node.version for node in self.nodes if node.role == name), None)

    def of_noun(self, noun: str) -> list[Node]:
        """The nodes of an asset and its partitions: all `raw_documents/...`."""
        return [node for node in self.nodes if noun_of(node.asset) == noun]

    def above(self, version: Version, noun: str) -> Version | None:
        """The version called `noun` that `version` was made from, near or far; None when there is none."""
        by_key = {node.key: node for node in self.nodes}
        waiting = list(version.parents.items())
        while waiting:
            node = by_key.get(waiting.pop(0))
            if node is None or node.version is None:
                continue
            if noun_of(node.asset) == noun:
                return node.version
            waiting += node.parents.items()
        return None


def noun_of(asset: str) -> str:
    return asset.split("/")[0]


def _parts(records: Records, release: "Release") -> dict[Key, Node]:
    found = {}
    for role, part in release.parts.items():
        asset = release.asset(role)
        version, reason = records.pinned(asset, part["fingerprint"]), ""
        if version is None:
            reason = f"the release pins {_short(part['fingerprint'])}, and no such version is left"
        elif version.digest != part["digest"]:
            reason = f"the release pins content {_short(part['digest'])}, its manifest now says {_short(version.digest)}"
        found[asset, part["digest"]] = Node(asset, part["digest"], part["fingerprint"], role, version, reason)
    return found


def _parent(records: Records, child: Node, key: Key, known: dict[Key, Node]) -> Node:
    """Of several versions with the same content the one that the child says it read, else the one made of what is here."""
    asset, digest = key
    candidates = records.having(asset, digest)
    if not candidates:
        reason = f"{child.asset} {_short(child.digest)} was made from it, and no version with this content is left"
        return Node(asset, digest, "", "", None, reason)
    sealed = child.version.manifest.get("seals", {}).get(asset) if child.version else None
    for version in candidates:
        if sealed and version.manifest.get("seal") == sealed:
            return _node(version)
    chosen = max(candidates, key=lambda each: sum(pair in known for pair in each.parents.items()))
    contradicted = sealed and all(each.manifest.get("seal") for each in candidates)
    reason = f"{child.asset} {_short(child.digest)} was made from a record with another seal" if contradicted else ""
    return _node(chosen, reason)


def _node(version: Version, reason: str = "") -> Node:
    return Node(version.asset, version.digest, version.fingerprint, "", version, reason)


def _ordered(nodes: dict[Key, Node]) -> Iterator[Node]:
    """Parents first; among those that could come next, in the order of the stages."""
    waits = Counter({key: sum(parent in nodes for parent in node.parents.items()) for key, node in nodes.items()})
    children: dict[Key, list[Key]] = {}
    for key, node in nodes.items():
        for parent in node.parents.items():
            children.setdefault(parent, []).append(key)
    ready = [key for key in nodes if not waits[key]]
    while ready:
        key = min(ready, key=_place)
        ready.remove(key)
        yield nodes[key]
        for child in children.get(key, ()):
            waits[child] -= 1
            if not waits[child]:
                ready.append(child)


def _place(key: Key) -> tuple[int, str, str]:
    noun = noun_of(key[0])
    known = (number for number, each in enumerate(ORDER) if noun == each or noun.startswith(f"{each}_"))
    return next(known, len(ORDER)), *key


def _short(digest: str) -> str:
    return digest[:12]
