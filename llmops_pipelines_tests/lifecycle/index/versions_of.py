"""The same few verbs on every engine: write a version, open one. For the contract tests."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from llmops_pipelines.lifecycle.index.engines.collection import Collection
from llmops_pipelines.lifecycle.index.engines.contract import EVERYTHING, Found, Point, Reader, Writer
from llmops_pipelines.lifecycle.index.engines.edge import EdgeReader, EdgeWriter
from llmops_pipelines.lifecycle.index.engines.holdings import Holdings, packed_digests, packed_ids
from llmops_pipelines.lifecycle.index.engines.server import ServerReader, ServerWriter
from llmops_pipelines.lifecycle.index.search import lexical
from llmops_pipelines.lifecycle.lake.digests import text_digest

from .conftest import direction

IDENTITY = {"embedder": "e1", "chunker": "c1"}


def point(name: str, text: str | None = None, **said) -> Point:
    text = text or f"The passage called {name}."
    known = Point(
        chunk_id=str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        doc_id=f"guide/{name}.md",
        source="guide",
        text_hash=text_digest(text),
        content_hash="c" * 64,
        ordinal=0,
        page=0,
        title="Guide",
        heading="Guide > Part",
        text=text,
        language="en",
        licence="CC0-1.0",
        trust="trusted",
        access=(),
    )
    return replace(known, **said)


def vectors_of(points: Sequence[Point], dimension: int = 8) -> np.ndarray:
    return np.stack([direction(p.text_hash, dimension) for p in points])


def sparse_of(points: Sequence[Point]):
    return lexical.document_vectors([p.text for p in points])


def as_held(points: Sequence[Point]) -> Holdings:
    parts = (packed_ids([p.chunk_id for p in points]), packed_digests([p.digest for p in points]))
    return Holdings.of([parts], "the test")


def apply(writer: Writer, wanted: Sequence[Point]) -> None:
    """What a build does, in plain words; all of it twice, as after lost answers."""
    before, after = writer.holdings(), as_held(wanted)
    differing = set(after.differing(before))
    ids = {p.chunk_id for p in wanted}
    new = [p for p in wanted if p.chunk_id in differing]
    known = before.find(packed_ids([p.chunk_id for p in new])) if new else []
    gone = sorted(differing - ids) + [p.chunk_id for p, at in zip(new, known, strict=True) if at >= 0]
    for _ in range(2):
        writer.remove(gone)
    for _ in range(2 if new else 0):
        writer.upsert(new, vectors_of(new), sparse_of(new))


def held(reader: Reader) -> Holdings:
    try:
        found = reader.holdings()
        assert reader.count(EVERYTHING) == len(found)
        return found
    finally:
        reader.close()


def said_of(reader: Reader, hits: Sequence[Found]) -> list[Point]:
    """What the index says of what was found, in that order."""
    points = reader.points([hit.chunk_id for hit in hits], EVERYTHING)
    return [points[hit.chunk_id] for hit in hits]


class EdgeVersions:
    """Versions as sealed directories."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.newest = folder, 0

    def writer(self, name: str) -> EdgeWriter:
        return EdgeWriter(self.folder / name, 8, self.folder / str(self.newest) if self.newest else None)

    def write(self, wanted: Sequence[Point], seal: bool = True) -> int:
        writer = self.writer(str(self.newest + 1) if seal else f"aborted-{uuid.uuid4().hex}")
        apply(writer, wanted)
        writer.reader().close()
        if seal:
            writer.seal(as_held(wanted).contents_digest)
            self.newest += 1
        return self.newest

    def open(self, version: int, wanted: Sequence[Point]) -> EdgeReader:
        return EdgeReader(self.folder / str(version))


class ServerVersions:
    """Versions as sequence numbers of one collection."""

    def __init__(self, client, name: str) -> None:
        self.collection = Collection(client, name, pauses=(0, 0))

    def write(self, wanted: Sequence[Point], seal: bool = True) -> int:
        writer = ServerWriter(self.collection, 8, IDENTITY)
        apply(writer, wanted)
        return writer.seal(as_held(wanted).contents_digest) if seal else 0

    def open(self, version: int, wanted: Sequence[Point]) -> ServerReader:
        return ServerReader(self.collection, version, as_held(wanted).contents_digest)
