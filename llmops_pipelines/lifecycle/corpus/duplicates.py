"""Documents that say the same: near-duplicates by verified word sequences, and clusters that also share a long paragraph.

Nothing here depends on the order of its input: documents are visited by id.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

CODE = "duplicates 1"
LIBRARIES = ("rensa",)
PERMUTATIONS = 128
SEED = 7
SHARED_WORDS = 40  # a paragraph of this length in two documents connects them
MISSED = 0.001  # highest chance that a pair at exactly the wanted similarity is no candidate

Shingles = frozenset[tuple[str, ...]]


def profile(text: str) -> dict[str, Any]:
    """What comparison needs of a text: R-MinHash signature (128 numbers) and the digests of its long paragraphs."""
    from rensa import RMinHash

    sketch = RMinHash(num_perm=PERMUTATIONS, seed=SEED)
    sketch.update([" ".join(words) for words in sorted(shingles(text))])
    return {"signature": sketch.digest(), "paragraphs": sorted(_long_paragraphs(text))}


def shingles(text: str) -> Shingles:
    """All three-word sequences, in lower case; a text of one or two words is one sequence."""
    words = re.findall(r"\w+", text.casefold())
    return frozenset(zip(words, words[1:], words[2:], strict=False)) or frozenset([tuple(words)])


def jaccard(a: Shingles, b: Shingles) -> float:
    """Shared sequences over all sequences (Broder 1997)."""
    return len(a & b) / len(a | b) if a or b else 1.0


def _long_paragraphs(text: str) -> set[str]:
    found = set()
    for block in re.split(r"\n\s*\n", text):
        words = re.findall(r"\w+", block.casefold())
        if len(words) >= SHARED_WORDS:
            found.add(hashlib.sha256(" ".join(words).encode("utf-8")).hexdigest()[:32])
    return found


def bands(similarity: float) -> int:
    """Rows per band: the longest for which a pair at `similarity` is missed with a chance below MISSED.

    A band of r rows is equal with probability s**r; Leskovec et al., Mining of Massive Datasets, section 3.4.
    """
    lengths = (rows for rows in (16, 8, 4, 2) if (1 - similarity**rows) ** (PERMUTATIONS // rows) <= MISSED)
    return next(lengths, 1)


class Groups:
    """Union-find whose name of a group is its smallest member."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def find(self, member: str) -> str:
        root = member
        while (above := self._parent.get(root, root)) != root:
            root = above
        while (above := self._parent.get(member, member)) != root:
            self._parent[member], member = root, above
        return root

    def join(self, a: str, b: str) -> None:
        first, second = sorted((self.find(a), self.find(b)))
        self._parent[second] = first


def near_duplicates(
    first_id: Mapping[str, str],
    signatures: Mapping[str, Iterable[int]],
    text_of: Callable[[str], str],
    similarity: float,
    groups: Groups,
) -> dict[str, str]:
    """Which texts to drop, and for which kept text: {content hash: content hash kept}.

    `first_id` is the smallest doc_id of each content hash. A text is dropped when its exact similarity to a text kept
    before it, by doc_id, reaches `similarity`. `groups` joins all similar texts, dropped ones too, under their ids.
    """

    @lru_cache(maxsize=2000)
    def sequences(content: str) -> Shingles:
        return shingles(text_of(content))

    rows = bands(similarity)
    buckets: dict[tuple[int, ...], list[str]] = defaultdict(list)
    dropped: dict[str, str] = {}
    for content in sorted(first_id, key=lambda c: first_id[c]):
        numbers = list(signatures[content])
        keys = [(place, *numbers[place : place + rows]) for place in range(0, PERMUTATIONS, rows)]
        candidates = sorted({other for key in keys for other in buckets[key]}, key=lambda c: first_id[c])
        for other in candidates:
            connected = groups.find(first_id[content]) == groups.find(first_id[other])
            if connected and (other in dropped or content in dropped):
                continue  # nothing left to learn from this pair
            if jaccard(sequences(content), sequences(other)) < similarity:
                continue
            groups.join(first_id[content], first_id[other])
            if other not in dropped:
                dropped.setdefault(content, other)
        for key in keys:
            buckets[key].append(content)
    return dropped


def join_shared_paragraphs(paragraphs: Mapping[str, Iterable[str]], groups: Groups) -> None:
    """Join the ids (keys) that have a long paragraph in common."""
    owner: dict[str, str] = {}
    for doc_id in sorted(paragraphs):
        for paragraph in paragraphs[doc_id]:
            groups.join(owner.setdefault(paragraph, doc_id), doc_id)
