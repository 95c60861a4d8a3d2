"""Spreadsheets: each sheet a heading and a Markdown table, or one document per row when the source names its columns."""

import datetime
import io
from collections.abc import Iterator
from typing import Any

from ..children.child import bounded
from ..children.pool import Refused
from .office import check_package
from .pieces import Piece, Room
from .signatures import signature
from .tables import Row, from_rows, header_names, markdown_table

Sheet = tuple[str, tuple[list[str], list[Row]]]  # name, columns, rows

CELLS = 5_000_000  # of a sheet, empty ones too: a cell in the last corner makes all others


def spreadsheet(data: bytes, columns: dict[str, Any] | None, room: Room) -> Iterator[Piece]:
    """XLSX, XLS and ODS. The first row that is not empty names the columns."""
    from python_calamine import CalamineWorkbook

    if signature(data) == "zip":
        _check(data)
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
    damaged: list[Piece] = []
    sheets = ((each.name, _rows(workbook, each, damaged)) for each in workbook.sheets_metadata)
    if columns is not None:
        yield from from_rows(_with_columns(sheets, columns), columns, "row")
    else:
        yield _whole(sheets, room)
    yield from damaged


def _whole(sheets: Iterator[Sheet], room: Room) -> Piece:
    blocks = []
    for name, (header, rows) in sheets:
        if header:
            blocks.append(f"# {name}\n\n{markdown_table(header, (values.values() for _, values in rows if values))}")
            room.take(blocks[-1])
    return Piece("", "\n\n".join(blocks))


def _check(data: bytes) -> None:
    """OpenDocument is a zip archive too, of other names."""
    if b"mimetypeapplication/vnd.oasis.opendocument" not in data[:200]:
        check_package(data, "xlsx")


def _rows(workbook: Any, known: Any, damaged: list[Piece]) -> tuple[list[str], list[Row]]:
    """Column names and rows of one sheet. One that cannot be read is added to `damaged`; charts and macros have no cells."""
    from python_calamine import CalamineError, SheetTypeEnum

    try:
        sheet = workbook.get_sheet_by_name(known.name)
    except CalamineError as error:
        if known.typ == SheetTypeEnum.WorkSheet:
            damaged.append(Piece(row=f"sheet {known.name}", reason="member_failed", detail=bounded(error)))
        return [], []
    if sheet.total_height * sheet.total_width > CELLS:
        raise Refused(f"a sheet of {sheet.total_height} rows and {sheet.total_width} columns")
    header: list[str] = []
    rows: list[Row] = []
    for number, cells in enumerate(sheet.iter_rows(), 1):
        texts = [_text(cell) for cell in cells]
        if not any(texts):
            continue
        if not header:
            header = header_names(texts)
        else:
            rows.append((number, dict(zip(header, texts, strict=False))))
    return header, rows


def _with_columns(sheets: Iterator[Sheet], columns: dict[str, Any]) -> list[Row]:
    """Rows of the sheets that have the columns; the others are notes beside the table."""
    wanted = {name for name in columns.values() if name}
    every = [sheet for _, sheet in sheets]
    return [row for header, rows in every if wanted <= set(header) for row in rows] or [
        row for _, rows in every for row in rows
    ]


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    return cell.isoformat() if isinstance(cell, datetime.datetime | datetime.date | datetime.time) else str(cell).strip()
