"""One text cut into passages: its outline packed, cut finer where a passage ends, counted again where counts do not add up."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise, repeat
from typing import NamedTuple
from zlib import crc32

from . import code_blocks, splitting, tables
from .counting import Counter
from .packing import Piece, Rule, halves, pack, piece_of
from .splitting import ATOM, PROSE, SENTENCE, TABLE, UNIT, WORD, Outline
from .splitting import CODE as SOURCE

CHARACTERS_PER_TOKEN = 16  # a 'word' that the vocabulary lacks is one token however long it is, so length costs as well
HOPELESS = 10  # characters per token of the budget; a piece with more is cut finer before anybody counts it
_NO_SPACE = "。！？"  # a sentence that ends so may go on without white space
_PAGE_END = re.compile("\f")
_UNKNOWN = -1


class Passage(NamedTuple):
    """text[start:end], its number of tokens (without special ones) and its heading path.

    `page` is the number of the page it starts on, 0 in a text without pages. `lead` is what must stand above it to be
    understood, such as the header of a table that was cut; with it the passage still fits into `chunks.tokens`.
    """

    start: int
    end: int
    tokens: int
    heading: str
    page: int = 0
    lead: str = ""


@dataclass
class Cutter:
    """Cuts one text. `loose` once a cut was made inside a word: counts of its parts then say nothing certain of the whole."""

    text: str
    outline: Outline
    counter: Counter
    rule: Rule
    overlap: int
    loose: bool = False

    @cached_property
    def spans(self) -> list[str]:
        """What to count before anything is cut: the pieces of the outline."""
        return self._to_count([self.outline.start, *self.outline.ends], self.outline.ends, self.rule.budget * HOPELESS)

    def passages(self, counts: Sequence[int]) -> list[Passage]:
        """Passages in order; `counts` are the tokens of `spans`."""
        made = self.outline
        starts, ends = [made.start, *made.ends], made.ends
        costs = self._costs(starts, ends, counts)
        if "" in self.spans:
            costs = [cost if span else self.rule.budget + 1 for cost, span in zip(costs, self.spans, strict=True)]
        columns = (starts, ends, made.strengths, made.kinds, counts, costs)
        spent, seen = list(accumulate(costs, initial=0)), list(accumulate(counts, initial=0))
        self.loose = not self.counter.additive or any(mark in self.text for mark in _NO_SPACE)
        parcels: list[tuple[int, int, int, str, int]] = []
        for number, (first, last) in enumerate(pairwise([*made.sections, len(ends)])):
            if spent[last] - spent[first] <= self.rule.budget and not self.loose:
                parcels.append((starts[first], ends[last - 1], seen[last] - seen[first], "", number))
            else:
                row = zip(*(column[first:last] for column in columns), repeat(""), repeat(0))
                parcels += self._packed(list(map(piece_of, row)), number)
        return self._passages(parcels)

    def _packed(self, row: list[Piece], number: int) -> list[tuple[int, int, int, str, int]]:
        """(start, end, tokens, lead, number of the section) of each passage of one section."""
        packed = pack(row, self.rule, self.refine, self._sign)
        counted = self._counted_again(packed) if self.loose else [(p, sum(piece.tokens for piece in p)) for p in packed]
        return [(pieces[0].start, pieces[-1].end, tokens, pieces[0].lead, number) for pieces, tokens in counted]

    def _passages(self, parcels: list[tuple[int, int, int, str, int]]) -> list[Passage]:
        """Without white space around them, and without those that have no tokens: combining marks, control characters."""
        text, pages, marks = self.text, self._pages, self.outline.marks
        by_section = len(marks) == len(self.outline.sections)
        found: list[Passage] = []
        section = -1
        for start, end, tokens, lead, number in parcels:
            raw = text[start:end]
            start, end = start + len(raw) - len(raw.lstrip()), start + len(raw.rstrip())
            if self.overlap and number == section:
                start, tokens = self._reach_back(found[-1].start, start, end, tokens)
            if tokens:
                heading = marks[number].heading if by_section else self.outline.heading(start, end)
                found.append(Passage(start, end, tokens, heading, bisect_left(pages, start) + 1 if pages else 0, lead))
                section = number
        return found

    @cached_property
    def _pages(self) -> list[int]:
        """Places of the page ends."""
        return [found.start() for found in _PAGE_END.finditer(self.text)] if "\f" in self.text else []

    def refine(self, piece: Piece) -> list[Piece]:
        """The piece in smaller ones; the last keeps its strength. A single character comes back as it is."""
        kind, ends, strengths = self._cuts(piece)
        starts, strengths[-1] = [piece.start, *ends], piece.strength
        counts = self.counter.count(self._to_count(starts, ends, self._longest))
        costs = self._costs(starts, ends, counts)
        lead, lead_cost = self._lead(piece) if piece.kind == TABLE else (piece.lead, piece.lead_cost)
        columns = (starts, ends, strengths, repeat(kind), counts, costs, repeat(lead), repeat(lead_cost))
        pieces = list(map(piece_of, zip(*columns)))  # noqa: B905
        if piece.kind == TABLE:  # the header itself needs no header above
            pieces[: tables.HEADER_LINES] = [part._replace(lead="", lead_cost=0) for part in pieces[: tables.HEADER_LINES]]
        return pieces

    def _sign(self, piece: Piece) -> int:
        return crc32(self.text[piece.start : piece.end].encode("utf-8", "replace"))

    def _cuts(self, piece: Piece) -> tuple[int, list[int], list[int]]:
        """Kind, ends and strengths of the parts of a piece."""
        where = (self.text, piece.start, piece.end)
        if piece.kind == ATOM:
            self.loose = True
            ends = splitting.spans(*where, self._longest)
            return ATOM, ends, [WORD] * len(ends)
        if piece.kind == TABLE and UNIT not in self.rule.broken:
            return UNIT, *tables.rows(*where)
        if piece.kind == SOURCE and UNIT not in self.rule.broken:
            return UNIT, *code_blocks.lines_of_code(*where)
        if piece.kind == PROSE and UNIT not in self.rule.broken:
            ends = splitting.sentences(*where)
            return UNIT, ends, [SENTENCE] * len(ends)
        ends = splitting.lines(*where)
        if len(ends) > 1 and UNIT not in self.rule.broken:
            return UNIT, ends, [SENTENCE] * len(ends)
        ends = splitting.words(*where)
        return ATOM, ends, [WORD] * len(ends)

    def _lead(self, table: Piece) -> tuple[str, int]:
        """The header of a table, as much of it as takes no more than a third of the budget, and its tokens."""
        names = tables.header(self.text, table.start, table.end).split(" ")
        while (tokens := self.counter.count([" ".join(names)])[0]) > self.rule.budget // 3:
            names = names[: len(names) * 3 // 4]
        return " ".join(names).rstrip(" |"), tokens

    def _counted_again(self, packed: Sequence[list[Piece]]) -> list[tuple[list[Piece], int]]:
        """Each passage with its exact tokens; one that turns out too long is cut in two, and both are counted again."""
        known: list[tuple[list[Piece], int]] = [(parcel, _UNKNOWN) for parcel in packed]
        while asked := [self._solid(parcel[0].start, parcel[-1].end) for parcel, tokens in known if tokens == _UNKNOWN]:
            counts = iter(self.counter.count([self.text[start:end] for start, end in asked]))
            checked: list[tuple[list[Piece], int]] = []
            for parcel, tokens in known:
                tokens = next(counts) if tokens == _UNKNOWN else tokens
                fits = tokens + parcel[0].lead_cost <= self.rule.budget
                pieces = parcel if len(parcel) > 1 or fits else self.refine(parcel[0])
                checked += [(parcel, tokens)] if fits or len(pieces) == 1 else [(part, _UNKNOWN) for part in halves(pieces)]
            known = checked
        return known

    def _reach_back(self, floor: int, start: int, end: int, tokens: int) -> tuple[int, int]:
        """Move `start` back over whole words, not beyond `floor`, while they make no more than the overlap."""
        ends = [floor, *splitting.words(self.text, floor, start)][-self.overlap - 1 :]
        counts = self.counter.count(self._to_count(ends, ends[1:], self._longest))
        total, back = 0, start
        for at, after, count in list(zip(ends, ends[1:], counts, strict=False))[::-1]:
            if total + self._costs([at], [after], [count])[0] > self.overlap:
                break
            back, total = at, total + count
        back = min(start, start - len(self.text[back:start].lstrip()))
        if self.loose and back < start:
            total = self.counter.count([self.text[back:end]])[0] - tokens
            back, total = (start, 0) if tokens + total > self.rule.budget + self.overlap else (back, total)
        return back, tokens + total

    def _to_count(self, starts: Sequence[int], ends: Sequence[int], longest: int) -> list[str]:
        """'' for a piece that is too long anyway. Where a space belongs to the word after it, pieces begin with one."""
        text = self.text
        spans = [text[start:end] for start, end in zip(starts, ends)]  # noqa: B905
        if ends and ends[-1] - starts[0] > longest:
            spans = [span if len(span) <= longest else span.strip() for span in spans]
            spans = [span if len(span) <= longest else "" for span in spans]
        return spans if self.counter.additive else [f" {span.strip()}" if span else "" for span in spans]

    def _costs(self, starts: Sequence[int], ends: Sequence[int], counts: Sequence[int]) -> list[int]:
        costs = [
            tokens if end - start <= CHARACTERS_PER_TOKEN * tokens else self._cost(start, end, tokens)
            for start, end, tokens in zip(starts, ends, counts)  # noqa: B905
        ]
        if self.counter.additive:
            return costs
        return [cost + (self.text[end - 1] == "\n") for cost, end in zip(costs, ends, strict=True)]

    def _cost(self, start: int, end: int, tokens: int) -> int:
        """What is too long to be counted costs more than there is to spend, by its length alone."""
        return max(tokens, -(-len(self.text[start:end].strip()) // CHARACTERS_PER_TOKEN))

    def _solid(self, start: int, end: int) -> tuple[int, int]:
        """The same place without white space around it."""
        raw = self.text[start:end]
        solid = raw.rstrip()
        return (start if not raw[:1].isspace() else end - len(raw.lstrip())), start + len(solid)

    @property
    def _longest(self) -> int:
        """Characters of a piece beyond which it fits nowhere, so that nobody needs to count it."""
        return self.rule.budget * CHARACTERS_PER_TOKEN
