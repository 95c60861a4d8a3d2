"""What a web server says about a page's content: which types are read, and in which letters they are written."""

from urllib.parse import unquote, urlsplit

from ..formats.decoding import codec_of
from ..sources import UnreadableFile
from .patterns import suffix

OFFICE = "application/vnd.openxmlformats-officedocument"
TYPES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/csv": ".csv",
    "application/json": ".json",
    "application/x-ndjson": ".jsonl",
    "application/jsonl": ".jsonl",
    "application/pdf": ".pdf",
    "message/rfc822": ".eml",
    f"{OFFICE}.wordprocessingml.document": ".docx",
    f"{OFFICE}.presentationml.presentation": ".pptx",
    f"{OFFICE}.spreadsheetml.sheet": ".xlsx",
}
PLAIN = frozenset({".md", ".markdown", ".rst", ".csv", ".tsv", ".json", ".jsonl"})  # often sent as text/plain


class Unsupported(UnreadableFile):
    """The page has a content type that is not read."""


def suffix_of(page: str, headers: dict[str, str]) -> str:
    """The file ending that stands for the content type. Raises `Unsupported`."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in TYPES:
        raise Unsupported(f"has the content type {kind[:100]!r}, which is not read")
    named = suffix(unquote(urlsplit(page).path))
    return named if kind == "text/plain" and named in PLAIN else TYPES[kind]


def expected_suffix(page: str) -> str:
    """What a page that was never seen is taken for until it answers."""
    named = suffix(unquote(urlsplit(page).path))
    return named if named in PLAIN or named in TYPES.values() else ".html"


def in_utf8(body: bytes, headers: dict[str, str]) -> bytes:
    """The header's word on letters would be lost with it: text in others is written as UTF-8, marked as such."""
    kind, _, rest = headers.get("content-type", "").lower().partition(";")
    codec = codec_of(rest.partition("charset=")[2].partition(";")[0].strip(" \"'"))
    if not codec or not kind.strip().startswith("text/") or codec in ("utf-8", "ascii"):
        return body
    try:
        return body.decode(codec).encode("utf-8-sig")
    except (LookupError, ValueError):  # not a codec of texts, or not what the bytes are
        return body
