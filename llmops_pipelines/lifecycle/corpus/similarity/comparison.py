"""Compares all texts of a corpus with each other, and keeps what was found: a text is profiled once, a pair read once.

The arithmetic is in duplicates.py; here are the stores, and the way from documents to distinct texts and back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...lake.digests import digest, text_digest
from .. import work
from . import duplicates

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from ...lake import Lake

TEXTS_AT_ONCE = 1_024


@dataclass(frozen=True)
class Comparison:
    """Per document: the first doc_id of its cluster, and the doc_id kept instead of its text (None when that stays)."""

    clusters: list[str]
    kept_instead: list[str | None]
    distinct: int
    compared: int
    reused: int


def compare(
    lake: "Lake", doc_ids: "pa.ChunkedArray", contents: "pa.ChunkedArray", similarity: float, standing: "np.ndarray"
) -> Comparison:
    """Find near-duplicates and clusters. The first is kept: the one of lowest `standing` (int[documents]), then by doc_id.

    Equal inputs in another order give the same.
    """
    import numpy as np

    texts, of_document = _distinct(contents)
    rank = _ranks(doc_ids, standing)
    first = np.full(len(texts), len(doc_ids), np.int64)  # of each text, the smallest rank of its documents
    np.minimum.at(first, of_document, rank)
    profiles = _Profiles(lake, texts, similarity)
    pairs = duplicates.candidate_pairs(profiles.bands, profiles.sizes, similarity, first)
    jaccards, compared = _jaccards(lake, texts, profiles.sizes, pairs)
    dropped, near = duplicates.similar(pairs, jaccards, first, similarity)
    stays = np.ones(len(texts), bool)
    stays[list(dropped)] = False
    mine = stays[profiles.owners]
    shared = duplicates.shared_paragraphs(profiles.paragraphs[mine], profiles.owners[mine])
    cluster = duplicates.clusters(first, near, shared)
    by_rank = doc_ids.take(np.argsort(rank)).to_pylist()
    names = [by_rank[place] for place in first]
    instead = {text: names[kept] for text, kept in dropped.items()}
    return Comparison(
        clusters=[names[cluster[text]] for text in of_document],
        kept_instead=[instead.get(text) for text in of_document.tolist()],
        distinct=len(texts),
        compared=compared,
        reused=len(pairs) - compared,
    )


def _distinct(contents: "pa.ChunkedArray") -> "tuple[list[str], np.ndarray]":
    import pyarrow as pa

    encoded = contents.dictionary_encode()
    whole = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.unify_dictionaries().chunk(0) if whole.num_chunks else pa.array([], pa.string()).dictionary_encode()
    return whole.dictionary.to_pylist(), whole.indices.to_numpy(zero_copy_only=False)


def _ranks(doc_ids: "pa.ChunkedArray", standing: "np.ndarray") -> "np.ndarray":
    import numpy as np
    import pyarrow.compute as pc

    by_name = pc.sort_indices(doc_ids).to_numpy()
    order = by_name[np.argsort(standing[by_name], kind="stable")]
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


class _Profiles:
    """The stored profiles of all texts as arrays; `owners` are the texts of the long paragraphs."""

    def __init__(self, lake: "Lake", texts: list[str], similarity: float) -> None:
        import numpy as np

        store = lake.store("profiles", digest(work.profile_identity(similarity)), "content_hash")
        for some in _portions(store.missing(texts)):
            found = duplicates.profiles(work.stored_texts(lake, some), similarity)
            store.append(duplicates.profile_table(some, found))
        count, _ = duplicates.bands(similarity)
        self.bands = np.zeros((len(texts), count), np.uint64)
        self.sizes = np.zeros(len(texts), np.int64)
        paragraphs, owners = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        row = 0
        for some in _portions(texts):
            table = store.take(some)
            end = row + len(some)
            self.bands[row:end] = _flat(table, "bands").reshape(len(some), count)
            self.sizes[row:end] = table.column("size").to_numpy()
            paragraphs.append(_flat(table, "paragraphs"))
            lengths = table.column("paragraphs").combine_chunks().value_lengths().to_numpy(zero_copy_only=False)
            owners.append(np.repeat(np.arange(row, end), lengths))
            row = end
        self.paragraphs, self.owners = np.concatenate(paragraphs), np.concatenate(owners)


def _flat(table: "pa.Table", column: str) -> "np.ndarray":
    """Delta has no unsigned numbers: the same 64 bits come back signed."""
    import numpy as np

    return table.column(column).combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64)


def _jaccards(lake: "Lake", texts: list[str], sizes: "np.ndarray", pairs: "np.ndarray") -> "tuple[np.ndarray, int]":
    """Similarity of each pair, and how many had to be read for it; the others are known from earlier runs."""
    import numpy as np
    import pyarrow as pa

    store = lake.store("similar", digest(duplicates.CODE), "pair")
    keys = [_pair(texts[a], texts[b]) for a, b in pairs.tolist()]
    new = set(store.missing(keys))
    unknown = np.flatnonzero([key in new for key in keys])
    for part in duplicates.batches(pairs[unknown], sizes):
        rows = unknown[part]
        needed, local = np.unique(pairs[rows], return_inverse=True)
        found = duplicates.verify(local.reshape(-1, 2), work.stored_texts(lake, [texts[text] for text in needed]))
        store.append(pa.table({"pair": [keys[row] for row in rows], "jaccard": found}))
    known = [np.zeros(0)]
    known += [store.take(some, ["jaccard"]).column("jaccard").to_numpy() for some in _portions(keys)]
    return np.concatenate(known), len(unknown)


def _pair(a: str, b: str) -> str:
    return text_digest(f"{min(a, b)} {max(a, b)}")


def _portions(items: list[str]) -> Iterator[list[str]]:
    return (items[at : at + TEXTS_AT_ONCE] for at in range(0, len(items), TEXTS_AT_ONCE))
