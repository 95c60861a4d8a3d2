"""The profile of a corpus: counts, lengths, vocabulary and the mean of its vectors; small, and enough to compare with later.

Only what changed since the profile before is counted. Everything that is kept is a sum of whole numbers, so that the result
is the same as from nothing, in whatever order it came about.
"""

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.index.embedding import vector_store, vectors_of
from llmops_pipelines.lifecycle.lake import Draft, Lake, Store, Version
from llmops_pipelines.lifecycle.lake.versions import DamagedVersion

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

CODE = "3"
ASSET = "corpus_profile"
COLUMNS = ["doc_id", "content_hash", "characters", "source"]
WORD = re.compile(r"[^\W\d_]{3,}")
VOCABULARY = 2000  # most frequent words compared; the tail says little about a shift of topic
UNIT = 2**30  # the number that 1.0 is in a sum of vectors
TEXTS_AT_ONCE, VECTORS_AT_ONCE = 1_024, 4_096  # in memory


def corpus_profile(lake: Lake, documents: Version, embeddings: Version) -> Version:
    """Describe the corpus: table `corpus_profile` (doc_id, content_hash, characters, source) and json `profile`."""

    def write(draft: Draft) -> None:
        before = _before(lake)
        table = documents.table(columns=COLUMNS).select(COLUMNS)
        words, counted = _words(lake, table.column("content_hash").to_pylist(), before)
        total, added = _vector_sum(lake, embeddings, before)
        passages = embeddings.rows()
        profile = {
            "documents": table.num_rows,
            "characters": sum(table.column("characters").to_pylist()),
            "words": dict(words[:VOCABULARY]),
            "mean_vector": [round(value / UNIT / max(passages, 1), 6) for value in total.tolist()],
            "embedder": embeddings.json("embedder")["fingerprint"],
        }
        draft.table(ASSET, table)
        draft.json("profile", profile)
        _keep(draft, words, total, profile["embedder"])
        draft.facts.update(
            documents=profile["documents"],
            characters=profile["characters"],
            mean_characters=round(profile["characters"] / max(table.num_rows, 1)),
            distinct_words=len(profile["words"]),
            passages=passages,
            texts_counted=counted,
            vectors_added=added,
        )

    return lake.once(ASSET, code=CODE, config={}, parents=[documents, embeddings], write=write)


def _before(lake: Lake) -> Version | None:
    """The last profile, if this code made it. Without one everything is counted, to the same result."""
    try:
        before = lake.current(ASSET)
    except DamagedVersion:
        return None
    return before if before and before.manifest["code"] == CODE else None


def _keep(draft: Draft, words: list[tuple[str, int]], total: "np.ndarray", embedder: str) -> None:
    """For the next profile to start from."""
    import pyarrow as pa

    counts = {"word": pa.array([word for word, _ in words], pa.string()), "count": [count for _, count in words]}
    draft.table("words", pa.table(counts), data=False)
    draft.json("vector_sum", {"embedder": embedder, "sum": total.tolist()}, data=False)


def _words(lake: Lake, hashes: list[str], before: Version | None) -> tuple[list[tuple[str, int]], int]:
    """Every word and how often it stands there, the most frequent first, and how many texts were counted for it."""
    now, then, counts = Counter(hashes), Counter[str](), Counter[str]()
    if before:
        then = Counter(before.table(columns=["content_hash"]).column(0).to_pylist())
        kept = before.table("words")
        counts = Counter(dict(zip(kept.column("word").to_pylist(), kept.column("count").to_pylist(), strict=True)))
    try:
        _count(lake, counts, then - now, -1)
    except KeyError:  # the text of a document that is gone was forgotten
        counts, then = Counter(), Counter()
    _count(lake, counts, now - then, 1)
    ranked = sorted(((word, count) for word, count in counts.items() if count), key=lambda pair: (-pair[1], pair[0]))
    return ranked, len(now - then) + len(then - now)


def _count(lake: Lake, counts: Counter[str], hashes: Counter[str], sign: int) -> None:
    """Add the words of these texts, or take them away."""
    wanted = list(hashes.items())
    for at in range(0, len(wanted), TEXTS_AT_ONCE):
        some = wanted[at : at + TEXTS_AT_ONCE]
        for text, (_, times) in zip(corpus.texts(lake, [content for content, _ in some]), some, strict=True):
            for word, count in Counter(map(str.lower, WORD.findall(text))).items():
                counts[word] += sign * times * count


def _vector_sum(lake: Lake, embeddings: Version, before: Version | None) -> "tuple[np.ndarray, int]":
    """int64 [d], in units of UNIT, and how many vectors were read for it."""
    import numpy as np

    described = embeddings.json("embedder")
    store, dimension = vector_store(lake, described["fingerprint"]), described["dimension"]
    now = _texts(embeddings)
    kept: dict[str, Any] = before.json("vector_sum") if before else {}
    if before and kept["embedder"] == described["fingerprint"]:
        try:
            then = _texts(lake.parent(before, "embeddings"))
            gone, new = _only_in(then, now), _only_in(now, then)
            total = np.array(kept["sum"], np.int64) - _sum(store, gone, dimension)
            return total + _sum(store, new, dimension), len(gone) + len(new)
        except (DamagedVersion, KeyError):  # what there was then is no longer all there
            pass
    return _sum(store, now.to_pylist(), dimension), len(now)


def _sum(store: Store, hashes: list[str], dimension: int) -> "np.ndarray":
    import numpy as np

    total = np.zeros(dimension, np.int64)
    for at in range(0, len(hashes), VECTORS_AT_ONCE):
        vectors = vectors_of(store, hashes[at : at + VECTORS_AT_ONCE], dimension)
        total += np.rint(vectors.astype(np.float64) * UNIT).astype(np.int64).sum(axis=0)
    return total


def _texts(embeddings: Version) -> "pa.ChunkedArray":
    return embeddings.table("embeddings", ["text_hash"]).column(0)


def _only_in(these: "pa.ChunkedArray", those: "pa.ChunkedArray") -> list[str]:
    import pyarrow.compute as pc

    return these.filter(pc.invert(pc.is_in(these, value_set=those.combine_chunks()))).to_pylist()
