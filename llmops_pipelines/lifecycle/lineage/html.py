"""A page as one HTML file: no network, no script, readable on a phone, in the dark and on paper.

What stands on it is decided beside each question; plots are `plots.py`, colours `style.py`.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from .markup import Markup, element, joined, raw
from .page import Bars, Block, Cell, Edit, Facts, Page, Series, Table, Value
from .plots import bars, series
from .style import STYLE
from .wording import cell, numeric

LONG = 5  # blocks from which on a page has a table of contents
WIDE = 36  # letters from which on a cell may be broken
DIGEST = re.compile(r"[0-9a-f]{8,64}")
NO_SCRIPT = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
SIGNS = {" ": "span", "-": "del", "+": "ins"}


def render(page: Page) -> str:
    """The page as the text of one file."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=NO_SCRIPT),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", page.title),
        element("style", raw(STYLE)),
    )
    blocks = [_section(position, block) for position, block in enumerate(page.blocks)]
    main = element("main", element("h1", page.title), _answer(page), _next(page), _contents(page.blocks), *blocks)
    return f"<!doctype html>\n{element('html', head, element('body', main), lang='en')}\n"


def _answer(page: Page) -> Markup:
    return element("div", page.answer, class_=f"answer {page.mark}".strip())


def _next(page: Page) -> Markup | None:
    steps = [element("li", does, element("code", command)) for does, command in page.next]
    return element("ul", *steps, class_="next") if steps else None


def _contents(blocks: Sequence[Block]) -> Markup | None:
    """Edits stand below what they belong to, and have no line of their own."""
    named = [(place, each.title) for place, each in enumerate(blocks) if each.title and not isinstance(each, Edit)]
    if len(named) < LONG:
        return None
    links = [element("li", element("a", title, href=f"#part{position}")) for position, title in named]
    return element("nav", element("ol", *links), aria_label="Contents")


def _section(position: int, block: Block) -> Markup:
    title = element("h2", block.title) if block.title else None
    return element("section", title, _block(block), id=f"part{position}")


def _block(block: Block) -> Markup:
    match block:
        case Facts():
            return _facts(block)
        case Table():
            return _table(block)
        case Edit():
            return _edit(block)
        case Bars():
            return bars(block)
        case Series():
            return series(block)
    raise TypeError(f"{type(block).__name__} is no block of a page")


def _facts(block: Facts) -> Markup:
    pairs = [joined(element("dt", name), _value("dd", value)) for name, value in block.values.items()]
    return element("dl", *pairs)


def _table(block: Table) -> Markup:
    more = element("p", block.more, class_="quiet") if block.more else None
    if not block.rows:
        return joined(element("p", "none", class_="quiet"), more)
    sides = ["right" if _right(block.rows, column) else "" for column in range(len(block.columns))]
    heads = [element("th", name, class_=side, scope="col") for name, side in zip(block.columns, sides, strict=True)]
    rows = [element("tr", *(_value("td", value, side) for value, side in zip(row, sides, strict=True))) for row in block.rows]
    table = element("table", element("thead", element("tr", *heads)), element("tbody", *rows))
    return joined(element("div", table, class_="scroll", tabindex="0"), more)


def _right(rows: Sequence[Sequence[Value]], column: int) -> bool:
    known = [row[column] for row in rows if row[column] is not None]
    return bool(known) and all(numeric(value) for value in known)


def _value(name: str, value: Value, side: str = "") -> Markup:
    shown: Cell = cell(value)
    mono = "mono" if DIGEST.fullmatch(shown.text) and not numeric(value) else ""
    wide = "wide" if name == "td" and (len(shown.text) > WIDE or "\n" in shown.text) else ""
    return element(name, shown.text, class_=" ".join(filter(None, (shown.mark, side, mono, wide))))


def _edit(block: Edit) -> Markup:
    """Lines of a text; where one line replaces one other, the words that differ stand out."""
    lines = list(block.lines)
    return element("div", *(_line(lines, position) for position in range(len(lines))), class_="edit")


def _line(lines: list[tuple[str, str]], position: int) -> Markup:
    sign, text = lines[position]
    other = _counterpart(lines, position)
    words = _words(text, other) if other is not None else text
    return element(SIGNS[sign], words, data_sign=sign)


def _counterpart(lines: list[tuple[str, str]], position: int) -> str | None:
    """The one line that this one replaces, or by which it was replaced; None where lines were only added or removed."""
    sign = lines[position][0]
    if sign == " ":
        return None
    first = last = position
    while first and lines[first - 1][0] != " ":
        first -= 1
    while last + 1 < len(lines) and lines[last + 1][0] != " ":
        last += 1
    own = [at for at in range(first, last + 1) if lines[at][0] == sign]
    others = [at for at in range(first, last + 1) if lines[at][0] not in (sign, " ")]
    return lines[others[own.index(position)]][1] if len(own) == len(others) else None


def _words(text: str, other: str) -> Markup:
    mine, theirs = re.findall(r"\w+|\W", text), re.findall(r"\w+|\W", other)
    pieces = []
    for kind, start, end, _, _ in SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes():
        piece = "".join(mine[start:end])
        if piece:
            pieces.append(joined(piece) if kind == "equal" else element("mark", piece))
    return joined(*pieces)
