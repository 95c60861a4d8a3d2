"""Word files and PDF. Both keep headings and lists; Word tables become Markdown tables, PDF table rows stay one line each."""

import io
import re
import statistics
from dataclasses import dataclass
from typing import Any

from .parsers import Piece
from .pool import Refused

UNPACKED_BYTES = 200 * 2**20  # of a Word file, which is an archive
ARCHIVE_ENTRIES = 10_000
LOOK_AHEAD = 30  # pieces of text that may be in no line
HEADING_SCALE = 1.08  # PDF text this much larger than the body is a heading


def docx(data: bytes) -> Piece:
    """Body text of a Word file in reading order."""
    import docx as library
    from docx.table import Table

    from .tables import markdown_table

    _refuse_bomb(data)
    document = library.Document(io.BytesIO(data))
    blocks: list[str] = []
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            cells = [_distinct(row.cells) for row in block.rows]
            width = max((len(row) for row in cells), default=0)
            filled = [[*row, *[""] * (width - len(row))] for row in cells]
            blocks.append(markdown_table(filled[0], filled[1:]) if filled else "")
        elif block.text.strip():
            blocks.append(_word_paragraph(block))
    title = next((line.lstrip("# ") for line in blocks if line.startswith("# ")), document.core_properties.title or "")
    return Piece(title, _join_blocks(blocks))


def _distinct(cells: Any) -> list[str]:
    """A merged cell is reported once per column that it spans."""
    seen: dict[int, str] = {}
    for cell in cells:
        seen.setdefault(id(cell._tc), cell.text)
    return list(seen.values())


def _word_paragraph(paragraph: Any) -> str:
    style = (paragraph.style.name or "") if paragraph.style is not None else ""
    text = " ".join(paragraph.text.split())
    if style == "Title":
        return f"# {text}"
    if found := re.fullmatch(r"Heading ([1-9])", style):
        return f"{'#' * min(int(found[1]), 6)} {text}"
    if style.startswith("List Number"):
        return f"1. {text}"
    return f"- {text}" if style.startswith("List") else text


def _join_blocks(blocks: list[str]) -> str:
    """Blank lines between blocks, none between the points of a list."""
    out = ""
    for before, block in zip(["", *blocks], blocks, strict=False):
        together = before.startswith(("- ", "1. ")) and block.startswith(("- ", "1. "))
        out += ("" if not before else "\n" if together else "\n\n") + block
    return out


def _refuse_bomb(data: bytes) -> None:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if len(entries) > ARCHIVE_ENTRIES or sum(entry.file_size for entry in entries) > UNPACKED_BYTES:
            raise Refused(f"unpacks to more than {UNPACKED_BYTES} bytes or {ARCHIVE_ENTRIES} entries")


def pdf(data: bytes) -> Piece:
    """Text of all pages. A file with pages but no text (a scan) is told apart from an empty one."""
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise Refused("encrypted with a password")
    pages = [_page_lines(page) for page in reader.pages]
    lines = [line for page in _without_running_lines(pages) for line in page]
    if not lines:
        return Piece(reason="no_text", detail=f"0 characters from {len(pages)} pages")
    body, title = _flow(lines)
    stated = (reader.metadata.title or "") if reader.metadata else ""
    return Piece(str(stated).strip() or title, body)


@dataclass(frozen=True)
class Line:
    """A line of a PDF page, its largest font size in points (0 when it cannot be told), and whether it is one bold piece.

    A bold row of several pieces is the head of a table, not a heading.
    """

    text: str
    size: float
    bold: bool = False


def _page_lines(page: Any) -> list[Line]:
    spans: list[tuple[str, float, bool]] = []

    def visit(text: str, _cm: Any, matrix: Any, font: Any, size: float) -> None:
        height = round(abs(size * (matrix[3] or 1)), 1) if matrix else 0.0
        bold = bool(re.search(r"bold|black|heavy", str((font or {}).get("/BaseFont", "")), re.IGNORECASE))
        spans.extend((part.strip(), height, bold) for part in text.split("\n") if part.strip())

    whole = page.extract_text(visitor_text=visit)
    lines: list[Line] = []
    place = 0
    for line in filter(None, map(str.strip, whole.splitlines())):
        start = next((i for i in range(place, min(place + LOOK_AHEAD, len(spans))) if spans[i][0] in line), None)
        inside = []
        while start is not None and start < len(spans) and spans[start][0] in line:
            inside.append(spans[start])
            place = start = start + 1
        bold = len(inside) == 1 and inside[0][2] and inside[0][0] == line
        lines.append(Line(" ".join(line.split()), max((size for _, size, _ in inside), default=0.0), bold))
    return lines


def _without_running_lines(pages: list[list[Line]]) -> list[list[Line]]:
    """Headers and footers: first or last lines that are equal, but for digits, on more than half of three or more pages."""
    if len(pages) < 3:
        return pages
    counts: dict[str, int] = {}
    for page in pages:
        for text in {re.sub(r"\d+", "0", line.text) for line in [*page[:1], *page[-1:]]}:
            counts[text] = counts.get(text, 0) + 1
    running = {text for text, count in counts.items() if count > len(pages) / 2}
    kept = []
    for page in pages:
        ends = {0, len(page) - 1}
        kept.append([line for i, line in enumerate(page) if i not in ends or re.sub(r"\d+", "0", line.text) not in running])
    return kept


def _flow(lines: list[Line]) -> tuple[str, str]:
    """Full lines run on into the next one; short ones (last lines, table rows, points) end where they end."""
    weights = [line.size for line in lines if line.size for _ in range(1 + len(line.text) // 20)]
    usual = statistics.median(weights) if weights else 0.0
    ranks = sorted({line.size for line in lines if line.size >= max(usual * HEADING_SCALE, 0.1)}, reverse=True)
    bold_means_heading = sum(len(line.text) for line in lines if line.bold) < sum(len(line.text) for line in lines) / 2
    full = 0.75 * max((len(line.text) for line in lines if line.size not in ranks), default=0)
    out: list[str] = []
    title, running = "", False
    for line in lines:
        text = re.sub(r"^[\u2022\u25cf\u25aa\u2013]\s+", "- ", line.text)
        if len(text) <= 120 and (line.size in ranks or (line.bold and bold_means_heading)):
            title = title or text
            level = ranks.index(line.size) if line.size in ranks else len(ranks)
            out += ["", f"{'#' * min(level + 1, 6)} {text}", ""]
            running = False
        elif running and not re.match(r"- |\d{1,2}[.)] [A-Z]", text):
            broken = re.search(r"[a-z]-$", out[-1]) and text[:1].islower()
            out[-1] = out[-1][:-1] + text if broken else f"{out[-1]} {text}"
            running = len(line.text) >= full
        else:
            out.append(text)
            running = len(line.text) >= full
    return "\n".join(out).strip(), title
