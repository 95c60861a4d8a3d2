"""Is what an engine holds exactly what was to be indexed? Asked of the engine itself, before anything is published."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.lake import Lake, Store

from .embedding import vectors_of
from .engines.contract import EFS, EVERYTHING, Found, Reader
from .errors import IndexingError
from .passages import texts_to_embed
from .search import lexical

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from .changes import Changes
    from .engines.holdings import Holdings

VECTOR_TOLERANCE = 1e-6  # per component, of a float32 that went through JSON
SCORE_TOLERANCE = 1e-5
NEAREST = 10
RECALL = 0.99  # least share of the exact ten nearest that a search must find


def verify(lake: Lake, reader: Reader, changes: "Changes", store: Store, dimension: int, place: str) -> dict[str, Any]:
    """Raise IndexingError unless count, ids, contents, sampled vectors and sampled searches are right. Returns the facts."""
    _verify_contents(reader, changes.wanted, place)
    rows = changes.sample
    hashes = list(dict.fromkeys(rows.column("text_hash").to_pylist()))
    made = vectors_of(store, hashes, dimension)
    number = {text_hash: row for row, text_hash in enumerate(hashes)}
    expected = made[[number[text_hash] for text_hash in rows.column("text_hash").to_pylist()]]
    _verify_vectors(reader, rows, expected, place)
    _verify_search(reader, rows, expected, place)
    by_words = _verify_words(lake, reader, rows, place)
    recall = _sufficient_recall(reader, _between(expected), place)
    return {
        "verified_samples": rows.num_rows,
        "recall_at_10": round(recall, 4),
        "ef": reader.ef,
        "found_by_own_words": round(by_words, 4),
    }


def recall_at(reader: Reader, vectors: "np.ndarray", k: int) -> float:
    """Share of the exact k nearest that an ordinary search finds; equally near ones stand for each other."""
    quick, exact = reader.dense(vectors, k, EVERYTHING), reader.dense(vectors, k, EVERYTHING, exact=True)
    found = sum(
        sum(hit.score >= best[-1].score - SCORE_TOLERANCE for hit in answer) for answer, best in zip(quick, exact, strict=True)
    )
    return min(1.0, found / max(1, sum(len(best) for best in exact)))


def _sufficient_recall(reader: Reader, vectors: "np.ndarray", place: str) -> float:
    """Leaves the reader with the least effort that finds enough."""
    recall = 0.0
    for reader.ef in EFS:
        recall = recall_at(reader, vectors, NEAREST)
        if recall >= RECALL:
            return recall
    raise IndexingError(
        f"{place}: a search finds {recall:.3f} of the {NEAREST} nearest passages, {RECALL} are needed; nothing was published; "
        "if index.quantization is int8, set it to none"
    )


def _verify_contents(reader: Reader, wanted: "Holdings", place: str) -> None:
    held, count = reader.holdings(), reader.count(EVERYTHING)
    if held != wanted or count != len(wanted):
        first = next(iter(held.differing(wanted)), "?")
        raise IndexingError(
            f"{place}: holds {count} chunks, {len(wanted)} were to be there, the first that differs is {first}; "
            "nothing was published, run it again"
        )


def _verify_vectors(reader: Reader, rows: "pa.Table", expected: "np.ndarray", place: str) -> None:
    import numpy as np

    ids = rows.column("chunk_id").to_pylist()
    stored = reader.vectors(ids)
    for chunk, wanted in zip(ids, expected, strict=True):
        row = np.asarray(stored.get(chunk, []), dtype=np.float32)
        if row.shape != wanted.shape or not np.abs(row - wanted).max() <= VECTOR_TOLERANCE:
            raise IndexingError(f"{place}: the vector of chunk {chunk} is not the one embedded; nothing was published")


def _verify_search(reader: Reader, rows: "pa.Table", expected: "np.ndarray", place: str) -> None:
    """A chunk, searched with its own vector, must be found (or one with the same text: their order is arbitrary)."""
    lost = _lost(rows, reader.dense(expected, NEAREST, EVERYTHING))
    if lost:
        raise IndexingError(
            f"{place}: {len(lost)} of {rows.num_rows} chunks are not found by their own vector, first {lost[0]}; "
            "nothing was published"
        )


def _verify_words(lake: Lake, reader: Reader, rows: "pa.Table", place: str) -> float:
    """All words of a chunk must find something. Returns the share of chunks that find themselves among the first ten, which
    is not all: a longer passage with the same words may stand above them."""
    terms = lexical.document_vectors(texts_to_embed(lake, rows), rows.column("language").to_pylist())
    asked = [row for row, sparse in enumerate(terms) if sparse.indices]
    answers = reader.sparse([terms[row] for row in asked], NEAREST, EVERYTHING)
    ids = rows.column("chunk_id").to_pylist()
    nothing = [ids[row] for row, found in zip(asked, answers, strict=True) if not found]
    if nothing:
        raise IndexingError(
            f"{place}: {len(nothing)} of {len(asked)} chunks are not found by their words, first {nothing[0]}; "
            "nothing was published"
        )
    return 1 - len(_lost(rows.take(asked), answers)) / max(1, len(asked))


def _lost(rows: "pa.Table", answers: Sequence[Sequence[Found]]) -> list[str]:
    asked = zip(rows.column("chunk_id").to_pylist(), rows.column("text_hash").to_pylist(), answers, strict=True)
    return [chunk for chunk, text_hash, found in asked if text_hash not in {hit.point.text_hash for hit in found}]


def _between(vectors: "np.ndarray") -> "np.ndarray":
    """Questions for a recall that means something: no passage, but near to two of them."""
    import numpy as np

    mixed = 0.8 * vectors + 0.6 * np.roll(vectors, 1, axis=0)
    lengths = np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.where(lengths > 0, mixed / np.where(lengths > 0, lengths, 1), vectors).astype(np.float32)
