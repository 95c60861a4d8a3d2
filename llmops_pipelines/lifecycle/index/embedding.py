"""Stage `embed`: each distinct text is embedded once for ever; the asset lists which texts an index needs.

Vectors are checked before they are stored, portion by portion: a crash costs one portion.
"""

from typing import TYPE_CHECKING

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.lake import Draft, Lake, Store, Version
from llmops_pipelines.lifecycle.lake.digests import text_digest

from .embedder import Embedder
from .errors import IndexingError
from .passages import texts_to_embed
from .soundness import refuse_collapse, refuse_faults

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

CODE = "embed-1"
TEXTS_AT_ONCE = 1024
PROBES = ("The ferry leaves at nine.", "Ein Satz auf Deutsch, 42 Wörter lang?", "def f(x): return x ** 2")
SAME = 0.999  # least cosine between a probe now and then; another batch or thread count gives 0.999999, bf16 0.9999


def embed(lake: Lake, chunks: Version, embeddings: Embeddings) -> Version:
    """Embed the texts of chunks that have no vector yet. Asset `embeddings`, table of the distinct text hashes, sorted.

    Vectors go to the store "vectors" of this embedder. Raises IndexingError for vectors that are unsound, and when the
    model no longer makes the vectors that it made before (another library version, other hardware).
    """
    embedder = Embedder.open(embeddings)
    return lake.once(
        "embeddings",
        code=CODE,
        config={"embedder": embedder.fingerprint},
        parents=[chunks],
        write=lambda draft: _write(lake, draft, chunks, embedder),
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


def _write(lake: Lake, draft: Draft, chunks: Version, embedder: Embedder) -> None:
    import pyarrow as pa

    rows = chunks.table()
    place: dict[str, int] = {}
    for row, text_hash in enumerate(rows.column("text_hash").to_pylist()):
        place.setdefault(text_hash, row)
    store = vector_store(lake, embedder.fingerprint)
    missing = store.missing(sorted(place))
    if missing:
        _check_probes(store, embedder)
    wanted = rows.take(pa.array([place[text_hash] for text_hash in missing], pa.int64())).sort_by(
        [("tokens", "descending"), ("text_hash", "ascending")]
    )
    for at in range(0, wanted.num_rows, TEXTS_AT_ONCE):
        _embed_portion(lake, store, wanted.slice(at, TEXTS_AT_ONCE), embedder)
    draft.table("embeddings", pa.table({"text_hash": pa.array(sorted(place), pa.string())}))
    settings = embedder.model.settings
    draft.json(
        "embedder",
        {
            "fingerprint": embedder.fingerprint,
            "dimension": embedder.dimension,
            "model": settings.model,
            "weights": settings.sha256,
            "precision": settings.precision,
        },
    )
    draft.facts.update(texts=len(place), embedded=len(missing), reused_embedded=len(place) - len(missing))
    draft.facts.update(dimension=embedder.dimension, precision=settings.precision)


def _embed_portion(lake: Lake, store: Store, rows: "pa.Table", embedder: Embedder) -> None:
    texts = texts_to_embed(lake, rows)
    hashes, ids = rows.column("text_hash").to_pylist(), rows.column("chunk_id").to_pylist()
    for text, text_hash, chunk_id in zip(texts, hashes, ids, strict=True):
        if text_digest(text) != text_hash:
            raise IndexingError(f"chunk {chunk_id}: its text is not the one that was cut; remove the stores and cut again")
    made = embedder.embed(texts)
    refuse_faults(made, embedder.dimension, ids)
    _append(store, hashes, made)


def _check_probes(store: Store, embedder: Embedder) -> None:
    """A store holds the vectors of one way of computing. Fixed texts, embedded again, tell if it is still this one."""
    made = embedder.embed(PROBES)
    refuse_faults(made, embedder.dimension, [f"probe {text!r}" for text in PROBES])
    refuse_collapse(made, PROBES)
    hashes = [text_digest(f"probe\n{text}") for text in PROBES]
    if store.missing(hashes):
        _append(store, hashes, made)
        return
    worst = float((vectors_of(store, hashes, embedder.dimension) * made).sum(axis=1).min())
    if not worst >= SAME:
        raise IndexingError(
            f"embeddings.model: {embedder.model.settings.model} makes other vectors than those in {store.path} (cosine "
            f"{worst:.4f} for the same text); bring back the library versions that made them, or remove that folder"
        )


def _append(store: Store, hashes: list[str], made: "np.ndarray") -> None:
    import pyarrow as pa

    store.append(pa.table({"text_hash": hashes, "vector": pa.array(list(made), pa.list_(pa.float32()))}))
