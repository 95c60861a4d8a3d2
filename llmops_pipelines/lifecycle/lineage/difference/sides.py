"""One of two bundles that are laid side by side: a release, or a candidate that was refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.release.candidate import Candidate
from llmops_pipelines.lifecycle.release.history import Release

from ..graph import Graph, Records, noun_of


class Unknown(Exception):
    """What one side does not have any more, in a sentence; the rest can still be compared."""


@dataclass(frozen=True)
class Side:
    """A bundle with everything that it was made of. `record` of a candidate has epoch 0, no packages and no terms."""

    name: str
    lake: Lake
    record: Release
    graph: Graph

    @classmethod
    def of(cls, lake: Lake, release: Release, records: Records | None = None) -> "Side":
        """A release, whatever became of it; parts that are gone are looked at no further."""
        return cls(f"release {release.epoch}", lake, release, Graph.of(lake, release, records))

    @classmethod
    def of_candidate(cls, lake: Lake, candidate: Candidate, name: str = "the candidate") -> "Side":
        record = Release(
            epoch=0,
            pipeline=lake.pipeline,
            parts=candidate.named,
            settings=candidate.settings,
            scores={},
            candidate=candidate.described,
            run=candidate.run,
        )
        return cls(name, lake, record, Graph.of(lake, record))

    @property
    def bundle(self) -> str:
        return self.record.bundle

    @property
    def spec(self) -> dict[str, Any]:
        """What it does with a question, as `Spec.described` says it; empty for releases of earlier versions."""
        return self.record.candidate.get("spec", {})

    @cached_property
    def versions(self) -> dict[str, Version]:
        """By role, or by asset where it has none, everything that still exists. What an older part was made from beside the
        newer version of the same asset is called after that part: 'documents behind training_examples'."""
        found = {node.role: node.version for node in self.graph.nodes if node.version and node.role}
        taken = {node.asset for node in self.graph.nodes if node.role}
        reader = {parent: child[0] for parent, child in reversed(self.graph.edges)}
        for node in self.graph.nodes:
            if node.version and not node.role:
                name = node.asset if node.asset not in taken else f"{node.asset} behind {reader[node.key]}"
                found.setdefault(name, node.version)
                taken.add(node.asset)
        return found

    def part(self, name: str) -> Version:
        """The version of this name. Raises `Unknown`."""
        if found := self.versions.get(name):
            return found
        gone = {node.role or node.asset for node in self.graph.gone}
        raise Unknown(f"{self.name} {'lost its' if name in gone else 'has no'} {name.replace('_', ' ')}")

    def said(self, name: str, file: str) -> dict[str, Any]:
        """A JSON file of a part; empty when there is none."""
        version = self.versions.get(name)
        if version is None or not version.has(f"{file}.json"):
            return {}
        with reading(self, name):
            return version.json(file)

    def sources(self) -> dict[str, Version]:
        """By name, the listings of the sources that its documents came from."""
        return {name: version for name, version in self.versions.items() if noun_of(name) == "raw_documents"}


@contextmanager
def reading(side: Side, name: str) -> Iterator[None]:
    """Turn a file that is gone or damaged into `Unknown`."""
    from pyarrow import ArrowException

    try:
        yield
    except (OSError, ValueError, KeyError, ArrowException) as error:
        raise Unknown(f"{name.replace('_', ' ')} of {side.name} cannot be read ({error})") from error
