"""Where a text may be cut: sections with their heading paths, and in them paragraphs, lists, sentences, lines and words.

Knows nothing of tokens. Every expression here is linear in the length of the text, whatever the text is.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

WORD, SENTENCE, PARAGRAPH, MEMBER, TOP = range(5)  # how good a place to cut is; the last two are for source code
PROSE, CODE, TABLE, UNIT, ATOM = range(5)  # what stands between two cuts; a unit is a sentence, an item, a line or a row
SEPARATOR = " > "  # between the headings of a path

_BLANK = re.compile(r"\n(?:[ \t\f]*+\n)++")
_HEADING = r" {0,3}(#{1,6})[ \t]+(\S[^\n]*)"
_FIRST_HEADING, _NEXT_HEADING = re.compile(_HEADING), re.compile(r"\n" + _HEADING)
_UNDERLINE = re.compile(r"\n(?:={3,}|-{3,})[ \t]*(?=\n|\Z)")
_SENTENCE = re.compile(
    r"[\n.!?…。！？](?:"
    r"(?<=\n)(?:[ \t\f]*+\n|(?=[ \t]*+(?:[-*+|>]|\d{1,3}[.)][ \t])))"  # an empty line; the next list item or quoted line
    r"|(?<=[.!?…])[\"'”’)\]*_]*+[ \t\n]++(?=[^\sa-zà-öø-ÿ])"  # the end of a sentence, unless it goes on in lower case
    r"|(?<=[。！？])(?![。！？])"
    r")"
)
_TITLE = re.compile(r"[^\s|>*+-][^\n|]{0,59}[^\n.!?…:;,|]")  # a short line that ends no sentence
_LONGEST_TITLE = 61
_LONGEST_HEADING = 120  # characters; a longer line with a '#' is no heading that anybody wrote
_SOLID = re.compile(r"\S")
_LINE = re.compile(r"\n")
_WORD = re.compile(r"[^ \t\n\r]+[ \t\n\r]*")  # only white space that every tokenizer knows as such


class Mark(NamedTuple):
    """From character `at` on, the text stands below this heading path, 'A > B'."""

    at: int
    heading: str


@dataclass
class Outline:
    """A text cut coarsely: pieces that cover it without gaps from `start` on, each with the strength of its end and its kind.

    `sections` are the numbers of the pieces that begin one; no passage reaches over the end of its section.
    """

    start: int = 0
    ends: list[int] = field(default_factory=list)
    strengths: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    sections: list[int] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def heading(self, start: int, end: int) -> str:
        """What is true of all of text[start:end]: the common beginning of the heading paths in it."""
        first = bisect_right(self.marks, start, key=_at) - 1
        last = bisect_right(self.marks, end - 1, lo=max(first, 0), key=_at)
        return _common([mark.heading for mark in self.marks[first:last]]) if first >= 0 else ""


def outline(text: str, islands: Sequence[tuple[int, int, int]], *, by_section: bool, short: int, long: int) -> Outline:
    """Cut Markdown at headings and empty lines. `islands` are (start, end, kind) of code and tables, each one piece.

    A heading without text of its own stays with the next one. Without `by_section` the whole text is one section. A section of
    at most `short` characters stays in one piece, it will fit; a paragraph of more than `long` characters is cut into sentences
    at once, as it rarely ends where a passage does.
    """
    made = Outline(len(text) - len(text.lstrip()))
    waiting = list(islands)[::-1]
    for start, end, heading in _sections(text, made.start, islands):
        if by_section or not made.ends:
            made.sections.append(len(made.ends))
        made.marks.append(Mark(start, heading))
        while waiting and waiting[-1][0] < end:
            at, after, kind = waiting.pop()
            if at < start:  # a table that runs into a fence
                continue
            _add_paragraphs(made, text, start, at, long)
            made.ends.append(after)
            made.strengths.append(PARAGRAPH)
            made.kinds.append(kind)
            start = after
        if end - start > short:
            _add_paragraphs(made, text, start, end, long)
        elif start < end:
            made.ends.append(end)
            made.strengths.append(PARAGRAPH)
            made.kinds.append(PROSE)
    return made


def sentences(text: str, start: int, end: int) -> list[int]:
    """Cut after sentences and before list items. Like those below: where the parts end; the last one ends at `end`."""
    return _closed([found.end() for found in _SENTENCE.finditer(text, start, end)], text, end)


def lines(text: str, start: int, end: int) -> list[int]:
    """Cut after each line."""
    return _closed([found.end() for found in _LINE.finditer(text, start, end)], text, end)


def words(text: str, start: int, end: int) -> list[int]:
    """Cut after each word and the white space that follows it."""
    return _closed([found.end() for found in _WORD.finditer(text, start, end)], text, end)


def spans(text: str, start: int, end: int, longest: int) -> list[int]:
    """Cut a word that fits nowhere: into parts of `longest` characters, or in two when it is no longer than that."""
    first = end - len(text[start:end].lstrip())
    solid = len(text[first:end].rstrip())
    stride = longest if solid > longest else max(1, (solid + 1) // 2)
    return _closed(list(range(first + stride, first + solid, stride)), text, end)


def _closed(ends: list[int], text: str, end: int) -> list[int]:
    """The same with `end` at its end; no part is white space only."""
    while ends and not _SOLID.search(text, ends[-1], end):
        ends.pop()
    ends.append(end)
    return ends


def _add_paragraphs(made: Outline, text: str, start: int, end: int, longest: int) -> None:
    ends, strengths, kinds = made.ends, made.strengths, made.kinds
    for blank in chain(_BLANK.finditer(text, start, end), (None,)):
        at, after = blank.span() if blank else (end, end)
        if after - start > longest:
            parts = sentences(text, start, after)
            ends += parts
            strengths += [SENTENCE] * (len(parts) - 1)
            kinds += [UNIT] * len(parts)
        elif after > start:
            ends.append(after)
            kinds.append(PROSE)
        else:
            break
        titled = blank and at - start <= _LONGEST_TITLE and _TITLE.fullmatch(text, start, at)  # it belongs to what follows it
        strengths.append(WORD if titled else PARAGRAPH)
        start = after


def _sections(text: str, start: int, islands: Sequence[tuple[int, int, int]]) -> Iterator[tuple[int, int, str]]:
    body, path = start, ""
    for at, after, heading in _headings(text, islands):
        if _SOLID.search(text, body, at):
            yield start, at, path
            start = at
        body, path = after, heading
    if _SOLID.search(text, start):
        yield start, len(text), path


def _headings(text: str, islands: Sequence[tuple[int, int, int]]) -> Iterator[tuple[int, int, str]]:
    """(start, end, path) of each heading outside of the islands."""
    found = [*_hashed(text), *_underlined(text)]
    waiting = list(islands)[::-1]
    open_headings: list[tuple[int, str]] = []
    for at, after, level, title in sorted(found):
        while waiting and waiting[-1][1] <= at:
            waiting.pop()
        if not waiting or at < waiting[-1][0]:
            open_headings = [(n, name) for n, name in open_headings if n < level] + [(level, title)]
            yield at, after, SEPARATOR.join(name for _, name in open_headings)


def _hashed(text: str) -> Iterator[tuple[int, int, int, str]]:
    if "#" not in text:
        return
    first = _FIRST_HEADING.match(text)
    for found in [*([first] if first else []), *_NEXT_HEADING.finditer(text)]:
        level, title = found.groups()
        title = title.strip().rstrip("#").strip()
        if 0 < len(title) <= _LONGEST_HEADING:
            yield found.start(1), found.end(), len(level), title


def _underlined(text: str) -> Iterator[tuple[int, int, int, str]]:
    """Headings with a line of '=' or '-' below, after an empty line or another such line. Front matter is none."""
    if "\n---" not in text and "\n===" not in text:
        return
    for found in _UNDERLINE.finditer(text):
        end = found.start()
        at = text.rfind("\n", max(0, end - _LONGEST_HEADING), end) + 1
        title = text[at:end].strip()
        if (at == 0 and end > _LONGEST_HEADING) or not _TITLE.match(title) or title[0] == "#" or not title.strip("=-~"):
            continue
        above = text.rfind("\n", max(0, at - _LONGEST_HEADING), max(0, at - 1)) + 1
        line, kind = text[above : max(0, at - 1)].strip(), text[end + 1]
        if not line.strip(kind) and (above > 0 or not line.startswith("-")):
            yield above if line else at, found.end(), "=-".index(kind) + 1, title


def _common(paths: Sequence[str]) -> str:
    shared = paths[0].split(SEPARATOR)
    for path in paths[1:]:
        names = path.split(SEPARATOR)
        same = 0
        while same < min(len(shared), len(names)) and shared[same] == names[same]:
            same += 1
        shared = shared[:same]
    return SEPARATOR.join(shared)


def _at(mark: Mark) -> int:
    return mark.at
