"""How values of a page read, wherever it is shown: numbers with sensible digits, and text that cannot act on its reader.

Documents are hostile: a terminal obeys control characters, and both terminal and browser obey characters that turn the
direction of writing. They are shown by their code point. Layout is `html.py` and `terminal.py`.
"""

import math
import re

from .page import Cell, Value

ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def harmless(text: str) -> str:
    """The text with every control and direction character (but tab and line end) written as its code point."""
    return ACTING.sub(lambda found: f"<U+{ord(found[0]):04X}>", text)


def number(value: float) -> str:
    """Three decimals below a hundred, thousands apart; what is too small for that keeps two digits."""
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return "not measured"
    if value and abs(value) < 0.0005:
        return f"{value:.1e}"
    shown = f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3f}"
    return shown.replace("-0.000", "0.000")


def cell(value: Value) -> Cell:
    """Any value as it is shown: yes and no for truth, a dash for nothing."""
    if isinstance(value, Cell):
        return Cell(harmless(value.text), value.mark)
    if value is None:
        return Cell("\N{EN DASH}", "quiet")
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int | float):
        return Cell(number(value), "" if math.isfinite(value) else "quiet")
    return Cell(harmless(str(value)))


def numeric(value: Value) -> bool:
    """Whether the value belongs at the right edge of its column. A cell does when its text is a number, with sign or %."""
    if isinstance(value, Cell):
        return bool(re.fullmatch(r"[+\-\u2212]?[\d,]*\.?\d+(e-?\d+)? ?%?", value.text))
    return value is not None and not isinstance(value, bool | str)


def interval(low: float | None, high: float | None) -> str:
    """An interval in words; empty where there is none."""
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"
