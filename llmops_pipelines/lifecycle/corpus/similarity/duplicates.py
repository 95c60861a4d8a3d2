"""Documents that say the same: near-duplicates by verified word sequences, and clusters that also share a long paragraph.

Texts are rows of arrays here; `order` gives each row its rank (of its first document), so no result depends on the order of
rows or on which run saw a text first. MinHash: Broder 1997; bands: Leskovec et al., Mining of Massive Datasets, section 3.4.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from . import shingles as words

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

CODE = f"duplicates 2, {words.CODE}"
LIBRARIES = ()
PERMUTATIONS = 128  # at most
MISSED = 0.001  # highest chance that a pair at exactly the wanted similarity is no candidate
MANY = 2_000_000  # pairs that wait to be made unique
BATCH_CELLS = 2**16  # of a matrix of hashes: what stays in the processor's cache


def bands(similarity: float) -> tuple[int, int]:
    """(number of bands, rows per band): the longest bands for which a pair at `similarity` is missed with a chance of at
    most MISSED, and no more of them than that takes. A band of r rows is equal with probability s**r."""
    for rows in range(32, 0, -1):
        for count in range(1, PERMUTATIONS // rows + 1):
            if (1 - similarity**rows) ** count <= MISSED:
                return count, rows
    return PERMUTATIONS, 1


def profiles(texts: Sequence[str], similarity: float) -> dict[str, Any]:
    """What comparison needs of each text, as arrays.

    bands: uint64[texts, bands], equal in one column where two texts may be similar. sizes: int64[texts], different
    sequences. paragraphs: uint64[m], digests of long paragraphs, and owners: int64[m], their texts (ascending).
    """
    found = words.shingles(texts)
    keys = _distinct(found)
    return {
        "bands": _band_keys(_signatures(found.hashes, found.starts, similarity), similarity),
        "sizes": _sizes(keys, len(texts)),
        "paragraphs": found.paragraphs,
        "owners": found.owners,
    }


def profile_table(contents: Sequence[str], found: dict[str, Any]) -> "pa.Table":
    """Profiles as rows: content_hash, bands, size, paragraphs. Delta has no unsigned numbers: their 64 bits are kept signed."""
    import numpy as np
    import pyarrow as pa

    width = found["bands"].shape[1]
    offsets = np.searchsorted(found["owners"], np.arange(len(contents) + 1)).astype(np.int32)
    return pa.table(
        {
            "content_hash": pa.array(contents, pa.string()),
            "bands": pa.FixedSizeListArray.from_arrays(pa.array(found["bands"].ravel().view(np.int64)), width),
            "size": pa.array(found["sizes"]),
            "paragraphs": pa.ListArray.from_arrays(pa.array(offsets), pa.array(found["paragraphs"].view(np.int64))),
        }
    )


def candidate_pairs(
    keys: "np.ndarray", sizes: "np.ndarray", similarity: float, order: "np.ndarray | None" = None
) -> "np.ndarray":
    """Pairs of rows (int64[m, 2]; first < second) that share a band and whose sizes allow `similarity`.

    In a bucket of more than `limit` texts (pages of one template) each is paired only with the few first by `order`.
    Similar texts that are missed there share other, smaller buckets: those whose hashes come from what is not template.
    """
    import numpy as np

    from .buckets import buckets, pairs_within

    ranked = np.arange(len(keys)) if order is None else np.argsort(order)
    sizes = sizes[ranked]
    found = [buckets(keys[ranked, column]) for column in range(keys.shape[1])]
    parts, waiting = [np.zeros((0, 2), np.int64)], 0
    for first, second in pairs_within(found, len(keys)):
        a, b = sizes[first], sizes[second]
        possible = np.minimum(a, b) >= similarity * np.maximum(a, b) * (1 - 1e-9)
        parts.append(np.stack([first[possible], second[possible]], axis=1))
        waiting += len(parts[-1])
        if waiting > MANY:
            parts, waiting = [_unique(np.concatenate(parts), len(keys))], 0
    pairs = _unique(np.concatenate(parts), len(keys))
    return _unique(np.sort(ranked[pairs], axis=1), len(keys))


def _unique(pairs: "np.ndarray", rows: int) -> "np.ndarray":
    """Each pair once, sorted."""
    import numpy as np

    numbers = np.sort(pairs[:, 0].astype(np.int64) * rows + pairs[:, 1])
    numbers = numbers[np.concatenate([[True], numbers[1:] != numbers[:-1]])] if len(numbers) else numbers
    return np.stack(np.divmod(numbers, max(1, rows)), axis=1)


def batches(pairs: "np.ndarray", sizes: "np.ndarray", most: int = 2_000_000) -> Iterator[slice]:
    """Consecutive slices of `pairs` whose texts have about `most` sequences together: what one call of `verify` gets."""
    import numpy as np

    total = np.cumsum(sizes[pairs].sum(axis=1))
    start = 0
    while start < len(pairs):
        limit = (total[start - 1] if start else 0) + most
        end = max(start + 1, int(np.searchsorted(total, limit, side="right")))
        yield slice(start, end)
        start = end


def verify(pairs: "np.ndarray", texts: Sequence[str]) -> "np.ndarray":
    """Jaccard similarity of each pair (rows are places in `texts`): shared sequences over all sequences; float64[m]."""
    import numpy as np

    if not len(pairs):
        return np.zeros(0)
    keys = _distinct(words.shingles(texts))
    sizes = _sizes(keys, len(texts))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    shared = np.concatenate([_shared(keys, starts, pairs[part]) for part in batches(pairs, sizes)])
    return shared / (sizes[pairs].sum(axis=1) - shared)


def similar(
    pairs: "np.ndarray", jaccards: "np.ndarray", order: "np.ndarray", similarity: float
) -> tuple[dict[int, int], "np.ndarray"]:
    """({row to drop: row kept instead}, pairs at or above `similarity`).

    A text is dropped when it is similar to a text kept before it, by `order`; the first such text is named.
    """
    import numpy as np

    near = pairs[jaccards >= similarity]
    ranked = np.sort(order[near], axis=1)
    ranked = ranked[np.lexsort((ranked[:, 0], ranked[:, 1]))]
    dropped: dict[int, int] = {}
    for first, second in ranked.tolist():  # all pairs of `first` as the later one came before
        if first not in dropped and second not in dropped:
            dropped[second] = first
    row = dict(zip(order[near].ravel().tolist(), near.ravel().tolist(), strict=True))
    return {row[second]: row[first] for second, first in dropped.items()}, near


def shared_paragraphs(paragraphs: "np.ndarray", owners: "np.ndarray") -> "np.ndarray":
    """Pairs of rows (int64[m, 2]) that connect all owners of an equal long paragraph."""
    import numpy as np

    place = np.argsort(paragraphs, kind="stable")
    same = np.flatnonzero(paragraphs[place[1:]] == paragraphs[place[:-1]])
    return np.stack([owners[place[same]], owners[place[same + 1]]], axis=1).astype(np.int64)


def clusters(order: "np.ndarray", *links: "np.ndarray") -> "np.ndarray":
    """For each row the first row, by `order`, of those it is connected with; int64[rows]."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.concatenate([np.zeros((0, 2), np.int64), *links])
    graph = coo_array((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape=(len(order), len(order)))
    _, group = connected_components(graph, directed=False)
    by_order = np.argsort(order)
    _, first = np.unique(group[by_order], return_index=True)
    return by_order[first][group]


def _distinct(found: words.Shingles) -> "np.ndarray":
    """Sorted uint64 keys of all texts' different sequences: the text's number in the upper bits, the hash below."""
    import numpy as np

    if len(found.starts) > 2 ** (64 - words.BITS):
        raise ValueError(f"{len(found.starts) - 1} texts at once; at most {2 ** (64 - words.BITS) - 1}")
    text = np.repeat(np.arange(len(found.starts) - 1, dtype=np.uint64), np.diff(found.starts))
    keys = np.sort(text << np.uint64(words.BITS) | found.hashes)
    return keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys


def _sizes(keys: "np.ndarray", count: int) -> "np.ndarray":
    import numpy as np

    return np.bincount((keys >> np.uint64(words.BITS)).astype(np.int64), minlength=count)


def _shared(keys: "np.ndarray", starts: "np.ndarray", pairs: "np.ndarray") -> "np.ndarray":
    """How many sequences each pair has in common: those that stand twice when both texts' are sorted together."""
    import numpy as np

    counts = np.diff(starts)[pairs].ravel()
    ends = np.cumsum(counts)
    index = np.arange(ends[-1]) + np.repeat(starts[pairs].ravel() - (ends - counts), counts)
    hashes = keys[index] & np.uint64(2**words.BITS - 1)
    pair = np.repeat(np.arange(len(pairs), dtype=np.uint64).repeat(2), counts)
    merged = np.sort(pair << np.uint64(words.BITS) | hashes)
    twice = merged[1:][merged[1:] == merged[:-1]]
    return np.bincount((twice >> np.uint64(words.BITS)).astype(np.int64), minlength=len(pairs))


def _signatures(hashes: "np.ndarray", starts: "np.ndarray", similarity: float) -> "np.ndarray":
    """uint32[permutations, texts]: the smallest hash of each text under each permutation.

    Texts of like size share a matrix, filled up with a sequence of their own: one pass of numpy serves them all.
    """
    import numpy as np

    count, rows = bands(similarity)
    flips, factors = _permutations()
    short = (hashes >> np.uint64(words.BITS - 32)).astype(np.uint32)
    sizes = np.diff(starts)
    by_size = np.argsort(sizes, kind="stable")
    signatures = np.empty((count * rows, len(sizes)), np.uint32)
    place = 0
    while place < len(by_size):
        few = by_size[place : place + max(1, BATCH_CELLS // int(sizes[by_size[place]]))]
        longest = int(sizes[few[-1]])
        few = few[: max(1, 2 * BATCH_CELLS // longest)]
        longest = int(sizes[few[-1]])
        matrix = short[starts[few] + np.minimum(np.arange(longest)[:, None], sizes[few] - 1)]
        permuted, smallest = np.empty_like(matrix), np.empty((count * rows, len(few)), np.uint32)
        for number in range(count * rows):
            np.bitwise_xor(matrix, flips[number], out=permuted)
            np.multiply(permuted, factors[number], out=permuted)
            np.minimum.reduce(permuted, axis=0, out=smallest[number])
        signatures[:, few] = smallest
        place += len(few)
    return signatures


@lru_cache(maxsize=1)
def _permutations() -> tuple["np.ndarray", "np.ndarray"]:
    """x -> (x ^ flip) * odd factor is a bijection of 32 bits."""
    import numpy as np

    numbers = (words.mix(np.arange(1, 2 * PERMUTATIONS + 1, dtype=np.uint64)) >> np.uint64(32)).astype(np.uint32)
    return numbers[:PERMUTATIONS], numbers[PERMUTATIONS:] | np.uint32(1)


def _band_keys(signatures: "np.ndarray", similarity: float) -> "np.ndarray":
    import numpy as np

    count, rows = bands(similarity)
    keys = np.zeros((count, signatures.shape[1]), np.uint64)
    for row in range(rows):
        keys = words.mix(keys + signatures[row::rows] + np.uint64(row + 1))
    return np.ascontiguousarray(keys.T)
