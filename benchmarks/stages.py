"""Our pipeline as the benchmarks run it: the stage functions that the assets call, in their order, on one folder of files."""

import hashlib
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llmops_pipelines.config.documents import Cleaning, Source
from llmops_pipelines.config.pipeline import Chunks, Embeddings, Index
from llmops_pipelines.lifecycle import corpus, index
from llmops_pipelines.lifecycle.compute import HERE, Local
from llmops_pipelines.lifecycle.index.embedders.embedder import Embedder
from llmops_pipelines.lifecycle.index.embedders.hardware import bf16_in_hardware
from llmops_pipelines.lifecycle.index.embedding import PROBES
from llmops_pipelines.lifecycle.index.engines.contract import EVERYTHING
from llmops_pipelines.lifecycle.index.engines.edge import EdgeReader
from llmops_pipelines.lifecycle.lake import Lake, Version

DIMENSION = 384
TOKENS = 128
PIPELINE = "measured"
SOURCE = "texts"
PLANE = np.random.default_rng(4).normal(size=(24, DIMENSION)).astype(np.float32)


@dataclass(frozen=True)
class Built:
    """What the stages made, and what each took in seconds."""

    versions: dict[str, Version]
    seconds: dict[str, float]
    embedded: int  # by the hash


def to_index(home: Path, folder: Path, *, hashed: bool = False) -> Built:
    """Documents of a folder to a searchable index. A new `Lake` each time: nothing is remembered from the run before.

    `hashed`: texts are embedded by their hash, in this process; else by the default model, on all cores, in bf16 where the
    hardware has it.
    """
    chunks, embeddings = Chunks(tokens=TOKENS), Embeddings(precision="bf16" if bf16_in_hardware("cpu") else "fp32")
    embedded = _without_a_model() if hashed else [0]
    lake = Lake(home, PIPELINE)
    source = Source(name=SOURCE, path=str(folder), licence="various")
    cleaning = Cleaning()
    versions: dict[str, Version] = {}
    seconds: dict[str, float] = {}

    def stage(name: str, function, *arguments) -> Version:
        start = time.perf_counter()
        versions[name] = function(lake, *arguments)
        lake.point(versions[name])
        seconds[name] = time.perf_counter() - start
        return versions[name]

    raw = stage("discover", corpus.discover, source, cleaning, folder)
    parsed = stage("parse", corpus.parse, raw, cleaning)
    documents = stage("gather", corpus.gather, [source.name], {source.name: parsed}, cleaning)
    with Local() as cores:
        cut = stage("cut", index.cut, documents, chunks, embeddings, cores)
        vectors = stage("embed", index.embed, cut, embeddings, HERE if hashed else cores)
    stage("index", index.build, cut, vectors, Index(), None, PIPELINE)
    return Built(versions, seconds, embedded[0])


def points_of(home: Path, built: Built, uri: str) -> int:
    """How many of the chunks that this file ever had the engine holds now."""
    doc_id = f"{SOURCE}/{uri}"
    known = set()
    for version in Lake(home, PIPELINE).versions("chunks"):
        rows = version.table(columns=["chunk_id", "doc_id"]).to_pylist()
        known |= {row["chunk_id"] for row in rows if row["doc_id"] == doc_id}
    with closing(EdgeReader(built.versions["index"].file("edge"))) as reader:
        return len(reader.points(sorted(known), EVERYTHING))


def new_texts(home: Path, built: Built) -> int:
    """How many of the texts of this version stood in no version before."""
    now = built.versions["embed"]
    if now.reused:
        return 0
    before = {
        text for version in Lake(home, PIPELINE).versions("embeddings") if version.path != now.path for text in _texts(version)
    }
    return len(_texts(now) - before)


def _texts(embeddings: Version) -> set[str]:
    return set(embeddings.table().column("text_hash").to_pylist())


def vector_of(text: str) -> np.ndarray:
    """A unit vector that costs almost nothing: a hash of the text, near a plane of few dimensions as vectors of texts are."""
    numbers = np.frombuffer(hashlib.shake_128(text.encode()).digest(len(PLANE)), dtype=np.int8).astype(np.float32)
    vector = numbers @ PLANE
    return vector / np.linalg.norm(vector)


def _without_a_model() -> list[int]:
    """From here on this process embeds texts by their hash. Returns a list of one number: how many were embedded."""
    counted = [0]

    def embed(_: Embedder, texts: Sequence[str]) -> np.ndarray:
        counted[0] += 0 if tuple(texts) == tuple(PROBES) else len(texts)  # fixed texts that tell whether the model is the same
        return np.stack([vector_of(text) for text in texts])

    Embedder.embed = embed
    return counted
