"""Small to big: what is found precisely as a small passage is read together with what stands around it.

Neighbours need no list: the id of a chunk follows from its document, its text, the chunker and its place.
"""

from collections.abc import Sequence
from typing import Literal

from ..engines.contract import Point, Reader, Where
from ..passages import chunk_id

Expand = Literal["none", "neighbours", "section"]
REACH = {"none": 0, "neighbours": 1, "section": 8}  # passages looked at on each side
OVERLAP = 12  # characters; shorter repetitions at a cut are chance
IDS_AT_ONCE = 1_000


def contexts(reader: Reader, points: Sequence[Point], chunker: str, expand: Expand, where: Where) -> list[str]:
    """The text to read for each point: its own with what `expand` brings along, in the order of the document.

    What the caller may not see is not in it. A section is the run of passages with the same heading, at most eight on each
    side.
    """
    reach = REACH[expand]
    if not reach:
        return [point.text for point in points]
    around = [
        {step: _name(point, chunker, step) for step in range(-reach, reach + 1) if step and point.ordinal + step >= 0}
        for point in points
    ]
    seen = points_of(reader, sorted({name for row in around for name in row.values()}), where.visible())
    beside = [{step: seen[name] for step, name in row.items() if name in seen} for row in around]
    return [_text(point, row, expand) for point, row in zip(points, beside, strict=True)]


def _name(point: Point, chunker: str, step: int) -> str:
    return chunk_id(point.doc_id, point.content_hash, chunker, point.ordinal + step)


def points_of(reader: Reader, chunk_ids: list[str], where: Where) -> dict[str, Point]:
    """Those of the chunks that are here and may be seen."""
    found: dict[str, Point] = {}
    for at in range(0, len(chunk_ids), IDS_AT_ONCE):
        found |= reader.points(chunk_ids[at : at + IDS_AT_ONCE], where)
    return found


def _text(point: Point, beside: dict[int, Point], expand: Expand) -> str:
    run = [*_run(point, beside, -1, expand)[::-1], point, *_run(point, beside, 1, expand)]
    text = run[0].text
    for passage in run[1:]:
        text = _joined(text, passage.text)
    return text


def _run(point: Point, beside: dict[int, Point], direction: int, expand: Expand) -> list[Point]:
    run: list[Point] = []
    while (following := beside.get(direction * (len(run) + 1))) is not None:
        if expand == "section" and following.heading != point.heading:
            break
        run.append(following)
    return run


def _joined(first: str, second: str) -> str:
    """Both texts with what they share at the cut (`chunks.overlap`) once."""
    for length in range(min(len(first), len(second)), OVERLAP - 1, -1):
        if first.endswith(second[:length]):
            return first + second[length:]
    return f"{first}\n{second}"
