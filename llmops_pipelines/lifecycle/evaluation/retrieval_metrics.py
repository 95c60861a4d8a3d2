"""How well the right document was found: hit@k, reciprocal rank and nDCG on ranked documents."""

from collections.abc import Sequence
from math import log2

DEPTH = 10


def documents_in_order(doc_ids: Sequence[str]) -> list[str]:
    """Documents by their first chunk in a ranking of chunks."""
    return list(dict.fromkeys(doc_ids))


def hit(ranked: Sequence[str], relevant: set[str], k: int) -> float:
    """1.0 if a relevant document is among the first `k`."""
    return float(any(doc_id in relevant for doc_id in ranked[:k]))


def reciprocal_rank(ranked: Sequence[str], relevant: set[str]) -> float:
    """1 / rank of the first relevant document within `DEPTH`, else 0 (Voorhees 1999, TREC-8 question answering)."""
    return next((1 / rank for rank, doc_id in enumerate(ranked[:DEPTH], start=1) if doc_id in relevant), 0.0)


def ndcg(ranked: Sequence[str], relevant: set[str]) -> float:
    """Normalised discounted cumulative gain at `DEPTH` with gains 0 and 1 (Järvelin & Kekäläinen 2002).

    Raises ValueError without a relevant document: the ideal ranking would be worth nothing."""
    if not relevant:
        raise ValueError("nDCG needs at least one relevant document")
    gain = sum(1 / log2(rank + 1) for rank, doc_id in enumerate(ranked[:DEPTH], start=1) if doc_id in relevant)
    return gain / sum(1 / log2(rank + 1) for rank in range(1, min(len(relevant), DEPTH) + 1))


def retrieval_scores(chunks_of: Sequence[str], relevant: set[str]) -> dict[str, float]:
    """All ranking metrics for the documents (`chunks_of`) of the retrieved chunks, best first."""
    ranked = documents_in_order(chunks_of)
    hits = {f"hit_at_{k}": hit(ranked, relevant, k) for k in (1, 3, 5, 10)}
    return {**hits, "mrr_at_10": reciprocal_rank(ranked, relevant), "ndcg_at_10": ndcg(ranked, relevant)}
