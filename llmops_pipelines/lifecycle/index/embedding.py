"""Stage `embed`: each distinct text is embedded once for ever; the asset lists which texts an index needs.

Chunks are read window by window, and vectors are checked and stored portion by portion: memory stays bounded, and a crash
costs one portion.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.compute import HERE, Compute, Local
from llmops_pipelines.lifecycle.lake import Draft, Lake, Store, Version
from llmops_pipelines.lifecycle.lake.digests import text_digest

from .embedders import endpoint
from .embedders.embedder import Embedder
from .embedders.endpoint import Secrets
from .embedders.hardware import bf16_in_hardware, device
from .embedders.soundness import refuse_collapse, refuse_faults
from .errors import IndexingError
from .passages import texts_to_embed
from .text_hashes import TextHashes

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

CODE = "embed-2"
WINDOW = 16_384  # chunks that are sorted by length together
TEXTS_AT_ONCE = {"cpu": 128, "mps": 1_024, "cuda": 8_192, "endpoint": 1_024}  # that one worker gets
STORED_AT_ONCE = 4_096  # vectors of one append to the store
COLUMNS = ["chunk_id", "content_hash", "start", "end", "head", "tokens", "text_hash"]
PROBES = ("The ferry leaves at nine.", "Ein Satz auf Deutsch, 42 Wörter lang?", "def f(x): return x ** 2")
SAME = 0.999  # least cosine between a probe now and then; another batch or thread count gives 0.999999, bf16 0.9999

log = logging.getLogger(__name__)


def embed(
    lake: Lake, chunks: Version, embeddings: Embeddings, compute: Compute = HERE, secrets: Secrets | None = None
) -> Version:
    """Embed the texts of chunks that have no vector yet. Asset `embeddings`, table of the distinct text hashes, sorted.

    Vectors go to the store "vectors" of this embedder. `compute` says where models on processors run; a GPU is used from
    this process, an endpoint asked from it, with its key from `secrets`. Raises IndexingError for vectors that are unsound,
    and when the model no longer makes the vectors that it made before (another library version, other hardware).
    """
    embedder = Embedder.open(embeddings, secrets)
    return lake.once(
        "embeddings",
        code=CODE,
        config={"embedder": embedder.fingerprint},
        parents=[chunks],
        write=lambda draft: _write(lake, draft, chunks, embedder, compute),
    )


def vectors(lake: Lake, embeddings: Version) -> tuple[list[str], "np.ndarray"]:
    """All text hashes of a version, and float32 [n, d] in the same order."""
    described = embeddings.json("embedder")
    hashes = embeddings.table().column("text_hash").to_pylist()
    return hashes, vectors_of(vector_store(lake, described["fingerprint"]), hashes, described["dimension"])


def vector_store(lake: Lake, embedder: str) -> Store:
    return lake.store("vectors", embedder, "text_hash")


def vectors_of(store: Store, hashes: list[str], dimension: int) -> "np.ndarray":
    """float32 [n, d] for distinct text hashes, in their order. Raises KeyError when one has no vector."""
    import numpy as np

    if not hashes:
        return np.zeros((0, dimension), dtype=np.float32)
    column = store.take(hashes, ["vector"]).column("vector").combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    if len(flat) != len(hashes) * dimension:
        raise IndexingError(f"{store.path}: {len(flat)} numbers for {len(hashes)} vectors of {dimension}; remove this folder")
    return flat.reshape(len(hashes), dimension)


@dataclass(frozen=True)
class EmbedTexts:
    """Stage function: batches of (text_hash, text) to batches of (text_hash, vector). The model is kept per process."""

    settings: Embeddings

    def __call__(self, batch: "pa.RecordBatch") -> "pa.RecordBatch":
        return _embedded(_opened(self.settings), batch)


@dataclass(frozen=True)
class _Embed:
    """The same with an embedder that stays in this process, as its key does."""

    embedder: Embedder

    def __call__(self, batch: "pa.RecordBatch") -> "pa.RecordBatch":
        return _embedded(self.embedder, batch)


@lru_cache(maxsize=2)
def _opened(settings: Embeddings) -> Embedder:
    return Embedder.open(settings)


def _embedded(embedder: Embedder, batch: "pa.RecordBatch") -> "pa.RecordBatch":
    import pyarrow as pa

    hashes = batch.column("text_hash")
    made = embedder.embed(batch.column("text").to_pylist())
    refuse_faults(made, embedder.dimension, batch.column("chunk_id").to_pylist())
    return pa.RecordBatch.from_arrays([hashes, _as_column(made)], names=["text_hash", "vector"])


def _write(lake: Lake, draft: Draft, chunks: Version, embedder: Embedder, compute: Compute) -> None:
    store = vector_store(lake, embedder.fingerprint)
    wanted = TextHashes.of(chunks)
    missing = sum(len(store.missing(hashes)) for hashes in wanted.portions())
    if missing:
        place = _place(embedder)
        _check_probes(store, embedder)
        draft.spent(tokens=_embed_missing(lake, store, chunks, embedder, place, compute))
        draft.facts.update(_told(embedder, place))
    with draft.writer("embeddings", wanted.schema()) as write:
        for hashes in wanted.portions():
            write(wanted.table(hashes))
    draft.json("embedder", _described(embedder))
    draft.facts.update(texts=len(wanted), embedded=missing, reused_embedded=len(wanted) - missing)
    draft.facts.update(dimension=embedder.dimension)


def _described(embedder: Embedder) -> dict[str, Any]:
    settings = embedder.settings
    told = {"fingerprint": embedder.fingerprint, "dimension": embedder.dimension, "model": embedder.name}
    if settings.endpoint:
        return told | {"endpoint": endpoint.place(settings.endpoint)}
    return told | {"weights": settings.sha256, "precision": settings.precision}


def _place(embedder: Embedder) -> str:
    """cpu, cuda, mps or endpoint."""
    return "endpoint" if embedder.settings.endpoint else device().type


def _told(embedder: Embedder, place: str) -> dict[str, Any]:
    if place == "endpoint":
        return {"computed_on": place}
    told = {"computed_on": place, "precision": embedder.settings.precision}
    if embedder.settings.precision == "bf16":
        told["bf16_in_hardware"] = bf16_in_hardware(place)
        if not told["bf16_in_hardware"]:
            log.warning("embeddings.precision: this machine has no bf16 of its own and emulates it; fp32 is faster here")
    return told


def _embed_missing(lake: Lake, store: Store, chunks: Version, embedder: Embedder, place: str, compute: Compute) -> int:
    """A window is stored before the next is read, so that a text that stands in both is embedded once. Returns the tokens."""
    stage: Any = EmbedTexts(embedder.settings)
    tokens = 0
    if place == "endpoint" or (place != "cpu" and isinstance(compute, Local)):
        stage, compute = _Embed(embedder), HERE
    for rows in chunks.batches("chunks", COLUMNS, rows=WINDOW):
        position = {text_hash: row for row, text_hash in enumerate(rows.column("text_hash").to_pylist())}
        made: list[pa.RecordBatch] = []
        wanted = _wanted(store, rows)
        tokens += sum(wanted.column("tokens").to_pylist())
        for batch in compute.map(stage, _batches(lake, wanted, TEXTS_AT_ONCE[place])):
            made.append(batch)
            if sum(map(len, made)) >= STORED_AT_ONCE:
                _append(store, made, position)
                made = []
        _append(store, made, position)
    return tokens


def _wanted(store: Store, rows: "pa.RecordBatch") -> "pa.Table":
    """The rows of one window whose texts have no vector yet, once each, from long to short."""
    import pyarrow as pa

    hashes = rows.column("text_hash").to_pylist()
    first = {text_hash: row for row, text_hash in reversed(list(enumerate(hashes)))}
    chosen = pa.array([first[text_hash] for text_hash in store.missing(hashes)], pa.int64())
    return pa.Table.from_batches([rows]).take(chosen).sort_by([("tokens", "descending"), ("text_hash", "ascending")])


def _batches(lake: Lake, wanted: "pa.Table", count: int) -> "Iterator[pa.RecordBatch]":
    import pyarrow as pa

    for at in range(0, wanted.num_rows, count):
        portion = wanted.slice(at, count)
        names = ["chunk_id", "text_hash"]
        columns = {name: portion.column(name).to_pylist() for name in names} | {"text": _texts(lake, portion)}
        yield pa.RecordBatch.from_pydict(columns)


def _texts(lake: Lake, rows: "pa.Table") -> list[str]:
    texts = texts_to_embed(lake, rows)
    names = zip(rows.column("text_hash").to_pylist(), rows.column("chunk_id").to_pylist(), strict=True)
    for text, (text_hash, chunk_id) in zip(texts, names, strict=True):
        if text_digest(text) != text_hash:
            raise IndexingError(f"chunk {chunk_id}: its text is not the one that was cut; remove the stores and cut again")
    return texts


def _check_probes(store: Store, embedder: Embedder) -> None:
    """A store holds the vectors of one way of computing. Fixed texts, embedded again, tell if it is still this one."""
    import pyarrow as pa

    made = embedder.embed(PROBES)
    refuse_faults(made, embedder.dimension, [f"probe {text!r}" for text in PROBES])
    refuse_collapse(made, PROBES)
    hashes = [text_digest(f"probe\n{text}") for text in PROBES]
    if store.missing(hashes):
        names = ["text_hash", "vector"]
        store.append(pa.Table.from_arrays([pa.array(hashes), _as_column(made)], names=names))
        return
    worst = float((vectors_of(store, hashes, embedder.dimension) * made).sum(axis=1).min())
    if not worst >= SAME:
        raise IndexingError(
            f"embeddings: {embedder.name} makes other vectors than those in {store.path} (cosine {worst:.4f} for the same "
            "text); bring back the model and the library versions that made them, or remove that folder"
        )


def _as_column(made: "np.ndarray") -> "pa.FixedSizeListArray":
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(made.reshape(-1), pa.float32()), made.shape[1])


def _append(store: Store, made: "list[pa.RecordBatch]", position: dict[str, int]) -> None:
    """In the order of chunks: vectors of one document are read together, and then lie together."""
    import pyarrow as pa

    if made:
        table = pa.Table.from_batches(made)
        rows = [position[text_hash] for text_hash in table.column("text_hash").to_pylist()]
        store.append(table.take(sorted(range(len(rows)), key=rows.__getitem__)))
