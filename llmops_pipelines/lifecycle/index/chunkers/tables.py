"""Markdown tables: where they stand, and where one that is too long may be cut. Its header goes with every part."""

import re
from bisect import bisect_right
from collections.abc import Sequence

from .splitting import SENTENCE, WORD, lines

_RULE = re.compile(r"\n[ \t]*+\|?[ \t]*+:?-[-: \t|]*+(?=\n|\Z)")  # the line below the header
_ROWS = re.compile(r"(?:\n(?![ \t]*+\n)[^\n|]*+\|[^\n]*+)*+(?:[ \t\f]*+\n)*+")
HEADER_LINES = 2
_LONGEST_HEADER = 2_000  # characters; a longer line is no header that helps anybody


def tables(text: str, fences: Sequence[tuple[int, int]] = ()) -> list[tuple[int, int]]:
    """(start, end) of each table outside of the fences, header and the empty lines after it included."""
    found: list[tuple[int, int]] = []
    for rule in _RULE.finditer(text) if "|" in text else ():
        start = text.rfind("\n", 0, rule.start()) + 1
        fence = bisect_right(fences, (start, len(text))) - 1
        free = (not found or start >= found[-1][1]) and (fence < 0 or start >= fences[fence][1])
        if free and "|" in rule.group() and "|" in text[start : rule.start()]:
            rows = _ROWS.match(text, rule.end())
            found.append((start, rows.end() if rows else rule.end()))
    return found


def header(text: str, start: int, end: int) -> str:
    """The names of a table's columns, 'a | b | c'; '' when the text there does not begin with a header."""
    line = text[start : min(end, start + _LONGEST_HEADER)].partition("\n")[0]
    return " | ".join(cell for cell in (cell.strip() for cell in line.strip().strip("|").split("|")) if cell)


def rows(text: str, start: int, end: int) -> tuple[list[int], list[int]]:
    """Ends of the rows and how good it is to cut there: the header and the line below it stay with the first row."""
    ends = lines(text, start, end)
    return ends, [WORD if n < HEADER_LINES else SENTENCE for n in range(len(ends))]
