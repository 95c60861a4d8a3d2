"""Is what an engine holds exactly what was to be indexed? Asked of the engine itself, before anything is published.

Every id is asked for, always. What costs more is asked of what a build wrote and of a sample of the rest: that was verified
when it was written, came here with the bytes of its files, and their sha256 are in the manifest of the version.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.lake import Lake, Store

from .embedding import vectors_of
from .engines.contract import EFS, EVERYTHING, Found, Reader
from .engines.holdings import Holdings, names, packed_digests, packed_ids
from .errors import IndexingError
from .passages import texts_to_embed
from .search import lexical
from .search.expansion import points_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from .changes import Changes

VECTOR_TOLERANCE = 1e-6  # per component, of a float32 that went through JSON
SCORE_TOLERANCE = 1e-5
NEAREST = 10
RECALL = 0.99  # least share of the exact ten nearest that a search must find
SAMPLED = (64, 32)  # rows, and how many of them of what stayed: enough to measure recall
SAMPLED_AGAIN = (32, 8)  # where recall is not measured
DRIFTED = 0.1  # share of the points that may change before recall is measured again


@dataclass(frozen=True)
class Recall:
    """A measured recall: with which effort, on how many points, and how many were written or removed since."""

    at_10: float
    ef: int
    points: int
    changed: int = 0

    def after(self, changes: "Changes") -> "Recall | None":
        """Still good after these changes, or None when it has to be measured again."""
        changed = self.changed + changes.counts["upserted"] + changes.counts["deleted"]
        return replace(self, changed=changed) if changed <= DRIFTED * self.points else None

    def described(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Verified:
    """What was seen. `facts` are for people."""

    recall: Recall
    samples: int
    by_words: float

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "verified_samples": self.samples,
            "recall_at_10": self.recall.at_10,
            "recall_measured_changes_ago": self.recall.changed,
            "ef": self.recall.ef,
            "found_by_own_words": round(self.by_words, 4),
        }


def verify(
    lake: Lake, reader: Reader, changes: "Changes", store: Store, dimension: int, place: str, last: Recall | None = None
) -> Verified:
    """Raise IndexingError unless count, ids, contents, sampled vectors and sampled searches are right.

    `last` is the recall that was measured on the graph that this one came from; without one it is measured now.
    """
    recall = last.after(changes) if last else None
    rows = changes.sample(*(SAMPLED if recall is None else SAMPLED_AGAIN))
    _verify_contents(reader, changes, rows, place)
    expected = _expected(rows, changes.vectors, store, dimension)
    _verify_vectors(reader, rows, expected, place)
    _verify_search(reader, rows, expected, place)
    by_words = _verify_words(lake, reader, rows, place)
    if recall is None:
        found = round(_sufficient_recall(reader, _between(expected), place), 4)
        recall = Recall(found, reader.ef, len(changes.wanted))
    return Verified(recall, rows.num_rows, by_words)


def held_now(reader: Reader, recorded: Holdings, looked: "np.ndarray", place: str) -> Holdings:
    """What a reader holds: every id as the engine has it, and of `looked` (packed ids) what the engine says of them. What it
    says of the others is taken from the record."""
    import numpy as np

    ids = reader.ids()
    at = recorded.find(ids)
    digests = np.where(at >= 0, recorded.digests[at], 0)
    said = points_of(reader, names(looked), EVERYTHING)
    seen = Holdings.of([(packed_ids(list(said)), packed_digests([point.digest for point in said.values()]))], place)
    row, asked = seen.find(ids), np.isin(ids, looked)
    digests[asked] = 0
    digests[row >= 0] = seen.digests[row[row >= 0]]
    return Holdings.of([(ids, digests)], place)


def recall_at(reader: Reader, vectors: "np.ndarray", k: int) -> float:
    """Share of the exact k nearest that an ordinary search finds; equally near ones stand for each other."""
    quick, exact = reader.dense(vectors, k, EVERYTHING), reader.dense(vectors, k, EVERYTHING, exact=True)
    found = sum(
        sum(hit.score >= best[-1].score - SCORE_TOLERANCE for hit in answer) for answer, best in zip(quick, exact, strict=True)
    )
    return min(1.0, found / max(1, sum(len(best) for best in exact)))


def _sufficient_recall(reader: Reader, vectors: "np.ndarray", place: str) -> float:
    """Leaves the reader with the least effort that finds enough; the last of them is to look at every passage."""
    recall = 0.0
    for reader.ef in EFS:
        recall = recall_at(reader, vectors, NEAREST)
        if recall >= RECALL:
            return recall
    raise IndexingError(
        f"{place}: an exact search finds {recall:.3f} of the {NEAREST} nearest passages that it found a moment before; nothing "
        "was published; run it again, and look after the engine if that happens again"
    )


def _expected(rows: "pa.Table", known: "dict[str, np.ndarray]", store: Store, dimension: int) -> "np.ndarray":
    """The vectors of these rows, those of what was just written from memory."""
    import numpy as np

    hashes = rows.column("text_hash").to_pylist()
    others = list(dict.fromkeys(text_hash for text_hash in hashes if text_hash not in known))
    known = known | dict(zip(others, vectors_of(store, others, dimension), strict=True))
    return np.stack([known[text_hash] for text_hash in hashes])


def _verify_contents(reader: Reader, changes: "Changes", rows: "pa.Table", place: str) -> None:
    """All that was written and what is sampled is looked at one by one, where the rest is more than that."""
    import numpy as np

    wanted, count = changes.wanted, reader.count(EVERYTHING)
    if changes.are_few:
        looked = np.union1d(changes.written, packed_ids(rows.column("chunk_id").to_pylist()))
        held = held_now(reader, wanted, looked, place)
    else:
        held = reader.holdings()
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
    lost = _lost(reader, rows, reader.dense(expected, NEAREST, EVERYTHING))
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
    return 1 - len(_lost(reader, rows.take(asked), answers)) / max(1, len(asked))


def _lost(reader: Reader, rows: "pa.Table", answers: Sequence[Sequence[Found]]) -> list[str]:
    """The chunks that their answer has neither by their id nor by their text."""
    asked = zip(rows.column("chunk_id").to_pylist(), rows.column("text_hash").to_pylist(), answers, strict=True)
    doubted = [(chunk, text_hash, [hit.chunk_id for hit in found]) for chunk, text_hash, found in asked]
    doubted = [(chunk, text_hash, ids) for chunk, text_hash, ids in doubted if chunk not in ids]
    said = reader.points(sorted({name for _, _, ids in doubted for name in ids}), EVERYTHING)
    return [chunk for chunk, text_hash, ids in doubted if text_hash not in {said[name].text_hash for name in ids}]


def _between(vectors: "np.ndarray") -> "np.ndarray":
    """Questions for a recall that means something: no passage, but near to two of them."""
    import numpy as np

    mixed = 0.8 * vectors + 0.6 * np.roll(vectors, 1, axis=0)
    lengths = np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.where(lengths > 0, mixed / np.where(lengths > 0, lengths, 1), vectors).astype(np.float32)
