"""CSV and JSON Lines: one document per row when the source names its columns, else one Markdown table."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from .parsers import Piece
from .pool import Refused

Row = tuple[int, dict[str, Any] | None]  # line number, values; None for a line that is no row


def pieces(content: str, kind: str, columns: dict[str, Any] | None) -> Iterator[Piece]:
    """Documents of a table. Raises `Refused` when a named column is nowhere in it."""
    rows = list(_csv_rows(content) if kind == "csv" else _json_rows(content))
    if columns is None:
        yield from _whole(rows)
        return
    for column in (name for name in columns.values() if name):
        if rows and not any(values and column in values for _, values in rows):
            raise Refused(f"no column {column!r} in the table")
    seen: dict[str, Piece] = {}
    for line, values in rows:
        piece = _row_piece(line, values, columns)
        if piece.reason or piece.row not in seen:
            yield piece if piece.reason else seen.setdefault(piece.row, piece)
        elif (piece.title, piece.text) == (seen[piece.row].title, seen[piece.row].text):
            yield Piece(row=f"{piece.row} (line {line})", reason="repeated_row", detail=f"line {line} repeats an earlier row")
        else:
            yield Piece(row=f"{piece.row} (line {line})", reason="conflicting_row", detail=f"line {line}: id used before")


def _row_piece(line: int, values: dict[str, Any] | None, columns: dict[str, Any]) -> Piece:
    place = f"line {line}"
    if values is None:
        return Piece(row=place, reason="bad_row", detail=f"{place} is not a row of the table")
    identity = _cell(values.get(columns["id"])).strip()
    if not identity:
        return Piece(row=place, reason="row_without_id", detail=f"{place} has no value for {columns['id']!r}")
    title = _cell(values.get(columns["title"])).strip() if columns.get("title") else ""
    return Piece(title, _cell(values.get(columns["text"])), identity[:200])


def _whole(rows: list[Row]) -> Iterator[Piece]:
    good = [values for _, values in rows if values is not None]
    names = list(dict.fromkeys(name for values in good for name in values))
    yield Piece("", markdown_table(names, ([values.get(name) for name in names] for values in good)) if names else "")
    for line, values in rows:
        if values is None:
            yield Piece(row=f"line {line}", reason="bad_row", detail=f"line {line} is not a row of the table")


def markdown_table(header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table; line breaks and bars inside a cell would break it and are replaced."""

    def line(cells: Iterable[Any]) -> str:
        return "| " + " | ".join(" ".join(_cell(cell).replace("|", "\\|").split()) for cell in cells) + " |"

    header = list(header)
    return "\n".join([line(header), "|" + "---|" * len(header), *(line(row) for row in rows)])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _csv_rows(content: str) -> Iterator[Row]:
    csv.field_size_limit(sys.maxsize)
    first = content.lstrip("\ufeff\r\n").partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)  # the first of them when none occurs
    reader = csv.reader(io.StringIO(content.lstrip("\ufeff")), delimiter=delimiter)
    header: list[str] | None = None
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = [cell.strip() or f"column {number}" for number, cell in enumerate(cells, 1)]
        elif len(cells) > len(header):
            yield reader.line_num, None
        else:
            yield reader.line_num, dict(zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=True))


def _json_rows(content: str) -> Iterator[Row]:
    for number, line in enumerate(content.lstrip("\ufeff").split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):  # a number of a million digits and deep nesting end here too
            values = None
        yield number, values if isinstance(values, dict) else None
