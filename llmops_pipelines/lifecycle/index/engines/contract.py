"""What an engine is: a writer that makes one version from the one before, and a reader that sees exactly one version.

Payloads are flat and small: the engine accepts nested ones that it cannot load again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Point:
    """A chunk as an engine knows it. The pair (chunk_id, text_hash) determines the vector."""

    chunk_id: str
    doc_id: str
    source: str
    text_hash: str

    def payload(self) -> dict[str, str]:
        return {"chunk_id": self.chunk_id, "doc_id": self.doc_id, "source": self.source, "text_hash": self.text_hash}


@dataclass(frozen=True)
class Found:
    """A chunk near a question; `score` is the cosine, -1 to 1."""

    chunk_id: str
    doc_id: str
    source: str
    score: float


class Reader(Protocol):
    """One version, unchanged whatever is written meanwhile."""

    def count(self) -> int:
        """Number of points, exact."""

    def holdings(self) -> dict[str, str]:
        """chunk_id to text_hash of every point."""

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, list[float]]:
        """Stored vectors of those of the chunks that are here."""

    def search(self, vectors: "np.ndarray", k: int) -> list[list[Found]]:
        """The k nearest points of each row of float32 [n, d] unit vectors, best first."""

    def close(self) -> None:
        """Let go of files and memory; the version stays."""


class Writer(Protocol):
    """The next version, visible to nobody until `seal`. Vectors must be sound before they come here."""

    def holdings(self) -> dict[str, str]:
        """chunk_id to text_hash of what the new version starts from."""

    def remove(self, chunk_ids: Sequence[str]) -> None:
        """Take chunks out of the new version."""

    def upsert(self, points: Sequence[Point], vectors: "np.ndarray") -> None:
        """Add chunks; a chunk with a changed text is removed first. May be repeated."""

    def reader(self) -> Reader:
        """Finish writing durably and read what was written, as readers will."""

    def seal(self) -> int:
        """Make the verified version visible. Returns its sequence number in the collection."""

    def close(self) -> None:
        """Let go; without `seal` the next writer starts from the version before."""


def ids_digest(chunk_ids: Sequence[str]) -> str:
    """sha256 of the sorted ids, one per line."""
    return sha256("\n".join(sorted(chunk_ids)).encode()).hexdigest()


def contents_digest(holdings: dict[str, str]) -> str:
    """sha256 of the sorted lines 'chunk_id text_hash': what a version holds, whoever wrote it and in whatever order."""
    return sha256("\n".join(f"{chunk} {text}" for chunk, text in sorted(holdings.items())).encode()).hexdigest()
