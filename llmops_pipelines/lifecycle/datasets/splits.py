"""Which side of the split a document is on. No list of sides is kept: a document's own name decides, for ever.

A document beside a held-out one that says nearly the same is on neither side. So evaluation never loses a document to
training nor training one to evaluation, however the corpus grows and whatever its clusters are called.
"""

import hashlib
from collections.abc import Mapping
from typing import Literal

from llmops_pipelines.lifecycle.lake import Version

Side = Literal["train", "held_out"]
Place = Literal["train", "held_out", "neither"]


def side(doc_id: str, held_out: float) -> Side:
    """Side of a document by its name alone. `held_out` is the share (0 to 1) kept for evaluation; raising it moves documents
    only from "train" to "held_out"."""
    place = int.from_bytes(hashlib.sha256(f"split:{doc_id}".encode()).digest()[:8], "big") / 2**64
    return "held_out" if place < held_out else "train"


def sides(clusters: Mapping[str, str], held_out: float) -> dict[str, Place]:
    """For each document (`doc_id -> cluster`) its own side, or "neither" when a document of its cluster is held out and it
    is not: who learnt from it would know what evaluation asks about."""
    own: dict[str, Side] = {doc_id: side(doc_id, held_out) for doc_id in clusters}
    held = {clusters[doc_id] for doc_id, place in own.items() if place == "held_out"}
    return {doc_id: "neither" if place == "train" and clusters[doc_id] in held else place for doc_id, place in own.items()}


def sides_of(documents: Version, held_out: float) -> dict[str, Place]:
    """Of every document of the corpus. Near-duplicates that were left out of it still count as members of their clusters."""
    clusters = clusters_of(documents)
    ledger = documents.table("ledger", columns=["doc_id", "reason", "detail"]).to_pylist()
    left_out = {row["doc_id"]: clusters[row["detail"]] for row in ledger if row["reason"] == "near_duplicate"}
    found = sides(left_out | clusters, held_out)
    return {doc_id: found[doc_id] for doc_id in clusters}


def clusters_of(documents: Version) -> dict[str, str]:
    """doc_id -> cluster."""
    table = documents.table(columns=["doc_id", "cluster"])
    return dict(zip(table.column("doc_id").to_pylist(), table.column("cluster").to_pylist(), strict=True))


def trainable(consent: str, trust: str) -> bool:
    """Whether a model may learn from a document: its owners agreed, and its source is trusted."""
    return consent == "search_and_training" and trust == "trusted"
