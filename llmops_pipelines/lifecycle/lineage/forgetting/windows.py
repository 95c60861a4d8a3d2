"""Word windows: how a text is recognised in any bytes. A needle is the hash of six words in a row, so that no text is kept.

Words are runs of letters and digits whatever stands between them: line breaks, mark-up and JSON quotes do not hide a text.
How bytes are taken out of a file is `decoding.py`.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .spelling import spellings

if TYPE_CHECKING:
    import numpy as np

WORDS = 6  # of a window
CHARACTERS = 30  # that a window must have at least, unless it is the whole text
PART = 2**20  # bytes of texts that are looked at together
FEWEST = 3  # words of a text that can be recognised at all
BASE, STEP = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9  # odd, so that they can be divided by modulo 2**64
SPACES = tuple(
    each.encode() for each in "\u00a0\u202f\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u00ab\u00bb\u3000\u3001\u3002"
)  # no letters
BETWEEN = b" \x01 "  # between two cells: a word that no text has
CJK = (0xE3, 0xED)  # first bytes of scripts that put no space between words: each character counts as one


@dataclass(frozen=True)
class Words:
    """The words of some bytes: hashes, and where each starts and ends."""

    hashes: "np.ndarray"  # uint64
    starts: "np.ndarray"
    ends: "np.ndarray"
    wide: "np.ndarray"  # whether it is a character of a script without spaces

    @classmethod
    def of(cls, data: bytes) -> "Words":
        import numpy as np

        for space in SPACES:
            if space in data:
                data = data.replace(space, b" " * len(space))
        raw = np.frombuffer(data, dtype=np.uint8)
        letters = _letters()[raw]
        inside = letters > 0
        wide = (raw >= CJK[0]) & (raw <= CJK[1])
        begins = inside & ~np.concatenate([[False], inside[:-1]]) | wide
        begins[3:] |= wide[:-3] & inside[3:]
        ends = inside & ~np.concatenate([inside[1:], [False]])
        ends[:-1] |= begins[1:] & inside[:-1]
        starts, ends = np.flatnonzero(begins), np.flatnonzero(ends) + 1
        sums = np.zeros(len(raw) + 1, dtype=np.uint64)
        powers = _powers(len(raw) + 1)
        np.cumsum(letters.astype(np.uint64) * powers[:-1], out=sums[1:])
        hashes = (sums[ends] - sums[starts]) * _inverses(len(raw) + 1)[starts]
        return cls(_mixed(hashes), starts, ends, wide[starts])

    def windows(self, size: int) -> "np.ndarray":
        """uint64 [n - size + 1]: the hash of each run of `size` words."""
        import numpy as np

        count = len(self.hashes) - size + 1
        if count <= 0:
            return np.zeros(0, dtype=np.uint64)
        made = np.zeros(count, dtype=np.uint64)
        for at in range(size):
            made += self.hashes[at : at + count] * np.uint64(pow(STEP, at + 1, 2**64))
        return _mixed(made)


@dataclass(frozen=True, eq=False)
class Needles:
    """Hashes of word windows that only the forgotten text has, ascending, by their number of words."""

    by_size: "dict[int, np.ndarray]"

    @classmethod
    def of(cls, texts: Iterable[str], others: Iterable[str] = ()) -> "Needles":
        """Windows of `texts` that none of the `others` has. A text of fewer words than a window counts as one."""
        import numpy as np

        found: dict[int, list[np.ndarray]] = {}
        for text in texts:
            words = Words.of(text.encode())
            size = min(WORDS, len(words.hashes))
            if size >= FEWEST:
                found.setdefault(size, []).append(_long_enough(words, size))
        wanted = {size: np.unique(np.concatenate(each)) for size, each in found.items()}
        for part in _parts(others):
            if not wanted:
                break
            words = Words.of(part)
            for size, hashes in wanted.items():
                windows = words.windows(size)
                wanted[size] = hashes[~np.isin(hashes, windows[_among(windows, hashes)])]
        return cls({size: hashes for size, hashes in wanted.items() if len(hashes)})

    def __len__(self) -> int:
        return sum(map(len, self.by_size.values()))

    def __bool__(self) -> bool:
        return len(self) > 0

    def within(self, data: bytes) -> int:
        """How many windows of these bytes are needles, in whichever spelling shows most of them."""
        return max((self._count(each) for each in spellings(data)), default=0)

    def first(self, data: bytes) -> str:
        """12 hex digits that name the first needle in these bytes, "" where there is none. A name, for it is no text."""
        for each in spellings(data):
            for _, _, name in self._hits(each):
                return name
        return ""

    def spans(self, text: str) -> list[tuple[int, int]]:
        """(start, end) in characters of every stretch of needles, joined where they overlap."""
        data = text.encode()
        stretches: list[list[int]] = []
        for start, end, _ in sorted(self._hits(data)):
            if stretches and start <= stretches[-1][1]:
                stretches[-1][1] = max(stretches[-1][1], end)
            else:
                stretches.append([start, end])
        return [(_characters(data[:start]), _characters(data[:end])) for start, end in stretches]

    def described(self) -> dict[str, list[str]]:
        """As JSON; `read` reads it."""
        return {str(size): [f"{each:016x}" for each in hashes.tolist()] for size, hashes in self.by_size.items()}

    @classmethod
    def read(cls, said: dict[str, list[str]]) -> "Needles":
        import numpy as np

        return cls({int(size): np.array([int(each, 16) for each in found], dtype=np.uint64) for size, found in said.items()})

    def joined(self, other: "Needles") -> "Needles":
        import numpy as np

        sizes = self.by_size.keys() | other.by_size.keys()
        none = np.zeros(0, dtype=np.uint64)
        both = {size: np.union1d(self.by_size.get(size, none), other.by_size.get(size, none)) for size in sizes}
        return Needles(both)

    def _count(self, data: bytes) -> int:
        words = Words.of(data) if self.by_size else None
        return sum(int(_among(words.windows(size), hashes).sum()) for size, hashes in self.by_size.items()) if words else 0

    def _hits(self, data: bytes) -> list[tuple[int, int, str]]:
        import numpy as np

        words, hits = Words.of(data), []
        for size, hashes in self.by_size.items():
            windows = words.windows(size)
            for at in np.flatnonzero(_among(windows, hashes)).tolist():
                name = hashlib.sha256(int(windows[at]).to_bytes(8, "big")).hexdigest()[:12]
                hits.append((int(words.starts[at]), int(words.ends[at + size - 1]), name))
        return hits


def _characters(data: bytes) -> int:
    return len(data.decode(errors="ignore"))


def _parts(texts: Iterable[str]) -> Iterator[bytes]:
    """Texts put together, so that few calls look at many."""
    waiting, size = [], 0
    for text in texts:
        waiting.append(text.encode())
        size += len(waiting[-1])
        if size > PART:
            yield BETWEEN.join(waiting)
            waiting, size = [], 0
    yield BETWEEN.join(waiting)


def _among(windows: "np.ndarray", hashes: "np.ndarray") -> "np.ndarray":
    import numpy as np

    if not len(hashes) or not len(windows):
        return np.zeros(len(windows), dtype=bool)
    at = np.minimum(np.searchsorted(hashes, windows), len(hashes) - 1)
    return hashes[at] == windows


def _long_enough(words: Words, size: int) -> "np.ndarray":
    """Short words make windows that anybody may write: 'it is as it is'."""
    count = len(words.hashes) - size + 1
    lengths = words.ends[size - 1 : size - 1 + count] - words.starts[:count]
    windows = words.windows(size)
    wide = words.wide[:count] & words.wide[size - 1 : size - 1 + count]
    return windows[(lengths >= CHARACTERS) | wide] if count > 1 else windows


def _mixed(values: "np.ndarray") -> "np.ndarray":
    """splitmix64: sums of powers become numbers that do not add up."""
    import numpy as np

    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))


_TABLES: "dict[str, np.ndarray]" = {}


def _letters() -> "np.ndarray":
    """What each byte counts as: 0 between words, capitals as small letters, all of a longer UTF-8 character as letters."""
    import numpy as np

    if "letters" not in _TABLES:
        made = np.zeros(256, dtype=np.uint8)
        for byte in range(256):
            if byte >= 128 or chr(byte).isalnum() or byte == 1:
                made[byte] = ord(chr(byte).lower()) if byte < 128 else byte
        _TABLES["letters"] = made
    return _TABLES["letters"]


def _powers(count: int) -> "np.ndarray":
    return _geometric("powers", BASE, count)


def _inverses(count: int) -> "np.ndarray":
    return _geometric("inverses", pow(BASE, -1, 2**64), count)


def _geometric(name: str, factor: int, count: int) -> "np.ndarray":
    """1, f, f**2, ... modulo 2**64; kept, since every piece of bytes needs them."""
    import numpy as np

    made = _TABLES.get(name, np.ones(1, dtype=np.uint64))
    while len(made) < count:
        made = np.concatenate([made, made * np.uint64(pow(factor, len(made), 2**64))])
    _TABLES[name] = made
    return made[:count]
