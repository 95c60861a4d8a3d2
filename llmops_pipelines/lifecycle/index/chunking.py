"""Own splitter: verbatim slices of a text within a budget of the embedding model's tokens, with exact offsets.

One encode per piece, prefix sums, no decoding: decoded tokens of an uncased model are not the text any more.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from llmops_pipelines.config.pipeline import Chunks
from llmops_pipelines.lifecycle.lake.digests import digest

from .errors import IndexingError
from .model_files import ModelFiles
from .splitting import PARAGRAPH, SENTENCE, Piece, Section, halves, pieces, sections, words

CODE = "chunker-1"
HEAD_TOKENS = 32  # room for the line with title and headings that is embedded above each passage
SPECIAL_TOKENS = 2  # [CLS] and [SEP]
CHARACTERS_PER_TOKEN = 16  # a 'word' that the vocabulary lacks is one token however long it is, so length costs as well


@dataclass(frozen=True)
class Passage:
    """text[start:end], its number of tokens (without special ones) and its heading path."""

    start: int
    end: int
    tokens: int
    heading: str


@dataclass(frozen=True)
class _Counted:
    """Pieces of one section with prefix sums of their tokens and of their cost."""

    pieces: list[Piece]
    tokens: list[int]
    costs: list[int]

    def cost(self, first: int, last: int) -> int:
        return self.costs[last] - self.costs[first]


@dataclass(frozen=True)
class Chunker:
    """Cuts texts as the settings say, counting with the model's own tokenizer."""

    model: ModelFiles
    settings: Chunks

    def __post_init__(self) -> None:
        most = self.model.max_length - SPECIAL_TOKENS - HEAD_TOKENS
        if self.settings.tokens > most:
            raise IndexingError(
                f"chunks.tokens: {self.settings.tokens} does not fit, {self.model.settings.model} reads "
                f"{self.model.max_length} tokens and {SPECIAL_TOKENS + HEAD_TOKENS} are for headings; use at most {most}"
            )

    @cached_property
    def fingerprint(self) -> str:
        """Identity of the cuts: this code, the settings, the tokenizer."""
        return digest({"code": CODE, "settings": self.settings, "tokenizer": self.model.tokenizer_sha256})

    @cached_property
    def tokenizer(self):
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.model.path("tokenizer.json")))
        tokenizer.no_truncation()  # MiniLM's file carries both, at 128: counts would be wrong without a word
        tokenizer.no_padding()
        return tokenizer

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special ones not counted."""
        return [len(encoding) for encoding in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def head(self, title: str, heading: str) -> str:
        """The line above a passage when it is embedded: title and heading path, at most `HEAD_TOKENS` tokens."""
        path = heading.split(" > ") if heading else []
        line = " ".join(" > ".join([*([title] if title and title not in path[:1] else []), *path]).split())
        encoding = self.tokenizer.encode(line, add_special_tokens=False)
        return line if len(encoding) <= HEAD_TOKENS else line[: encoding.offsets[HEAD_TOKENS - 1][1]]

    def cut(self, texts: Sequence[str]) -> list[list[Passage]]:
        """Passages of each text, in order. They cover everything but white space, overlap only where that was asked for."""
        parts = [(number, section) for number, text in enumerate(texts) for section in sections(text)]
        cut = [pieces(texts[number], section) for number, section in parts]
        spans = [texts[number][p.start : p.end] for (number, _), row in zip(parts, cut, strict=True) for p in row]
        counts = iter(self.count(spans))
        passages: list[list[Passage]] = [[] for _ in texts]
        for (number, section), row in zip(parts, cut, strict=True):
            counted = self._fit(texts[number], row, [next(counts) for _ in row])
            passages[number] += self._passages(texts[number], section, counted)
        return passages

    @property
    def _budget(self) -> int:
        return self.settings.tokens - self.settings.overlap

    def _fit(self, text: str, row: list[Piece], counts: list[int]) -> _Counted:
        """Split pieces over the budget into words, and words over the budget into halves, until all fit."""
        fitting: list[tuple[Piece, int, int]] = []
        waiting = list(zip(row, counts, strict=True))[::-1]
        while waiting:
            piece, count = waiting.pop()
            cost = _cost(text, piece, count)
            if cost <= self._budget or _length(text, piece) == 1:
                fitting.append((piece, count, cost))
                continue
            parts = words(text, piece)
            parts = parts if len(parts) > 1 else list(halves(text, piece))
            waiting += list(zip(parts, self.count([text[p.start : p.end] for p in parts]), strict=True))[::-1]
        return _Counted(
            [piece for piece, _, _ in fitting],
            list(accumulate((count for _, count, _ in fitting), initial=0)),
            list(accumulate((cost for _, _, cost in fitting), initial=0)),
        )

    def _passages(self, text: str, section: Section, counted: _Counted) -> list[Passage]:
        found: list[Passage] = []
        for first, last in _pack(counted, self._budget):
            raw = text[counted.pieces[first].start : counted.pieces[last - 1].end]
            start = counted.pieces[first].start + len(raw) - len(raw.lstrip())
            end = counted.pieces[last - 1].end - (len(raw) - len(raw.rstrip()))
            tokens = counted.tokens[last] - counted.tokens[first]
            if self.settings.overlap and found:
                start, more = self._reach_back(text, found[-1].start, start)
                tokens += more
            if tokens:  # else the model would see nothing: combining marks, control characters
                found.append(Passage(start, end, tokens, section.heading))
        return found

    def _reach_back(self, text: str, floor: int, start: int) -> tuple[int, int]:
        """Move `start` back over whole words, not beyond `floor`, while they make no more than the overlap."""
        before = words(text, Piece(floor, start, SENTENCE))[-self.settings.overlap :]
        total = 0
        for word, count in zip(before[::-1], self.count([text[w.start : w.end] for w in before])[::-1], strict=True):
            if total + _cost(text, word, count) > self.settings.overlap:
                break
            start, total = word.start, total + count
        return start, total


def _length(text: str, piece: Piece) -> int:
    return len(text[piece.start : piece.end].strip())


def _cost(text: str, piece: Piece, tokens: int) -> int:
    return max(tokens, -(-_length(text, piece) // CHARACTERS_PER_TOKEN))


def _pack(counted: _Counted, budget: int) -> list[tuple[int, int]]:
    """Ranges of pieces within the budget. A range ends at a paragraph where that leaves it half full, else at a sentence:
    after an edit the cuts fall back into step, so that few passages change."""
    ranges: list[tuple[int, int]] = []
    first = 0
    while first < len(counted.pieces):
        last = max(first + 1, bisect_right(counted.costs, counted.costs[first] + budget) - 1)
        if last < len(counted.pieces):
            last = _good_end(counted, first, last, budget)
        ranges.append((first, last))
        first = last
    if len(ranges) > 1 and counted.cost(*ranges[-1]) < budget // 3:
        ranges[-2:] = _even(counted, ranges[-2][0], ranges[-1][1], budget)
    return ranges


def _good_end(counted: _Counted, first: int, last: int, budget: int) -> int:
    for strength in (PARAGRAPH, SENTENCE):
        for end in range(last, first, -1):
            if counted.cost(first, end) < budget // 2:
                break
            if counted.pieces[end - 1].strength >= strength:
                return end
    return last


def _even(counted: _Counted, first: int, last: int, budget: int) -> list[tuple[int, int]]:
    """Cut a range in two so that the shorter part is as long as it can be: a tail of three words finds nobody."""
    parts = {m: (counted.cost(first, m), counted.cost(m, last)) for m in range(first + 1, last)}
    fitting = [m for m in parts if max(parts[m]) <= budget] or [last - 1]
    middle = max(fitting, key=lambda m: (counted.pieces[m - 1].strength >= SENTENCE, min(parts[m])))
    return [(first, middle), (middle, last)]
