"""What an engine is: a writer that makes one version from the one before, and a reader that sees exactly one version.

Points are all that an engine knows of chunks: what serving needs, flat and small; an engine cannot load nested payloads again.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import IndexingError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from .holdings import Holdings

LAYOUT = 3  # of points and their vectors; another one is another collection
DENSE, SPARSE = "dense", "bm25"  # names of the two vectors of each point
KEYWORDS = ("doc_id", "source", "access", "language", "trust")  # payload fields with an index
FACETS = ("doc_id", "source", "language", "trust")  # not access: it would tell which groups there are
EVERYBODY = "*"  # the access group that everybody is in; no name of a group can be this
PAYLOAD_BYTES = 32 * 1024
LABEL = 300  # characters kept in the index of a title or heading path
EXACTLY = 0  # instead of a graph search: every passage is looked at
EFS = (
    96,
    192,
    384,
    768,
    EXACTLY,
)  # passages that a search looks at: the first with which a version finds enough is kept with it


@dataclass(frozen=True)
class Point:
    """A chunk as an engine knows it. `access` names the groups that may see it, () is everybody; `text` is verbatim."""

    chunk_id: str
    doc_id: str
    source: str
    text_hash: str
    content_hash: str
    ordinal: int
    page: int
    title: str
    heading: str
    text: str
    language: str
    licence: str
    trust: str
    access: tuple[str, ...]

    @property
    def digest(self) -> str:
        """16 hex digits of everything that is said of the chunk. The text is in it through `text_hash`, so that the digest
        of a chunk can be told without reading its text."""
        return digest_of([getattr(self, name) for name in SAID])

    def payload(self) -> dict[str, Any]:
        """Raises IndexingError for one that engines must not get: nested values kill a shard, huge ones slow every answer."""
        payload = {**vars(self), "access": list(self.access) or [EVERYBODY], "digest": self.digest}
        if any(not isinstance(value, str | int) for name, value in payload.items() if name != "access"):
            raise IndexingError(f"chunk {self.chunk_id}: a payload holds only words and whole numbers")
        if any(not isinstance(group, str) for group in payload["access"]):
            raise IndexingError(f"chunk {self.chunk_id}: access {self.access!r} is not a list of group names")
        size = sum(len(value) for value in payload.values() if isinstance(value, str))
        if 4 * size > PAYLOAD_BYTES and len(json.dumps(payload, ensure_ascii=False).encode()) > PAYLOAD_BYTES:
            raise IndexingError(
                f"chunk {self.chunk_id} of {self.doc_id}: {size:,} characters, the index takes {PAYLOAD_BYTES:,} bytes; "
                "lower chunks.tokens or exclude this document"
            )
        return payload

    @classmethod
    def of_payload(cls, payload: dict[str, Any]) -> "Point":
        said = {name: payload[name] for name in _FIELDS}
        return cls(**said | {"access": tuple(group for group in payload["access"] if group != EVERYBODY)})


_FIELDS = tuple(Point.__dataclass_fields__)
SAID = tuple(name for name in _FIELDS if name != "text")


def told(rows: "pa.Table") -> "pa.Table":
    """Chunk rows as an index tells them: titles and headings at most LABEL characters long, groups sorted and once.

    Raises IndexingError for unknown access: it is not everybody.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for name in ("title", "heading"):
        short = pc.utf8_slice_codeunits(rows.column(name), 0, LABEL)
        rows = rows.set_column(rows.schema.get_field_index(name), name, short)
    access = rows.column("access").to_pylist()
    if None in access:
        lost = rows.column("chunk_id")[access.index(None)].as_py()
        raise IndexingError(f"chunk {lost}: who may see it is unknown; cut the documents again")
    groups = pa.array([sorted(set(each)) for each in access], pa.list_(pa.string()))
    return rows.set_column(rows.schema.get_field_index("access"), "access", groups)


