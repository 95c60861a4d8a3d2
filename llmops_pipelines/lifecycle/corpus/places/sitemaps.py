"""Sitemaps: the pages that a site names. What they say is untrusted: no entities, no document types, limits on all."""

from collections.abc import Callable

from ..sources import UnreadableFile
from .internet import unpacked

LARGEST = 10 * 2**20  # bytes of one sitemap: about 50,000 pages, the most that sitemaps.org allows
MOST_FILES = 500
DEEPEST = 3  # indexes of indexes
GZIP_MAGIC = b"\x1f\x8b"


def pages(starts: list[str], fetch: Callable[[str], bytes], keep: Callable[[str], str], most: int) -> list[str]:
    """Addresses of pages in order, each once, as `keep` has them (empty: left out).

    Raises `UnreadableFile` when one file cannot be read: the list is then not whole. More than `most` pages end it:
    `most` + 1 are returned, for the caller to see.
    """
    found: dict[str, None] = {}
    waiting = [(start, 1) for start in starts]
    seen: set[str] = set()
    while waiting:
        url, depth = waiting.pop(0)
        if url in seen:
            continue
        seen.add(url)
        if len(seen) + len(waiting) > MOST_FILES or depth > DEEPEST:
            raise UnreadableFile(f"more than {MOST_FILES} sitemaps, or indexes nested deeper than {DEEPEST}")
        kind, places = parsed(fetch(url))
        if kind == "sitemapindex":
            waiting += [(place, depth + 1) for place in dict.fromkeys(places) if place not in seen]
            continue
        for place in places:
            if page := keep(place):
                found.setdefault(page)
            if len(found) > most:
                return list(found)
    return list(found)


def parsed(data: bytes) -> tuple[str, list[str]]:
    """'urlset' or 'sitemapindex', and the addresses in it."""
    from lxml import etree

    if data.startswith(GZIP_MAGIC):
        data = unpacked(data, LARGEST)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableFile(f"is no XML: {error}") from error
    if root.getroottree().docinfo.doctype:
        raise UnreadableFile("is XML with a document type, which no sitemap needs")
    kind = etree.QName(root).localname
    if kind not in ("urlset", "sitemapindex"):
        raise UnreadableFile(f"is no sitemap but <{kind}>")
    inner = "url" if kind == "urlset" else "sitemap"
    return kind, [
        place.strip() for place in root.xpath(f"./*[local-name()='{inner}']/*[local-name()='loc']/text()") if place.strip()
    ]
