"""Word files, and what all Office packages have in common: they are zip archives of XML that may be bombs.

Text in content controls, text boxes and tracked insertions counts as text; deleted text does not.
"""

import io
import re
from collections.abc import Iterator
from typing import Any

from ..children.pool import Refused
from .pieces import Piece
from .signatures import OFFICE

UNPACKED_BYTES = 200 * 2**20
ARCHIVE_ENTRIES = 10_000
RATIO = 1_000  # XML packs well, but no text packs like this
DOCTYPE_WITHIN = 4_096
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"  # repeats what stands beside it
POINT = re.compile(r"(?: *- |1\. )")


def check_package(data: bytes, kind: str) -> None:
    """Raises `Refused` for another kind of archive, for one that unpacks to too much, and for XML that defines entities.

    What an entry declares is enough here: `zipfile` never reads more of it than that.
    """
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        size = sum(entry.file_size for entry in entries)
        if len(entries) > ARCHIVE_ENTRIES or size > UNPACKED_BYTES:
            raise Refused(f"unpacks to more than {UNPACKED_BYTES} bytes or {ARCHIVE_ENTRIES} entries")
        if size > 2**20 and size > RATIO * len(data):
            raise Refused(f"unpacks to more than {RATIO} times its size")
        if not any(entry.filename.startswith(OFFICE[kind]) for entry in entries):
            raise Refused(f"named as {kind}, and is another kind of archive")
        for entry in entries:
            if entry.filename.endswith((".xml", ".rels")):
                with archive.open(entry) as part:
                    if b"<!DOCTYPE" in part.read(DOCTYPE_WITHIN):
                        raise Refused("XML with a document type, which Office files never have")


def docx(data: bytes) -> Piece:
    """Body text of a Word file in reading order, its footnotes last."""
    import docx as library

    check_package(data, "docx")
    document = library.Document(io.BytesIO(data))
    levels = {style.get(f"{W}styleId"): _level(style.find(f"{W}name")) for style in document.styles.element.iter(f"{W}style")}
    blocks = [*_blocks(document.element.body, levels), *_notes(document)]
    title = next((line.lstrip("# ") for line in blocks if line.startswith("# ")), document.core_properties.title or "")
    return Piece(title, join_blocks(blocks))


def _level(name_element: Any) -> int | str:
    """1 to 6 for the style of a heading, a list mark for that of a list, else 0."""
    name = "" if name_element is None else name_element.get(f"{W}val") or ""
    if name == "Title":
        return 1
    if found := re.fullmatch(r"heading ([1-9])", name, re.IGNORECASE):
        return min(int(found[1]), 6)
    if name.startswith("List Number"):
        return "1. "
    return "- " if name.startswith("List") else 0


def _blocks(parent: Any, levels: dict[str, int | str]) -> Iterator[str]:
    from .tables import markdown_table

    for element in parent:
        if element.tag == f"{W}p":
            if block := _paragraph(element, levels):
                yield block
        elif element.tag == f"{W}tbl":
            rows = [[_text(cell) for cell in _cells(row)] for row in element.iterchildren(f"{W}tr")]
            if width := max(map(len, rows), default=0):
                filled = [[*row, *[""] * (width - len(row))] for row in rows]
                yield markdown_table(filled[0], filled[1:])
        elif element.tag in (f"{W}sdt", f"{W}sdtContent"):
            yield from _blocks(element, levels)


def _cells(row: Any) -> Iterator[Any]:
    for element in row:
        if element.tag == f"{W}tc":
            yield element
        elif element.tag in (f"{W}sdt", f"{W}sdtContent"):
            yield from _cells(element)


def _paragraph(element: Any, levels: dict[str, int | str]) -> str:
    text = " ".join(_text(element).split())
    if not text:
        return ""
    style = element.find(f"{W}pPr/{W}pStyle")
    level = levels.get(style.get(f"{W}val"), 0) if style is not None else 0
    numbered = element.find(f"{W}pPr/{W}numPr")
    if isinstance(level, int) and level:
        return f"{'#' * level} {text}"
    if numbered is None:
        return f"{level or ''}{text}"
    deep = numbered.find(f"{W}ilvl")
    indent = int(deep.get(f"{W}val") or 0) if deep is not None else 0
    return f"{'  ' * min(indent, 8)}{level or '- '}{text}"


def _text(element: Any) -> str:
    parts: list[str] = []
    skipped: list[Any] = list(element.iter(FALLBACK))
    hidden = {id(each) for part in skipped for each in part.iter()}
    for each in element.iter(f"{W}t", f"{W}tab", f"{W}br", f"{W}cr", f"{W}p"):
        if id(each) in hidden:
            continue
        if each.tag == f"{W}t":
            parts.append(each.text or "")
        elif each.tag != f"{W}tab" or each.getparent().tag == f"{W}r":  # the others define tabulator stops
            parts.append("\t" if each.tag == f"{W}tab" else "\n")
    return "".join(parts).strip()


def _notes(document: Any) -> Iterator[str]:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    for relation in document.part.rels.values():
        if relation.reltype.endswith(("/footnotes", "/endnotes")) and not relation.is_external:
            for note in etree.fromstring(relation.target_part.blob, parser):
                if text := " ".join(_text(note).split()):
                    yield text


def join_blocks(blocks: list[str]) -> str:
    """Blank lines between blocks, none between the points of a list."""
    out: list[str] = []
    for before, block in zip(["", *blocks], blocks, strict=False):
        together = POINT.match(before) and POINT.match(block)
        out += ["" if not before else "\n" if together else "\n\n", block]
    return "".join(out)
