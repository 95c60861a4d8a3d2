"""How well the right documents were found: ranking metrics of ir-measures, and what of it reached the model.

The unit is the document: several chunks of one count once, at the first of them.
"""

from collections.abc import Mapping, Sequence

DEPTH = 10  # ranks beyond this do not count
MEASURES = {
    "hit_at_1": "Success@1",
    "hit_at_3": "Success@3",
    "hit_at_5": "Success@5",
    "hit_at_10": "Success@10",
    "mrr_at_10": "RR@10",
    "ndcg_at_10": "nDCG@10",
    "map_at_10": "AP@10",
    "recall_at_10": "R@10",
}


def retrieval_scores(
    found: Mapping[str, Sequence[str]], relevant: Mapping[str, Sequence[str]], passages: int
) -> dict[str, dict[str, float]]:
    """metric -> question id -> score, for the documents `found` (of the retrieved chunks, best first) by question.

    document_precision and document_recall: the share of the documents of the first `passages` chunks that are relevant, and of
    the relevant ones that are among them. Raises ValueError for a question without a relevant document.
    """
    import ir_measures

    if lacking := [key for key in found if not relevant.get(key)]:
        raise ValueError(f"question {lacking[0]} has no relevant document; ranking metrics mean nothing for it")
    measures = {ir_measures.parse_measure(name): metric for metric, name in MEASURES.items()}
    # A question of which nothing was found is not in the run for ir-measures, and is worth 0.
    scores: dict[str, dict[str, float]] = {metric: dict.fromkeys(found, 0.0) for metric in MEASURES}
    wanted = {key: dict.fromkeys(relevant[key], 1) for key in found}
    runs = {key: _ranked(chunks) for key, chunks in found.items() if chunks}
    if runs:
        for each in ir_measures.iter_calc(list(measures), wanted, runs):
            scores[measures[each.measure]][each.query_id] = float(each.value)
    given = {key: set(chunks[:passages]) for key, chunks in found.items()}
    right = {key: len(given[key] & set(relevant[key])) for key in found}
    scores["document_precision"] = {key: right[key] / max(1, len(given[key])) for key in found}
    scores["document_recall"] = {key: right[key] / len(set(relevant[key])) for key in found}
    return scores


def _ranked(chunks_of: Sequence[str]) -> dict[str, float]:
    """document -> a score that falls with its rank: rankings are given to ir-measures as scores."""
    documents = list(dict.fromkeys(chunks_of))[:DEPTH]
    return {document: float(DEPTH - rank) for rank, document in enumerate(documents)}
