"""Sources: what each place of documents holds now, in one form whatever the place is. How a place is asked is in places/.

Nothing is judged here, and nothing is opened outside the place that the source names.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..lake import Refusal

if TYPE_CHECKING:
    from llmops_pipelines.config.documents import Source

BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # make a name look like another one

Secrets = Callable[[str], str | None]


class CorpusError(Refusal):
    """The corpus cannot be trusted as it is. The message says what is wrong, what is safe and the way out."""


class UnreadableFile(Exception):
    """One file cannot be read, or keeps changing while it is read."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the last look knew of an item: its stamp, and the sha256 of the bytes that were kept."""

    stamp: str
    blob: str = ""


Memory = Callable[[str], Known | None]


@dataclass(frozen=True, slots=True)
class Found:
    """An item of a source before its bytes are read. `uri` is its stable name inside the source, and what people see."""

    source: str
    uri: str
    size: int  # bytes, -1 when unknown
    stamp: str  # changes whenever the bytes may have changed
    settled: bool  # False while the stamp cannot be trusted: a file that changed a moment ago may change again unseen
    read: Callable[[], bytes] = field(compare=False)  # raises UnreadableFile; never a mix of old and new
    rows: bool = False  # a bucket of rows of a table: its documents are named by their row ids alone
    suffix: str = ""  # ".md"; for a web page by its content type


@dataclass(frozen=True)
class Listing:
    """All items of a source, sorted by uri; what was left out, counted; and what the next look wants to know (as JSON)."""

    files: tuple[Found, ...]
    counts: dict[str, int] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)


def nothing_known(uri: str) -> Known | None:
    return None


def look(
    source: "Source",
    project: Path,
    *,
    secrets: Secrets,
    cache: Path,
    known: Memory = nothing_known,
    before: dict[str, Any] | None = None,
) -> Listing:
    """What the source holds now. Raises `CorpusError` when the place cannot be listed completely.

    `cache` is a folder for mirrors and for what is too large for memory; `before` is `state` of the last look.
    """
    try:
        return _in_order(source, _listed(source, project, secrets, cache, known, before or {}))
    except (OSError, UnreadableFile) as error:  # a full disk, say
        raise CorpusError(
            f"source {source.name}: it cannot be listed completely ({error}); nothing was changed, mend that and run again"
        ) from error


def _listed(source: "Source", project: Path, secrets: Secrets, cache: Path, known: Memory, before: dict[str, Any]) -> Listing:
    """Only the module of the one place is imported: a folder needs no network library."""
    if source.git:
        from .places import git

        return git.look(source, project, secrets=secrets, cache=cache)
    if source.sql:
        from .places import sql

        return sql.look(source, secrets=secrets, cache=cache, before=before)
    if source.web:
        from .places import web

        return web.look(source, known=known, cache=cache)
    from .places import delta, folder, remote

    if delta.is_table(source, project):
        return delta.look(source, project, known=known, cache=cache, before=before)
    return remote.look(source) if remote.is_remote(source.path) else folder.look(source, project)


def _in_order(source: "Source", listing: Listing) -> Listing:
    files = tuple(sorted(listing.files, key=lambda found: found.uri))
    for one, next_one in zip(files, files[1:], strict=False):
        if one.uri == next_one.uri:
            raise CorpusError(f"source {source.name}: two items are called {one.uri}; rename or exclude one of them")
    return Listing(files, listing.counts, listing.state)


def printable(path: str) -> str:
    """File names are bytes; what is not UTF-8 in them is spelled as \\xNN so that it can be stored and shown.

    Control characters and the backslash itself are spelled too: two names never become one.
    """
    if path.isprintable() and "\\" not in path:
        return path
    return "".join(_spelled(character) for character in path)


def _spelled(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as os.fsdecode marks it
        return f"\\x{code - 0xDC00:02x}"
    if character == "\\" or unicodedata.category(character) in ("Cc", "Cs") or character in BIDIRECTIONAL:
        return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"
    return character
