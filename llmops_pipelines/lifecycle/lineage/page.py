"""A page: what a question was answered with, in blocks that a terminal and a browser can both show.

How a page looks is `html.py` here and `terminal.py` outside; what stands on it is decided beside each question.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Mark = Literal["", "good", "bad", "quiet"]


@dataclass(frozen=True)
class Cell:
    """A cell with a colour; a plain value is shown as it is."""

    text: str
    mark: Mark = ""


Value = str | int | float | None | Cell


@dataclass(frozen=True)
class Facts:
    """Names and their values, one a line."""

    title: str
    values: Mapping[str, Value]


@dataclass(frozen=True)
class Table:
    """Rows under columns. `more` says in a sentence what was left out."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    more: str = ""


@dataclass(frozen=True)
class Edit:
    """What became of a text, line by line: " " kept, "-" gone, "+" new."""

    title: str
    lines: Sequence[tuple[Literal[" ", "-", "+"], str]]


@dataclass(frozen=True)
class Bars:
    """Named numbers with their intervals (low <= value <= high; None: no interval), drawn around zero."""

    title: str
    bars: Sequence[tuple[str, float, float | None, float | None]]
    unit: str = ""


@dataclass(frozen=True)
class Series:
    """A number over releases; `marked` are the positions worth looking at."""

    title: str
    names: Sequence[str]
    values: Sequence[float | None]
    marked: Sequence[int] = ()


Block = Facts | Table | Edit | Bars | Series


@dataclass(frozen=True)
class Page:
    """`answer` is the one sentence that matters; `next` are commands that follow from it."""

    title: str
    answer: str
    blocks: Sequence[Block]
    mark: Mark = ""
    next: Sequence[tuple[str, str]] = ()
    """(what it does, the command)"""