def digests_of(rows: "pa.Table") -> list[str]:
    """The digest of the point of each chunk row."""
    columns = [told(rows).column(name).to_pylist() for name in SAID]
    return [digest_of(said) for said in zip(*columns, strict=True)]


def digest_of(said: Sequence[Any]) -> str:
    """The digest of a point from its values of SAID, in that order."""
    return blake2b(json.dumps(said).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Sparse:
    """BM25 term weights of a text: ascending term ids and their values. The engine multiplies them with the inverse document
    frequency of each term."""

    indices: list[int]
    values: list[float]


@dataclass(frozen=True)
class Where:
    """What a caller may and wants to see. The default is a caller in no group; `groups=None` sees everything and is for
    verification. Empty `sources` and `languages` mean all."""

    groups: frozenset[str] | None = frozenset()
    sources: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    trusted_only: bool = False

    def any_of(self) -> dict[str, list[str]]:
        """Payload field to the values of which it must hold one: what every engine turns into a filter of its own."""
        wanted = {
            "access": None if self.groups is None else sorted(self.groups | {EVERYBODY}),
            "source": sorted(self.sources),
            "language": sorted(self.languages),
            "trust": ["trusted"] if self.trusted_only else [],
        }
        return {field: values for field, values in wanted.items() if values}

    def visible(self) -> "Where":
        """All that the caller may see, whatever is asked for now."""
        return Where(groups=self.groups)


EVERYTHING = Where(groups=None)


@dataclass(frozen=True)
class Found:
    """A chunk that was found; `score` is the cosine, -1 to 1, or the BM25 score, above 0. What is said of it is asked of
    `Reader.points`, for those that are read: conversion of a payload costs more than finding it."""

    chunk_id: str
    score: float


class Reader(Protocol):
    """One version, unchanged whatever is written meanwhile. What `where` hides is in no answer, count or facet."""

    ef: int  # one of EFS

    def count(self, where: Where) -> int:
        """Number of points, exact."""

    def facet(self, field: str, where: Where) -> dict[str, int]:
        """Values of one of FACETS and how many points have each, the most frequent ones."""

    def ids(self) -> "np.ndarray":
        """S16 [n], ascending: the packed chunk ids of everything that is here. A tenth of the work of `holdings`."""

    def holdings(self) -> "Holdings":
        """Chunk ids and point digests of everything that is here."""

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, list[float]]:
        """Stored dense vectors of those of the chunks that are here."""

    def points(self, chunk_ids: Sequence[str], where: Where) -> dict[str, Point]:
        """Those of the chunks that are here and may be seen."""

    def dense(self, vectors: "np.ndarray", k: int, where: Where, *, exact: bool = False) -> list[list[Found]]:
        """The k nearest points of each row of float32 [n, d] unit vectors, best first; `exact` looks at every point."""

    def sparse(self, queries: Sequence[Sparse], k: int, where: Where) -> list[list[Found]]:
        """The k best points by BM25 of each query, best first; only points that share a term."""

    def close(self) -> None:
        """Let go of files and memory; the version stays."""


class Writer(Protocol):
    """The next version, visible to nobody until `seal`. Vectors must be sound before they come here."""

    rebuilt: bool  # whether `reader` made a graph anew: what was measured on the one before then says nothing

    def holdings(self) -> "Holdings":
        """What the new version starts from."""

    def remove(self, chunk_ids: Sequence[str]) -> None:
        """Take chunks out of the new version."""

    def upsert(self, points: Sequence[Point], vectors: "np.ndarray", sparse: Sequence[Sparse]) -> None:
        """Add chunks; a chunk that changed is removed first. May be repeated."""

    def reader(self, ef: int = EFS[0]) -> Reader:
        """Finish writing and read what was written, as readers will."""

    def seal(self, contents: str) -> int:
        """Make the version visible whose holdings were verified to have this digest. Returns its sequence number."""

    def close(self) -> None:
        """Let go; without `seal` the next writer starts from the version before."""
