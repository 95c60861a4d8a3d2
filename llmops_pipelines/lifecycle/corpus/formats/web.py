"""HTML and XML: the main text of a page as Markdown without menus, banners and footers. Text must not be lost silently."""

import re
from collections.abc import Iterator
from typing import Any

from ..children.pool import Refused
from .pieces import Piece

VISIBLE_CHARACTERS = 500  # HTML that shows less than this may be all navigation
KEPT_SHARE = 0.1  # an HTML parser that keeps less of the visible text than this has lost it


def html(content: str) -> Piece:
    """Main text through trafilatura. Raises `Refused` when much less comes out than a reader of the page would see."""
    from lxml import html as trees

    seen = len(_visible(content))
    body = _main_text(content)
    if seen >= VISIBLE_CHARACTERS and len(body) < KEPT_SHARE * seen:
        # The default tree silently drops what is nested more than 255 levels deep.
        body = _main_text(trees.document_fromstring(content, parser=trees.HTMLParser(huge_tree=True, no_network=True)))
    if seen >= VISIBLE_CHARACTERS and len(body) < KEPT_SHARE * seen:
        raise Refused(f"the HTML parser kept {len(body)} of {seen} visible characters")
    heading = _tag(content, "h1")
    title = heading or re.split(r"\s+[|\u2013\u2014]\s+", _tag(content, "title"))[0]
    if heading and not re.search(r"^# ", body, re.MULTILINE):
        body = f"# {heading}\n\n{body}"
    return Piece(title, re.sub(r"\|[ \t]+$", "|", body, flags=re.MULTILINE))


def _main_text(page: Any) -> str:
    import trafilatura

    options = {"include_comments": False, "include_tables": True, "include_formatting": True}
    return trafilatura.extract(page, output_format="markdown", **options) or ""


def _visible(content: str) -> str:
    """The text between tags, roughly, without a tree (nothing is lost to nesting) and in linear time."""
    lower, shown, place = content.lower(), [], 0
    for found in re.finditer(r"<(?:(script|style|template|noscript)\b|!--)", lower):
        if found.start() < place:
            continue
        shown.append(content[place : found.start()])
        place = lower.find(f"</{found[1]}" if found[1] else "-->", found.end())
        if place < 0:  # never closed: nothing after it is shown
            place = len(content)
    shown.append(content[place:])
    return re.sub(r"\s+", " ", re.sub(r"<[^<>]*>", " ", " ".join(shown))).strip("-> ")


def _tag(content: str, name: str) -> str:
    from html import unescape

    found = re.search(rf"<{name}\b[^>]*>(.*?)</{name}\s*>", content, re.DOTALL | re.IGNORECASE)
    return unescape(_visible(found[1])) if found else ""


def xml(content: str) -> Piece:
    """Lines of text; a `title` is the title. Entities of the file's own are refused."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True)
    declared = re.sub(r"^\s*<\?xml[^>]*\?>", "", content.lstrip("\ufeff"))  # its encoding no longer holds
    root = etree.fromstring(declared.encode("utf-8", "replace"), parser)
    document = root.getroottree().docinfo.internalDTD
    if document is not None and any(True for _ in document.iterentities()):
        raise Refused("XML that defines entities")
    title = next((e.text for e in root.iter("{*}title") if e.text), "")
    return Piece(" ".join(title.split()), "\n".join(filter(None, _lines(root))))


def _lines(element: Any) -> Iterator[str]:
    """Text with marks inside it stays one line; an element that only holds others is a line for each of them."""
    if not isinstance(element.tag, str) or element.tag.rpartition("}")[2] in ("script", "style"):
        return
    if (element.text or "").strip() or any((child.tail or "").strip() for child in element):
        yield " ".join(" ".join(element.itertext()).split())
        return
    for child in element:
        yield from _lines(child)
