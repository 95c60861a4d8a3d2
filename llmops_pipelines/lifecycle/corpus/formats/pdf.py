"""PDF: headings from the size of letters, paragraphs from the length of lines, pages kept apart by form feeds.

Table rows stay one line each. A file with pages but no text (a scan) is told apart from an empty one.
"""

import io
import re
import statistics
from dataclasses import dataclass
from typing import Any

from ..children.pool import Refused
from .pieces import PAGE, Piece

LOOK_AHEAD = 30  # pieces of text that may be in no line
HEADING_SCALE = 1.08  # text this much larger than the body is a heading


def pdf(data: bytes) -> Piece:
    """Text of all pages. A file with pages but no text (a scan) is told apart from an empty one."""
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise Refused("encrypted with a password")
    pages = [_page_lines(page, number) for number, page in enumerate(reader.pages)]
    lines = [line for page in _without_running_lines(pages) for line in page]
    if not lines:
        return Piece(reason="no_text", detail=f"0 characters from {len(pages)} pages")
    body, title = _flow(lines)
    stated = (reader.metadata.title or "") if reader.metadata else ""
    return Piece(str(stated).strip() or title, body)


@dataclass(frozen=True)
class Line:
    """A line of a PDF page, its largest font size in points (0 when unknown), whether it is one bold piece, and its page.

    A bold row of several pieces is the head of a table, not a heading.
    """

    text: str
    size: float
    bold: bool = False
    page: int = 0


def _page_lines(page: Any, number: int) -> list[Line]:
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
        lines.append(Line(" ".join(line.split()), max((size for _, size, _ in inside), default=0.0), bold, number))
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
    out: list[list[str]] = []  # lines by their parts: a paragraph of a whole book must not be copied at each of its lines
    title, running, page = "", False, 0
    for line in lines:
        text = re.sub(r"^[\u2022\u25cf\u25aa\u2013]\s+", "- ", line.text)
        if len(text) <= 120 and (line.size in ranks or (line.bold and bold_means_heading)):
            page = _turn_page(out, page, line.page)
            title = title or text
            level = ranks.index(line.size) if line.size in ranks else len(ranks)
            out += [[], [f"{'#' * min(level + 1, 6)} {text}"], []]
            running = False
        elif running and not re.match(r"- |\d{1,2}[.)] [A-Z]", text):
            last = out[-1][-1]
            broken = last.endswith("-") and last[-2:-1].islower() and text[:1].islower()
            out[-1][-1] = last[:-1] if broken else f"{last} "
            out[-1].append(text)
            running = len(line.text) >= full
        else:
            page = _turn_page(out, page, line.page)
            out.append([text])
            running = len(line.text) >= full
    return "\n".join(map("".join, out)).strip("\n"), title


def _turn_page(out: list[list[str]], page: int, to: int) -> int:
    """A mark for each page passed. A paragraph that goes on over a page break is not cut: the mark comes after it."""
    out += [[PAGE]] * (to - page)
    return to
