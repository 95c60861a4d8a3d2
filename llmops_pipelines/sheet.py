"""A page as rich shows it in a terminal. What stands on it is decided beside each question; in a browser it is
`lifecycle/lineage/html.py`.
"""

import math
from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from llmops_pipelines.lifecycle.lineage.page import Bars, Block, Edit, Facts, Page, Series, Table, Value
from llmops_pipelines.lifecycle.lineage.wording import cell, harmless, interval, number, numeric

STYLES = {"": "", "good": "green", "bad": "red", "quiet": "dim"}
SIGNS = {" ": "", "-": "red", "+": "green"}
BAR = 24  # letters of a full bar
SHORT = 20  # letters of a cell that is not broken
STEPS = "▁▂▃▄▅▆▇█"


def lines(page: Page) -> Iterator[RenderableType]:
    """What to print, one after another."""
    yield Text(harmless(page.title), "bold")
    yield Text(harmless(page.answer), STYLES[page.mark])
    for block in page.blocks:
        yield Text()
        if block.title:
            yield Text(harmless(block.title), "bold underline")
        yield from _block(block)
    if page.next:
        yield Text()
    for does, command in page.next:
        yield Text.assemble((f"{harmless(does)}: ", "dim"), harmless(command))


def _block(block: Block) -> Iterator[RenderableType]:
    match block:
        case Facts():
            yield _grid([(Text(harmless(name), "dim"), _text(value)) for name, value in block.values.items()])
        case Table():
            yield _table(block) if block.rows else Text("none", "dim")
            if block.more:
                yield Text(harmless(block.more), "dim")
        case Edit():
            for sign, text in block.lines:
                yield Text(f"{sign} {harmless(text)}", SIGNS[sign])
        case Bars():
            yield _bars(block)
        case Series():
            yield from _series(block)


def _text(value: Value) -> Text:
    shown = cell(value)
    return Text(shown.text, STYLES[shown.mark])


def _grid(rows: list[tuple[Text, ...]]) -> RenderableType:
    grid = Grid.grid(padding=(0, 2))
    for row in rows:
        grid.add_row(*row)
    return Padding(grid, (0, 0, 0, 2), expand=False)


def _table(block: Table) -> Grid:
    table = Grid(box=None, pad_edge=False, header_style="dim")
    for position, name in enumerate(block.columns):
        known = [row[position] for row in block.rows if row[position] is not None]
        right = bool(known) and all(numeric(value) for value in known)
        short = max((len(cell(value).text) for value in known), default=0) <= SHORT
        table.add_column(Text(harmless(name)), justify="right" if right else "left", overflow="fold", no_wrap=right or short)
    for row in block.rows:
        table.add_row(*map(_text, row))
    return table


def _bars(block: Bars) -> RenderableType:
    most = max((abs(value) for _, value, _, _ in block.bars if math.isfinite(value)), default=0.0) or 1.0
    unit = harmless(f" {block.unit}") if block.unit else ""
    rows = []
    for name, value, low, high in block.bars:
        length = round(BAR * abs(value) / most) if math.isfinite(value) else 0
        sure = low is None or high is None or low > 0 or high < 0
        style = ("red" if value < 0 else "cyan") if sure else "dim"
        spread = Text(interval(low, high), "dim")
        rows.append((Text(harmless(name)), Text(f"{number(value)}{unit}", justify="right"), Text("█" * length, style), spread))
    return _grid(rows)


def _series(block: Series) -> Iterator[RenderableType]:
    known = [value for value in block.values if value is not None and math.isfinite(value)]
    if not known:
        yield Text("nothing was measured", "dim")
        return
    least, most = min(known), max(known)
    span, course = (most - least) or 1.0, Text("  ")
    for position, value in enumerate(block.values):
        measured = value is not None and math.isfinite(value)
        step = STEPS[round((value - least) / span * (len(STEPS) - 1))] if measured else " "
        course.append(step, "bold red" if position in block.marked else "cyan")
    yield course
    yield Text(harmless(f"  {block.names[0]} to {block.names[-1]}, from {number(least)} to {number(most)}"), "dim")
    named = [(Text(harmless(block.names[at]), "red"), _text(block.values[at])) for at in block.marked]
    if named:
        yield _grid(named)
