"""CSV, JSON Lines and Parquet: one document per row when the source names its columns, else one Markdown table."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from ..children.pool import Refused
from .pieces import UNPACKED_BYTES, Piece, Room

Row = tuple[int, dict[str, Any] | None]  # line number, values; None for a line that is no row
PARQUET_ROWS = 256  # decoded at once: a value that is stored once can stand in every row


def csv_file(content: str, columns: dict[str, Any] | None, room: Room) -> Iterator[Piece]:
    return from_rows(list(_csv_rows(content)), columns, "line")


def json_lines(content: str, columns: dict[str, Any] | None, room: Room) -> Iterator[Piece]:
    return from_rows(list(_json_rows(content)), columns, "line")


def parquet(data: bytes, columns: dict[str, Any] | None, room: Room) -> Iterator[Piece]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_cpu_count(1)
    file = pq.ParquetFile(io.BytesIO(data))
    groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
    if sum(group.total_byte_size for group in groups) > UNPACKED_BYTES:
        raise Refused(f"unpacks to more than {UNPACKED_BYTES} bytes")
    wanted = [name for name in columns.values() if name] if columns else None
    have = file.schema_arrow.names
    rows: list[Row] = []
    for batch in file.iter_batches(PARQUET_ROWS, columns=[name for name in wanted if name in have] if wanted else None):
        room.unpack(batch.nbytes)
        rows += enumerate(batch.to_pylist(), len(rows) + 1)
    return from_rows(rows, columns, "row")


def from_rows(rows: list[Row], columns: dict[str, Any] | None, unit: str) -> Iterator[Piece]:
    """Documents of a table whose rows are counted in `unit`. Raises `Refused` when a named column is nowhere in it."""
    if columns is None:
        yield from _whole(rows, unit)
        return
    for column in (name for name in columns.values() if name):
        if rows and not any(values and column in values for _, values in rows):
            raise Refused(f"no column {column!r} in the table")
    seen: dict[str, Piece] = {}
    for number, values in rows:
        place = f"{unit} {number}"
        piece = _row_piece(place, values, columns)
        if piece.reason or piece.row not in seen:
            yield piece if piece.reason else seen.setdefault(piece.row, piece)
        elif (piece.title, piece.text) == (seen[piece.row].title, seen[piece.row].text):
            yield Piece(row=f"{piece.row} ({place})", reason="repeated_row", detail=f"{place} repeats an earlier row")
        else:
            yield Piece(row=f"{piece.row} ({place})", reason="conflicting_row", detail=f"{place}: id used before")


def _row_piece(place: str, values: dict[str, Any] | None, columns: dict[str, Any]) -> Piece:
    if values is None:
        return Piece(row=place, reason="bad_row", detail=f"{place} is not a row of the table")
    identity = cell_text(values.get(columns["id"])).strip()
    if not identity:
        return Piece(row=place, reason="row_without_id", detail=f"{place} has no value for {columns['id']!r}")
    title = cell_text(values.get(columns["title"])).strip() if columns.get("title") else ""
    return Piece(title, cell_text(values.get(columns["text"])), identity[:200])


def _whole(rows: list[Row], unit: str) -> Iterator[Piece]:
    good = [values for _, values in rows if values is not None]
    names = list(dict.fromkeys(name for values in good for name in values))
    yield Piece("", markdown_table(names, ([values.get(name) for name in names] for values in good)) if names else "")
    for number, values in rows:
        if values is None:
            place = f"{unit} {number}"
            yield Piece(row=place, reason="bad_row", detail=f"{place} is not a row of the table")


def markdown_table(header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table; line breaks and bars inside a cell would break it and are replaced."""

    def line(cells: Iterable[Any]) -> str:
        return "| " + " | ".join(" ".join(cell_text(cell).replace("|", "\\|").split()) for cell in cells) + " |"

    header = list(header)
    return "\n".join([line(header), "|" + "---|" * len(header), *(line(row) for row in rows)])


def cell_text(value: Any) -> str:
    """A value as a reader would write it; nested ones as JSON, bytes only when they are text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace") if b"\0" not in value else ""
    return json.dumps(value, ensure_ascii=False, default=str).strip('"')


def header_names(cells: list[str]) -> list[str]:
    """A column without a name, or with the name of an earlier one, is called by its number: its values must not be lost."""
    names: dict[str, None] = {}
    for number, cell in enumerate(cells, 1):
        name = cell.strip() or f"column {number}"
        while name in names:
            name = f"{name} {number}"
        names[name] = None
    return list(names)


def _csv_rows(content: str) -> Iterator[Row]:
    csv.field_size_limit(sys.maxsize)
    first = content.lstrip("\ufeff\r\n").partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)  # the first of them when none occurs
    reader = csv.reader(io.StringIO(content.lstrip("\ufeff"), newline=""), delimiter=delimiter)
    header: list[str] | None = None
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = header_names(cells)
        elif len(cells) > len(header):
            yield reader.line_num, None
        else:
            yield reader.line_num, dict(zip(header, [*cells, *[""] * (len(header) - len(cells))], strict=True))


def _json_rows(content: str) -> Iterator[Row]:
    for number, line in enumerate(content.lstrip("\ufeff").split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = read_json(line)
        except (ValueError, RecursionError):  # a number of a million digits and deep nesting end here too
            values = None
        yield number, values if isinstance(values, dict) else None


def read_json(content: str) -> Any:
    """Strict where text would be lost: a key that stands twice is an error. NaN and Infinity are no values and become null."""
    return json.loads(content, object_pairs_hook=_each_key_once, parse_constant=lambda _: None)


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a key stands twice in an object")
    return values
