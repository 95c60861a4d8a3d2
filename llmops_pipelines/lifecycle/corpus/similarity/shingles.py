"""Texts as numbers: hashed words, three-word sequences and long paragraphs, for whole batches at once in numpy.

A word is a run of letters and digits, whatever its case; in scripts without spaces each character is one.
Equal words have equal hashes in every text, batch and process.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

CODE = "shingles 1"
WORDS = 3  # in a sequence
SHARED_WORDS = 40  # a paragraph of this length in two documents connects them
BITS = 48  # of a sequence's hash; two different ones in a pair of 1,000-word texts are equal with a chance of 4e-9
WORD_BYTES = 256  # of a longer word only its beginning and its length count

_ODD = 0x9E3779B97F4A7C15
_FOREIGN = re.compile(r"[^\x00-\x7f]")
# Chinese, Japanese, Thai, Lao and Khmer are written without spaces.
_ALONE = re.compile("([\u0e00-\u0eff\u1780-\u17ff\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])")
_IN_WORD = bytes(code >= 128 or chr(code).isalnum() or chr(code) == "_" for code in range(256))


@dataclass(frozen=True)
class Shingles:
    """Sequences of a batch: those of text i are hashes[starts[i]:starts[i + 1]], at least one, with repetitions.

    `paragraphs` are digests of long paragraphs, `owners` the texts they stand in.
    """

    hashes: "np.ndarray"  # uint64, below 2**BITS
    starts: "np.ndarray"  # int64
    paragraphs: "np.ndarray"  # uint64
    owners: "np.ndarray"  # int64


def shingles(texts: Sequence[str]) -> Shingles:
    """All three-word sequences; a text of fewer words is one sequence."""
    import numpy as np

    data = _folded(texts)
    octets = np.frombuffer(data, np.uint8)
    inside = np.frombuffer(data.translate(_IN_WORD), np.uint8)
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    places, ends = edges[0::2], edges[1::2]
    hashes = _hashed(data, places, ends - places)
    last = np.searchsorted(places, np.flatnonzero(octets == 0)[1 : len(texts) + 1])  # words up to and with each text
    first = np.concatenate([np.zeros(1, np.int64), last])[:-1]
    counts = np.maximum(last - first - (WORDS - 1), 1)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    index = np.arange(starts[-1]) + np.repeat(first - starts[:-1], counts)
    short = (last - first < WORDS).any()
    sequences = _sequences(hashes, index, np.repeat(last, counts) if short else None)
    empty = np.flatnonzero((octets[1:] == 10) & (octets[:-1] == 10))
    breaks = np.sort(np.concatenate([np.zeros(1, np.int64), np.searchsorted(places, empty), last]))
    paragraphs, at = _long_paragraphs(hashes, breaks)
    return Shingles(sequences, starts, paragraphs, np.searchsorted(last, at, side="right"))


def mix(numbers: "np.ndarray") -> "np.ndarray":
    """A bijection of 64 bits after which each depends on all (splitmix64, Steele et al. 2014)."""
    import numpy as np

    numbers = numbers ^ (numbers >> np.uint64(30))
    numbers *= np.uint64(0xBF58476D1CE4E5B9)
    numbers ^= numbers >> np.uint64(27)
    numbers *= np.uint64(0x94D049BB133111EB)
    numbers ^= numbers >> np.uint64(31)
    return numbers


def _folded(texts: Sequence[str]) -> bytes:
    """UTF-8 in lower case with a zero byte before and after each text, and nothing but words beyond ASCII."""
    joined = "\0".join(["", *(text if text.isascii() else _plain(text) for text in texts), ""])
    if joined.count("\0") != len(texts) + 1:
        return _folded([text.replace("\0", " ") for text in texts])
    return joined.encode("utf-8", "replace").lower() + bytes(8)


def _plain(text: str) -> str:
    text = text.casefold()
    for character in set(_FOREIGN.findall(text)):
        if not character.isalnum():
            text = text.replace(character, " ")
    return _ALONE.sub(r" \1 ", text) if _ALONE.search(text) else text


def _hashed(data: bytes, places: "np.ndarray", lengths: "np.ndarray") -> "np.ndarray":
    """Words by eight bytes at a time; reading at any place is what makes this fast."""
    import numpy as np

    eights = np.ndarray(len(data) - 7, "<u8", data, strides=(1,))
    masks = _masks()
    hashes = mix((eights[places] & masks[np.minimum(lengths, 8)]) + lengths.astype(np.uint64) * np.uint64(_ODD))
    longer = np.flatnonzero(lengths > 8)
    for done in range(8, WORD_BYTES, 8):
        if not len(longer):
            break
        part = eights[places[longer] + done] & masks[np.minimum(lengths[longer] - done, 8)]
        hashes[longer] = mix(hashes[longer] * np.uint64(_ODD) + part)
        longer = longer[lengths[longer] > done + 8]
    return hashes


@lru_cache(maxsize=1)
def _masks() -> "np.ndarray":
    import numpy as np

    return np.array([2 ** (8 * length) - 1 for length in range(9)], np.uint64)


def _sequences(words: "np.ndarray", index: "np.ndarray", last: "np.ndarray | None") -> "np.ndarray":
    """Hashes of the words at `index` and after; what would lie behind `last` counts as no word."""
    import numpy as np

    padded = np.concatenate([words, np.zeros(WORDS, np.uint64)])
    total = np.zeros(len(index), np.uint64)
    for place in range(WORDS):
        part = padded[index + place]
        if last is not None:
            part[index + place >= last] = 0
        part *= np.uint64(pow(_ODD, place + 1, 2**64))
        total += part
    return mix(total) >> np.uint64(64 - BITS)


def _long_paragraphs(words: "np.ndarray", breaks: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
    """Digests of the stretches between `breaks` (word numbers) that are long, and their first words' numbers.

    A polynomial by prefix sums: the sum over a stretch, times a power that takes its place out again.
    """
    import numpy as np

    starts, ends = breaks[:-1], breaks[1:]
    long = ends - starts >= SHARED_WORDS
    starts, ends = starts[long], ends[long]
    if not len(starts):
        return np.zeros(0, np.uint64), starts
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(words * _powers(_ODD, len(words)))])
    inverses = _powers(pow(_ODD, -1, 2**64), len(words))
    return mix((sums[ends] - sums[starts]) * inverses[starts]), starts


def _powers(base: int, length: int) -> "np.ndarray":
    import numpy as np

    return np.cumprod(np.concatenate([np.ones(1, np.uint64), np.full(length - 1, base, np.uint64)]))
