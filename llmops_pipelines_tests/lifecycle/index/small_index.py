"""A real embedded index of a few passages, with vectors from a toy embedder, as a published version."""

import hashlib
import re
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from llmops_pipelines.lifecycle.index.engines.contract import Point
from llmops_pipelines.lifecycle.index.engines.edge import EdgeWriter
from llmops_pipelines.lifecycle.index.passages import chunk_id
from llmops_pipelines.lifecycle.index.search import lexical
from llmops_pipelines.lifecycle.lake import Lake, Version

CHUNKER = "c" * 64
DIMENSION = 64


@dataclass(frozen=True)
class ToyEmbedder:
    """Vectors by the words of a text, where `meanings` says which words mean the same."""

    meanings: tuple[tuple[str, str], ...] = ()
    fingerprint: str = "toy"

    def open(self, *_: object) -> "ToyEmbedder":
        return self

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        same = dict(self.meanings)
        rows = np.full((len(texts), DIMENSION), 1e-3, np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                seed = hashlib.sha256(same.get(word, word).encode()).digest()[:8]
                rows[row] += np.random.default_rng(int.from_bytes(seed)).normal(size=DIMENSION)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def passage(doc_id: str, ordinal: int, text: str, heading: str = "", **said) -> Point:
    """A point of document `doc_id`; `said` may change title, language, trust, access and the like."""
    content = hashlib.sha256(doc_id.encode()).hexdigest()
    known = {"title": "", "language": "en", "licence": "CC0-1.0", "trust": "trusted", "access": ()}
    return Point(
        chunk_id=chunk_id(doc_id, content, CHUNKER, ordinal),
        doc_id=doc_id,
        source=doc_id.split("/")[0],
        text_hash=hashlib.sha256(f"{doc_id} {text}".encode()).hexdigest(),
        content_hash=content,
        ordinal=ordinal,
        page=0,
        heading=heading,
        text=text,
        **known | said,
    )


def publish(lake: Lake, points: list[Point], embedder: ToyEmbedder) -> Version:
    """The points as a version of the asset index."""
    texts = [point.text for point in points]

    def write(draft) -> None:
        folder = draft.file("edge", data=False)
        with closing(EdgeWriter(folder, DIMENSION, None)) as writer:
            languages = [point.language for point in points]
            writer.upsert(points, embedder.embed(texts), lexical.document_vectors(texts, languages))
            writer.reader().close()
        said = {"engine": "edge", "collection": "isles", "sequence": 0, "ef": 96}
        draft.json("index", {**said, "embedder": embedder.fingerprint, "chunker": CHUNKER})

    named = [point.payload() for point in points]
    return lake.once("index", code=uuid.uuid4().hex, config=named, parents=[], write=write)
