"""Where a text may be cut: Markdown sections with their heading path, and within them paragraphs, lines and sentences.

Knows nothing of tokens. Every expression here is linear in the length of the text, whatever the text is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

WORD, SENTENCE, PARAGRAPH = 0, 1, 2  # how good a place to cut is

_MARK = re.compile(r"^ {0,3}(?:(?P<fence>`{3,}|~{3,})|(?P<level>#{1,6})[ \t]+(?P<heading>\S[^\n]*))", re.MULTILINE)
_CUT = re.compile(
    r"\n(?:[ \t]*\n)+"  # an empty line
    r"|\n(?=[ \t]*(?:[-*+|>]|\d{1,3}[.)][ \t]))"  # the next list item, table row or quoted line
    r"|[.!?…][\"'”’)\]*_]*\s+(?=[^\sa-zà-öø-ÿ])"  # the end of a sentence, unless it goes on in lower case
    r"|[。！？]+"
)
_TITLE = re.compile(r"[^\s|>*+-][^\n|]{0,59}[^\n.!?…:;,|]")  # a short line that ends no sentence
_LONGEST_HEADING = 120  # characters; a longer line with a '#' is no heading that anybody wrote


@dataclass(frozen=True)
class Section:
    """Text below one heading, the heading line included. `heading` is the path 'A > B', or ''."""

    start: int
    end: int
    heading: str


@dataclass(frozen=True)
class Piece:
    """Text between two places where it may be cut, trailing white space included; `strength` is that of its end."""

    start: int
    end: int
    strength: int


def sections(text: str) -> list[Section]:
    """Cut `text` at Markdown headings outside of code fences. A heading without text of its own stays with the next one."""
    found: list[Section] = []
    start, body, path = 0, 0, ""
    for at, after, heading in _headings(text):
        if text[body:at].strip():
            found.append(Section(start, at, path))
            start = at
        body, path = after, heading
    if text[start:].strip():
        found.append(Section(start, len(text), path))
    return found


def _headings(text: str) -> Iterator[tuple[int, int, str]]:
    fence = ""
    open_headings: list[tuple[int, str]] = []
    for mark in _MARK.finditer(text):
        if run := mark["fence"]:
            if not fence:
                fence = run
            elif run.startswith(fence):
                fence = ""
        elif not fence:
            title = mark["heading"].strip().rstrip("#").strip()
            if 0 < len(title) <= _LONGEST_HEADING:
                level = len(mark["level"])
                open_headings = [(n, name) for n, name in open_headings if n < level] + [(level, title)]
                yield mark.start(), mark.end(), " > ".join(name for _, name in open_headings)


def pieces(text: str, section: Section) -> list[Piece]:
    """Cut a section at paragraphs, lines of lists and tables, and sentences; the pieces cover it without gaps."""
    found: list[Piece] = []
    start = section.start
    for cut in _CUT.finditer(text, section.start, section.end):
        if text[start : cut.end()].strip():
            strength = PARAGRAPH if cut.group().count("\n") > 1 else SENTENCE
            alone = strength == PARAGRAPH and (not found or found[-1].strength != SENTENCE)
            titled = alone and _TITLE.fullmatch(text, start, cut.start())  # such a line belongs to what follows it
            found.append(Piece(start, cut.end(), WORD if titled else strength))
            start = cut.end()
    if text[start : section.end].strip():
        found.append(Piece(start, section.end, PARAGRAPH))
    elif found:
        found[-1] = Piece(found[-1].start, section.end, PARAGRAPH)
    return found


def words(text: str, piece: Piece) -> list[Piece]:
    """Cut a piece between words; the last word keeps the strength of the piece."""
    ends = [match.end() for match in re.finditer(r"\S+\s*", text[piece.start : piece.end])]
    starts = [0, *ends[:-1]]
    cut = [Piece(piece.start + s, piece.start + e, WORD) for s, e in zip(starts, ends, strict=True)]
    return [*cut[:-1], Piece(cut[-1].start, piece.end, piece.strength)]


def halves(text: str, piece: Piece) -> tuple[Piece, Piece]:
    """Cut a word that fits nowhere in two, between characters, so that neither part is white space only."""
    start = piece.end - len(text[piece.start : piece.end].lstrip())
    middle = (start + piece.start + len(text[piece.start : piece.end].rstrip()) + 1) // 2
    return Piece(piece.start, middle, WORD), Piece(middle, piece.end, piece.strength)
