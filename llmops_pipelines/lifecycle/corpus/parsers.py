"""One function per format: bytes in, documents out. Headings become Markdown `#` lines, tables Markdown tables.

`parse` runs in a child process (see pool.py). HTML lives in web.py, tables in tables.py, Word files and PDF in office.py.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from .pool import Limits, Refused

FORMATS = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".txt": "text",
    ".pdf": "pdf",
    ".docx": "docx",
    ".csv": "csv",
    ".jsonl": "jsonl",
}
CODE = {"markdown": "1", "html": "1", "text": "1", "pdf": "1", "docx": "1", "csv": "1", "jsonl": "1"}
LIBRARIES = {"html": ("trafilatura", "lxml"), "pdf": ("pypdf",), "docx": ("python-docx", "lxml")}
DAMAGED_BLOB = "the kept bytes are missing or damaged"


@dataclass(frozen=True)
class Piece:
    """One document of a file. `row` names it inside a table; `reason` and `detail` are set when it cannot be used."""

    title: str = ""
    text: str = ""
    row: str = ""
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Parsed:
    pieces: tuple[Piece, ...]
    reencoded: bool = False


def parser_identity(kind: str, columns: dict[str, Any] | None, limits: Limits) -> dict[str, Any]:
    """All that the result of parsing depends on beside the bytes."""
    libraries = {name: library_version(name) for name in (*LIBRARIES.get(kind, ()), "charset-normalizer")}
    rows = columns if kind in ("csv", "jsonl") else None
    return {"kind": kind, "code": CODE[kind], "libraries": libraries, "columns": rows, "limits": vars(limits)}


@lru_cache(maxsize=32)
def library_version(name: str) -> str:
    from importlib.metadata import version

    return version(name)


def parse(
    path: str, blob: str, kind: str, columns: dict[str, Any] | None, characters: int
) -> tuple[list[dict[str, str]], bool]:
    """The documents of the file kept at `path`, as plain rows, and whether its text had to be decoded by detection."""
    import hashlib

    from .cleaning import clean, storable

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise Refused(DAMAGED_BLOB) from error
    if hashlib.sha256(data).hexdigest() != blob:
        raise Refused(DAMAGED_BLOB)
    parsed = _parse(data, kind, columns)
    if (size := sum(len(piece.text) + len(piece.title) for piece in parsed.pieces)) > characters:
        raise Refused(f"{size} characters come out, more than the limit of {characters}")
    rows = [{name: storable(value) for name, value in vars(piece).items()} for piece in parsed.pieces]
    return [{**row, "row": clean(row["row"]).replace("\n", " ")} for row in rows], parsed.reencoded


def _parse(data: bytes, kind: str, columns: dict[str, Any] | None) -> Parsed:
    if kind in ("pdf", "docx"):
        from . import office

        return Parsed((office.pdf(data) if kind == "pdf" else office.docx(data),))
    declared = _declared_encoding(data) if kind == "html" else None
    content, reencoded = decode(data, declared)
    if kind in ("csv", "jsonl"):
        from . import tables

        return Parsed(tuple(tables.pieces(content, kind, columns)), reencoded)
    if kind == "html":
        from .web import html

        return Parsed((html(content),), reencoded)
    return Parsed((markdown(content) if kind == "markdown" else text(content),), reencoded)


def decode(data: bytes, declared: str | None = None) -> tuple[str, bool]:
    """The text, and whether it was not UTF-8. Order: byte order mark, UTF-8, what the file declares, detection."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32")):
        if data.startswith(mark):
            return data.decode(encoding, "replace"), encoding != "utf-8-sig"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace"), True
    for encoding in ("utf-8", declared):
        try:
            # zero bytes are legal UTF-8, but in number they are UTF-16 without its mark, or no text
            if encoding and data.count(0) * 10 <= len(data):
                return data.decode(encoding), encoding != "utf-8"
        except (UnicodeDecodeError, LookupError):
            continue
    return _detect(data), True


