"""Pages of named hosts. A look asks each page whether it changed; what is new comes along at once and waits on disk.

A page that is gone (404, 410) is left out. A page that does not answer stays as it was last seen: silence is no deletion.
"""

import hashlib
import json
import weakref
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..sources import CorpusError, Found, Known, Listing, Memory, UnreadableFile
from . import sitemaps
from .addresses import Refused, cleaned, permitted
from .content import Unsupported, expected_suffix, in_utf8, suffix_of
from .internet import Internet, Reply
from .patterns import Patterns
from .robots import Robots
from .spool import Spool

if TYPE_CHECKING:
    from llmops_pipelines.config.documents import Source

HOSTS_AT_ONCE = 8
GONE = (404, 410)


def look(source: "Source", *, known: Memory, cache: Path, internet: Internet | None = None) -> Listing:
    """Each page of `urls` and `sitemaps` that the patterns take."""
    said = source.web
    internet = internet or Internet(tuple(said.allow), said.seconds)
    visit = _Visit(source, internet, known, Spool(cache))
    try:
        by_host = defaultdict(list)
        for page in visit.pages():
            by_host[urlsplit(page).netloc].append(page)
        with ThreadPoolExecutor(HOSTS_AT_ONCE) as hosts:
            found = [item for items in hosts.map(visit.all, by_host.values()) for item in items]
    finally:
        internet.close()
    silent = visit.counts["without_answer"]
    if silent and silent == sum(map(len, by_host.values())):
        raise CorpusError(
            f"source {source.name}: none of {silent} pages answered ({visit.last_reason}); nothing was changed, "
            "mend the network or the site and run again"
        )
    return Listing(tuple(found), dict(sorted(visit.counts.items())))


@dataclass
class _Visit:
    source: "Source"
    internet: Internet
    known: Memory
    spool: Spool
    counts: Counter = field(default_factory=Counter)
    last_reason: str = ""
    _lock: Lock = field(default_factory=Lock)
    _later: tuple[Internet, Robots] | None = None

    def __post_init__(self) -> None:
        self.robots = Robots(self.internet)
        self.patterns = Patterns.of(self.source, hidden_too=True)
        self.most_bytes = self.source.web.megabytes * 2**20

    def pages(self) -> list[str]:
        """All pages to ask, each once. Raises `CorpusError` when the list cannot be made whole."""
        said = self.source.web
        starts = [self._named(url) for url in said.urls]
        maps = [self._named(url) for url in said.sitemaps]
        try:
            listed = sitemaps.pages(maps, self._sitemap, self._taken, said.pages)
        except UnreadableFile as error:
            raise CorpusError(
                f"source {self.source.name}: its sitemaps cannot be read completely ({error}); nothing was changed, "
                "mend the sitemap or name the pages in urls"
            ) from error
        wanted = dict.fromkeys([*(page for page in starts if self.patterns.take(page)), *listed])
        if len(wanted) > said.pages:
            raise CorpusError(
                f"source {self.source.name}: more than {said.pages} pages; nothing was changed, raise web.pages or include less"
            )
        return list(wanted)

    def all(self, pages: list[str]) -> list[Found]:
        """The pages of one host, one after the other."""
        return [found for page in pages if (found := self._page(page))]

    def _named(self, url: str) -> str:
        """An address in the settings must be right; one in a sitemap is only left out."""
        try:
            page = cleaned(url)
        except Refused as error:
            raise CorpusError(f"source {self.source.name}: {error}; mend web.urls and web.sitemaps") from error
        if not permitted(page, self.source.web.allow):
            raise CorpusError(
                f"source {self.source.name}: {urlsplit(page).netloc} is not in web.allow; add it or leave {page} out"
            )
        return page

    def _taken(self, url: str) -> str:
        try:
            page = cleaned(url)
        except Refused:
            page = ""
        if not page or not permitted(page, self.source.web.allow):
            self._count("on_other_hosts")
            return ""
        return page if self.patterns.take(page) else ""

    def _sitemap(self, url: str) -> bytes:
        reply = self.internet.get(url, sitemaps.LARGEST, may=self.robots.check)
        if reply.status != 200:
            raise UnreadableFile(f"{url} answers {reply.status}")
        return reply.body

    def _page(self, page: str) -> Found | None:
        last = self.known(page)
        seen = _seen(last)
        try:
            reply = self.internet.get(page, self.most_bytes, _conditions(seen), partial(suffix_of, page), self.robots.check)
        except self.robots.Forbidden:
            self._count("not_allowed_by_robots")
            return None
        except UnreadableFile as error:
            expected = "" if isinstance(error, Unsupported) else expected_suffix(page)
            return self._silent(page, last, {"suffix": expected, **seen}, str(error))
        if reply.status in GONE:
            self._count("gone")
            return None
        if reply.status == 304 and last:
            self._count("not_modified")
            return self._found(page, last.stamp, seen, partial(self._again, page))
        if reply.status != 200:
            return self._silent(page, last, {"suffix": expected_suffix(page), **seen}, f"answers {reply.status}")
        return self._new(page, reply)

    def _new(self, page: str, reply: Reply) -> Found:
        suffix = suffix_of(page, reply.headers)
        body = in_utf8(reply.body, reply.headers)
        seen = {
            "etag": reply.headers.get("etag", "")[:500],
            "modified": reply.headers.get("last-modified", "")[:100],
            "sha256": hashlib.sha256(body).hexdigest(),
            "size": len(body),
            "suffix": suffix,
        }
        place = self.spool.append(body)
        return self._found(page, json.dumps(seen, sort_keys=True), seen, partial(self.spool.read, *place))

    def _again(self, page: str) -> bytes:
        """The bytes of a page that did not change, when those that were kept are lost: asked as politely as in the look."""
        internet, robots = self._reopened()
        reply = internet.get(page, self.most_bytes, None, partial(suffix_of, page), robots.check)
        if reply.status != 200:
            raise UnreadableFile(f"answers {reply.status}")
        return in_utf8(reply.body, reply.headers)

    def _reopened(self) -> tuple[Internet, Robots]:
        """One for all pages, closed when nobody can ask for another: the look has closed its own."""
        with self._lock:
            if self._later is None:
                internet = replace(self.internet)
                weakref.finalize(self, internet.close)
                self._later = internet, Robots(internet)
            return self._later

    def _silent(self, page: str, last: Known | None, seen: dict, reason: str) -> Found:
        """No answer, or one that cannot be used: the page stays what it was, and is unreadable when it never was anything."""
        self._count("without_answer")
        self.last_reason = f"{page} {reason}"
        stamp = last.stamp if last else json.dumps({"without_answer": True})
        return self._found(page, stamp, seen, partial(_lost, reason))

    def _found(self, page: str, stamp: str, seen: dict, read) -> Found:
        return Found(self.source.name, page, seen.get("size", -1), stamp, True, read, False, seen.get("suffix", ""))

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1


def _lost(reason: str) -> bytes:
    raise UnreadableFile(reason)


def _seen(last: Known | None) -> dict:
    try:
        seen = json.loads(last.stamp) if last else {}
    except ValueError:
        return {}
    return seen if isinstance(seen, dict) else {}


def _conditions(seen: dict) -> dict[str, str]:
    headers = {"If-None-Match": seen.get("etag"), "If-Modified-Since": seen.get("modified")}
    return {name: value for name, value in headers.items() if value and value.isascii()}  # others cannot be sent
