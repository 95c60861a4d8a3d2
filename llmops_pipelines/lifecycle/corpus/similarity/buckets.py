"""Texts with the same band key stand in one bucket; here buckets are found by sorting and become pairs to compare.

Rows are given in the order that decides who is first. Memory is O(rows) per band, and how many pairs come out is bounded.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LARGEST = 512  # rows in a bucket that are all compared with each other
SMALLEST = 16  # what LARGEST is lowered to, at most, where there are too many pairs
ANCHORS = 4  # first rows of a larger bucket, which all others in it are compared with
ALWAYS = 5_000_000  # pairs, over all bands, that are never too many
PER_ROW = 5


def buckets(keys: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
    """(rows that share their key with another, bucket by bucket and ascending inside; the size of each bucket).

    The row's number takes the place of the key's lowest bits, which a hash can spare: one sort of plain numbers does all.
    """
    import numpy as np

    bits = np.uint64(max(1, len(keys)).bit_length())
    packed = np.sort((keys >> bits << bits) | np.arange(len(keys), dtype=np.uint64))
    same = (packed[1:] >> bits) == (packed[:-1] >> bits)
    before, after = np.concatenate([[False], same]), np.concatenate([same, [False]])
    shared = before | after if len(packed) else np.zeros(0, bool)
    rows = (packed[shared] & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int32)
    starts = np.flatnonzero(~before[shared]) if len(packed) else np.zeros(0, np.int64)
    return rows, np.diff(np.append(starts, len(rows)))


def pairs_within(found: "Sequence[tuple[np.ndarray, np.ndarray]]", rows: int) -> "Iterator[tuple[np.ndarray, np.ndarray]]":
    """(first, second) of all pairs inside the buckets of each band; first < second."""
    import numpy as np

    limit = _limit([sizes for _, sizes in found], max(ALWAYS, PER_ROW * rows))
    for members, sizes in found:
        few = np.repeat(sizes <= limit, sizes)
        yield from _all_pairs(members[few], sizes[sizes <= limit])
        if not few.all():
            yield from _anchored(members[~few], sizes[sizes > limit])


def _limit(sizes: "Sequence[np.ndarray]", most: int) -> int:
    limit = LARGEST
    while limit > SMALLEST and sum(_count(band[band <= limit]) for band in sizes) > most:
        limit //= 2
    return limit


def _count(sizes: "np.ndarray") -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def _all_pairs(members: "np.ndarray", sizes: "np.ndarray") -> "Iterator[tuple[np.ndarray, np.ndarray]]":
    """Each member with the one `distance` before it, as long as both stand in one bucket."""
    import numpy as np

    rank = np.arange(len(members)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # place inside the bucket
    parts = []
    for distance in range(1, int(sizes.max(initial=1))):
        later = np.flatnonzero(rank >= distance)
        parts.append((members[later - distance], members[later]))
        if distance % 32 == 0:
            yield _joined(parts)
            parts = []
    if parts:
        yield _joined(parts)


def _joined(parts: "list[tuple[np.ndarray, np.ndarray]]") -> "tuple[np.ndarray, np.ndarray]":
    import numpy as np

    return np.concatenate([first for first, _ in parts]), np.concatenate([second for _, second in parts])


def _anchored(members: "np.ndarray", sizes: "np.ndarray") -> "Iterator[tuple[np.ndarray, np.ndarray]]":
    import numpy as np

    starts = np.cumsum(sizes) - sizes
    for anchor in range(ANCHORS):
        first = np.repeat(members[starts + anchor], sizes)
        yield first[first < members], members[first < members]
