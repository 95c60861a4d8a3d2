"""Slides: the title of each is a heading, then its texts and tables in reading order, then the speaker's notes."""

import io
from collections.abc import Iterator
from typing import Any

from .office import check_package, join_blocks
from .pieces import PAGE, Piece

DEEPEST_GROUP = 20


def pptx(data: bytes) -> Piece:
    """Each slide begins with a form feed (but the first), so that a slide is a page."""
    from pptx import Presentation

    check_package(data, "pptx")
    presentation = Presentation(io.BytesIO(data))
    blocks: list[str] = []
    title = ""
    for number, slide in enumerate(presentation.slides, 1):
        heading = _line(slide.shapes.title.text_frame.text) if slide.shapes.title is not None else ""
        title = title or heading
        if number > 1:
            blocks.append(PAGE)
        blocks += [f"{'#' if number == 1 else '##'} {heading}"] if heading else []
        blocks += filter(None, _texts(slide.shapes, slide.shapes.title, 0))
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            notes = _paragraphs(slide.notes_slide.notes_text_frame)
            blocks += [f"Notes: {notes}"] if notes else []
    if not any(block != PAGE for block in blocks):
        return Piece(reason="no_text", detail=f"0 characters from {len(presentation.slides)} slides")
    return Piece(title or presentation.core_properties.title or "", join_blocks(blocks))


def _texts(shapes: Any, title: Any, depth: int) -> Iterator[str]:
    from .tables import markdown_table

    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if hasattr(shape, "shapes") and depth < DEEPEST_GROUP:
            yield from _texts(shape.shapes, None, depth + 1)
        elif getattr(shape, "has_table", False):
            rows = [[cell.text for cell in row.cells] for row in shape.table.rows]
            yield markdown_table(rows[0], rows[1:]) if rows else ""
        elif shape.has_text_frame:
            yield _paragraphs(shape.text_frame)


def _paragraphs(frame: Any) -> str:
    """Several paragraphs in one frame are the points of a list, which slides rarely say in their markup."""
    lines = [(paragraph.level, _line(paragraph.text)) for paragraph in frame.paragraphs]
    lines = [(level, line) for level, line in lines if line]
    if len(lines) == 1:
        return lines[0][1]
    return "\n".join(f"{'  ' * level}- {line}" for level, line in lines)


def _line(text: str) -> str:
    return " ".join(text.split())
