"""What became of a text, by lines, and by sentences where a line holds several."""

import re
from difflib import SequenceMatcher
from typing import Literal

Line = tuple[Literal[" ", "-", "+"], str]
SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[A-Z0-9\"'(])")
LONG = 120  # letters from which on a line is cut into its sentences
MOST = 4_000_000  # pairs of lines; beyond that they are not aligned, which would take minutes
GAP = "\N{MIDLINE HORIZONTAL ELLIPSIS}"


def edit(before: str, after: str, around: int = 1) -> tuple[Line, ...]:
    """The lines that differ, with `around` lines of what stands beside them; empty for equal texts."""
    old, new = _lines(before), _lines(after)
    start = _shared(old, new)
    end = _shared(old[start:][::-1], new[start:][::-1])
    first, second = old[start : len(old) - end], new[start : len(new) - end]
    if not first and not second:
        return ()
    found: list[Line] = [(" ", GAP)] if start > around else []
    found += [(" ", line) for line in old[max(start - around, 0) : start]]
    found += _aligned(first, second, around)
    found += [(" ", line) for line in old[len(old) - end :][:around]]
    return (*found, *([(" ", GAP)] if end > around else []))


def changed(lines: tuple[Line, ...]) -> int:
    """Letters that went or came."""
    return sum(len(text) for sign, text in lines if sign != " ")


def _aligned(old: list[str], new: list[str], around: int) -> list[Line]:
    if len(old) * len(new) > MOST:
        return [*(("-", line) for line in old), *(("+", line) for line in new)]
    found: list[Line] = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            kept = old[a:b]
            whole = len(kept) <= 2 * around + 1
            found += [(" ", line) for line in (kept if whole else [*kept[:around], GAP, *kept[len(kept) - around :]])]
        else:
            found += [*(("-", line) for line in old[a:b]), *(("+", line) for line in new[c:d])]
    return found


def _shared(old: list[str], new: list[str]) -> int:
    """How many lines are the same from the start on."""
    count = 0
    for first, second in zip(old, new, strict=False):
        if first != second:
            break
        count += 1
    return count


def _lines(text: str) -> list[str]:
    lines = []
    for line in text.splitlines():
        if line.strip():
            lines += SENTENCE.split(line) if len(line) > LONG else [line]
    return lines
