"""How far the vectors of an embedder are from what they should be: measured on some texts, once per embedder.

bf16 is held against fp32 of the same weights; an endpoint, whose weights nobody here knows, against what it says now.
"""

from typing import TYPE_CHECKING, Any

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lake.digests import digest

from ..embedding import vector_store, vectors_of
from ..passages import texts_to_embed
from .embedder import Embedder
from .endpoint import Secrets

if TYPE_CHECKING:
    import numpy as np

CODE = "fidelity-1"
SAMPLE = 512  # texts
NEIGHBOURS = 10
COSINE_MEAN = 0.9999
COSINE_LEAST = 0.999  # of a single text; bf16 rounds at 0.004, and short texts feel it most
AGREEMENT = 0.985  # share of equal neighbours
COLUMNS = ["content_hash", "start", "end", "head", "text_hash"]


def fidelity(
    lake: Lake, chunks: Version, embeddings: Version, settings: Embeddings, secrets: Secrets | None = None
) -> dict[str, Any]:
    """Cosine (mean, least) of stored vectors with the reference, and the share of equal neighbours among the sample.

    Measured once per embedder and kept, once there are `SAMPLE` texts; before that per version. With fp32 computed here
    there is nothing to compare.
    """
    import pyarrow as pa

    if settings.precision == "fp32" and settings.endpoint is None:
        return {"compared_with": "nothing: computed here in fp32"}
    described = embeddings.json("embedder")
    hashes = embeddings.table().column("text_hash").slice(0, SAMPLE).to_pylist()  # sorted by hash: a random sample
    kept = lake.store("fidelity", described["fingerprint"], "key")
    key = digest([CODE, SAMPLE, hashes if len(hashes) < SAMPLE else []])
    if not kept.missing([key]):
        return kept.take([key]).drop_columns("key").to_pylist()[0]
    stored = vectors_of(vector_store(lake, described["fingerprint"]), hashes, described["dimension"])
    reference = Embedder.open(settings.model_copy(update={"precision": "fp32"}), secrets)
    found = compared(stored, reference.embed(_texts(lake, chunks, hashes)))
    found["compared_with"] = "the endpoint, asked again" if settings.endpoint else "fp32"
    kept.append(pa.Table.from_pylist([{"key": key, **found}]))
    return found


def the_embedder_is_faithful(
    lake: Lake, chunks: Version, embeddings: Version, settings: Embeddings, secrets: Secrets | None = None
) -> tuple[bool, dict[str, Any]]:
    """Vectors are those of fp32, and they find the same neighbours. For an asset check: passed, and numbers to show."""
    found = fidelity(lake, chunks, embeddings, settings, secrets)
    if "cosine_mean" not in found:
        return True, found
    faithful = (
        found["cosine_mean"] >= COSINE_MEAN and found["cosine_least"] >= COSINE_LEAST and found["same_neighbours"] >= AGREEMENT
    )
    return faithful, found


def compared(stored: "np.ndarray", reference: "np.ndarray") -> dict[str, Any]:
    """Of unit vectors, row by row."""
    cosines = (stored.astype("float64") * reference).sum(axis=1)
    return {
        "texts": len(stored),
        "cosine_mean": round(float(cosines.mean()), 6),
        "cosine_least": round(float(cosines.min()), 6),
        "same_neighbours": round(agreement(stored, reference), 4),
    }


def agreement(one: "np.ndarray", other: "np.ndarray", count: int = NEIGHBOURS) -> float:
    """Share of the `count` nearest rows of each row that are the same in both; 1 when there is nobody beside a row."""
    import numpy as np

    count = min(count, len(one) - 1)
    if count < 1:
        return 1.0
    near = [_nearest(vectors, count) for vectors in (one, other)]
    return float(np.mean([len(set(a) & set(b)) / count for a, b in zip(*near, strict=True)]))


def _nearest(vectors: "np.ndarray", count: int) -> list[list[int]]:
    import numpy as np

    near = vectors @ vectors.T
    np.fill_diagonal(near, -np.inf)
    return np.argpartition(-near, count - 1, axis=1)[:, :count].tolist()


def _texts(lake: Lake, chunks: Version, hashes: list[str]) -> list[str]:
    """The texts of these hashes, in their order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pa.array(hashes)
    found: dict[str, str] = {}
    for batch in chunks.batches("chunks", COLUMNS):
        rows = batch.filter(pc.is_in(batch.column("text_hash"), wanted))
        found.update(zip(rows.column("text_hash").to_pylist(), texts_to_embed(lake, rows), strict=True))
        if len(found) == len(hashes):
            break
    return [found[text_hash] for text_hash in hashes]