def _detect(data: bytes) -> str:
    """Short Western texts fit several code pages equally well; Windows-1252 is then by far the most frequent in the wild."""
    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    if best is None:
        raise Refused("no text encoding fits the bytes")
    if best.encoding.startswith(("cp125", "iso8859", "latin", "mac")):
        western = from_bytes(data, cp_isolation=["cp1252"]).best()
        if western is not None and western.chaos <= best.chaos and western.coherence >= best.coherence - 0.03:
            return str(western)
    return str(best)


def _declared_encoding(data: bytes) -> str | None:
    found = re.search(rb"charset\s*=\s*[\"']?([A-Za-z0-9_-]{3,20})", data[:2048])
    return found[1].decode("ascii") if found else None


def text(content: str) -> Piece:
    """Plain text has no marks, so its layout is read: short lines that stand alone above a paragraph are headings.

    The first line is the title when it opens a first block of at most three short lines.
    """
    blocks = [block for block in re.split(r"\n[ \t]*\n\s*", re.sub(r"\r\n?", "\n", content).strip("\ufeff \t\n")) if block]
    first = blocks[0].split("\n") if blocks else []
    title = ""
    if len(blocks) > 1 and len(first) <= 3 and _looks_like_title(first[0]) and all(len(line) <= 100 for line in first):
        title = first[0].strip()
        blocks[0] = "\n\n".join([f"# {title}", *filter(None, ["\n".join(first[1:])])])
    for place, (block, following) in enumerate(zip(blocks[1:], blocks[2:], strict=False), 1):
        if "\n" not in block and len(block) <= 70 and _looks_like_title(block) and len(following) > len(block):
            blocks[place] = f"## {block.strip()}"
    return Piece(title, "\n\n".join(blocks))


def _looks_like_title(line: str) -> bool:
    """Starts like a sentence and does not end like one (questions are fine), and is no point of a list."""
    line = line.strip()
    return (
        3 <= len(line) <= 100 and not line.endswith((".", ":", ",", ";", "!")) and bool(re.match(r"[^\W\d_a-z]|[\"'(]", line))
    )


def markdown(content: str) -> Piece:
    """Front matter and comments go; underlined headings become `#` lines; the first heading, or front matter, is the title."""
    lines, title = _front_matter(content.lstrip("\ufeff").splitlines())
    kept: list[str] = []
    fence = ""
    for line in _without_comments(lines):
        mark = re.match(r" {0,3}(`{3,}|~{3,})", line)
        if mark and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else mark[1]
        elif not fence and kept and re.fullmatch(r" {0,3}(=+|-{2,})\s*", line) and _is_paragraph(kept[-1]):
            level = "#" if "=" in line else "##"
            kept[-1] = f"{level} {kept[-1].strip()}"
            continue
        elif not fence and (found := re.fullmatch(r" {0,3}(#{1,6})\s+(.*?)\s*#*\s*", line)):
            line = f"{found[1]} {found[2]}"
        kept.append(line)
        if not fence and not title and line.startswith("# "):
            title = line[2:].strip()
    title = title or next((line[2:].strip() for line in kept if line.startswith("# ")), "")
    return Piece(re.sub(r"[*_`]", "", title), "\n".join(kept))


def _is_paragraph(line: str) -> bool:
    return bool(line.strip()) and not re.match(r"\s*(#|>|\||[-*+] |\d+[.)] )", line)


def _front_matter(lines: list[str]) -> tuple[list[str], str]:
    if not lines or lines[0].rstrip() != "---":
        return lines, ""
    end = next((i for i, line in enumerate(lines[1:200], 1) if line.rstrip() in ("---", "...")), 0)
    head = lines[1:end]
    if not end or not any(re.match(r"[\w-]+\s*:", line) for line in head):  # a horizontal line, not front matter
        return lines, ""
    titles = (re.match(r"title\s*:\s*(.+?)\s*$", line) for line in head)
    return lines[end + 1 :], next((found[1].strip("\"'") for found in titles if found), "")


def _without_comments(lines: list[str]) -> list[str]:
    kept, inside = [], False
    for line in lines:
        shown = ""
        while line or inside:
            before, mark, line = line.partition("-->" if inside else "<!--")
            shown += "" if inside else before
            if not mark:
                break
            inside = not inside
        kept.append(shown)
    return kept
