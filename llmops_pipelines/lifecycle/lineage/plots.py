"""Plots of a page as inline SVG. Labels are HTML beside the drawing, so that they keep their size on a phone; the drawing
alone is stretched.
"""

import math

from .markup import Markup, element, joined
from .page import Bars, Series
from .wording import interval, number

HIGH, ROOM = 100.0, 8.0  # the drawing of a series, in its own units


def bars(block: Bars) -> Markup:
    """A row per bar: name, bar with its interval around a common zero, number."""
    ends = [end for _, value, low, high in block.bars for end in (value, low, high) if end is not None and math.isfinite(end)]
    least, most = min([0.0, *ends]), max([0.0, *ends])
    span = (most - least) or 1.0

    def place(value: float) -> float:
        return 2 + 96 * (value - least) / span

    rows = [_bar(*each, place=place, unit=block.unit) for each in block.bars]
    return element("div", *rows, class_="bars") if rows else element("p", "none", class_="quiet")


def _bar(name: str, value: float, low: float | None, high: float | None, *, place, unit: str) -> Markup:
    unit = f" {unit}" if unit else ""
    said = f"{number(value)}{unit}"
    spread = interval(low, high)
    shown = [_line(place(0), 0, place(0), 24, "zero")]
    if math.isfinite(value):
        left, right = sorted((place(0), place(value)))
        sure = low is None or high is None or low > 0 or high < 0
        side = ("above" if value >= 0 else "below") if sure else "unsure"
        shown.append(element("rect", x=left, y=6.0, width=max(right - left, 0.3), height=12.0, class_=side))
    if spread:
        low_at, high_at = place(low), place(high)
        shown += [_line(low_at, 12, high_at, 12, "whisker"), *(_line(at, 8, at, 16, "whisker") for at in (low_at, high_at))]
    drawn = element("svg", *shown, viewBox="0 0 100 24", preserveAspectRatio="none", role="img", aria_label=f"{name}: {said}")
    about = element("span", spread, class_="quiet") if spread else None
    return joined(element("div", name, class_="name"), drawn, element("div", element("b", said), " ", about, class_="number"))


def series(block: Series) -> Markup:
    """A line over positions, gaps where nothing was measured, marked positions as larger dots named below."""
    known = [value for value in block.values if value is not None and math.isfinite(value)]
    if not known:
        return element("p", "nothing was measured", class_="quiet")
    least, most = min(known), max(known)
    points = _points(block, least, most)
    runs = [element("polyline", points=" ".join(f"{x:.2f},{y:.2f}" for x, y in run), class_="course") for run in _runs(points)]
    dots = [_dot(*at, "dot") for at in points if at and len(points) <= 60]
    dots += [_dot(*points[position], "marked") for position in block.marked if points[position]]
    grid = [_line(0, y, 100, y, "grid") for y in (ROOM, HIGH / 2, HIGH - ROOM)]
    drawn = element(
        "svg", *grid, *runs, *dots, viewBox=f"0 0 100 {HIGH:g}", preserveAspectRatio="none", role="img",
        aria_label=f"{len(known)} values from {number(least)} to {number(most)}",
    )  # fmt: skip
    scale = element("div", *(element("span", number(each)) for each in (most, (most + least) / 2, least)), class_="scale")
    ends = element("div", *(element("span", name) for name in _ends(block.names)), class_="ends")
    return joined(element("div", scale, drawn, ends, class_="series"), _named(block))


def _points(block: Series, least: float, most: float) -> list[tuple[float, float] | None]:
    step, span = 96 / max(len(block.values) - 1, 1), (most - least)
    return [
        (2 + position * step, HIGH - ROOM - (HIGH - 2 * ROOM) * ((value - least) / span if span else 0.5))
        if value is not None and math.isfinite(value)
        else None
        for position, value in enumerate(block.values)
    ]


def _runs(points: list[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if len(run) > 1]


def _named(block: Series) -> Markup | None:
    named = [
        element("li", element("b", block.names[each]), " ", number(value))
        for each in block.marked
        if (value := block.values[each]) is not None
    ]
    return element("ul", *named, class_="named") if named else None


def _ends(names) -> list[str]:
    return [names[0], names[-1]] if len(names) > 1 else list(names)


def _line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=class_)


def _dot(x: float, y: float, class_: str) -> Markup:
    """A line without length and with round ends: it stays round however the drawing is stretched."""
    return element("path", d=f"M{x:.2f} {y:.2f}h0", class_=class_)
