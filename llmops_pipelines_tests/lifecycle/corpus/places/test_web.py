"""Pages of named hosts: conditional requests, sitemaps, robots.txt; silence is no deletion."""

import gzip
import time

import pytest

from llmops_pipelines.lifecycle.corpus.places import sitemaps, web
from llmops_pipelines.lifecycle.corpus.places.content import in_utf8
from llmops_pipelines.lifecycle.corpus.sources import CorpusError, UnreadableFile, look

from .looking import Looking, source, stamps, uris
from .website import Page, served

pytestmark = pytest.mark.slow


@pytest.fixture
def site():
    with served() as made:
        made.pages = {"/a": Page(b"page a", headers={"ETag": '"1"'}), "/b": Page(b"page b"), "/robots.txt": Page(b"", 404)}
        yield made


class Reader(Looking):
    """Looks at the site as if it were outside."""

    def __init__(self, project, site) -> None:
        super().__init__(project)
        self.site = site

    def look(self, said=None, seconds=5, **words):
        words = {"allow": [self.site.host], "urls": [self.site.url("/a"), self.site.url("/b")], **(said or {}), **words}
        patterns = {name: words.pop(name) for name in ("include", "exclude") if name in words}
        internet = self.site.internet(seconds, allow=tuple(words["allow"]), sleep=lambda pause: self.pauses.append(pause))
        self.pauses: list[float] = []
        listing = web.look(
            source(self.project, web=words, **patterns), known=self.last.get, cache=self.project, internet=internet
        )
        self.remember(listing)
        return listing


@pytest.fixture
def reader(tmp_path, site) -> Reader:
    return Reader(tmp_path, site)


def sitemap(*urls: str, kind: str = "urlset") -> Page:
    inner = "url" if kind == "urlset" else "sitemap"
    entries = "".join(f"<{inner}><loc> {url} </loc></{inner}>" for url in urls)
    namespace = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return Page(f'<?xml version="1.0"?><{kind} xmlns="{namespace}">{entries}</{kind}>'.encode(), kind="text/xml")


def test_pages_are_read_and_only_what_changed_comes_again(reader, site):
    first = reader.look()
    assert uris(first) == [site.url("/a"), site.url("/b")]
    assert [found.read() for found in first.files] == [b"page a", b"page b"]
    assert [(found.suffix, found.size, found.settled) for found in first.files] == [(".html", 6, True)] * 2
    second = reader.look()
    assert (stamps(second), second.counts) == (stamps(first), {"not_modified": 1})
    assert site.asked[-2][1]["if-none-match"] == '"1"'
    site.pages["/a"] = Page(b"new a", headers={"ETag": '"2"'})
    third = reader.look()
    assert [found.uri for found in third.files if stamps(first)[found.uri] != found.stamp] == [site.url("/a")]
    assert third.files[0].read() == b"new a"


def test_a_time_of_modification_is_sent_back(reader, site):
    site.pages["/b"].headers["Last-Modified"] = "Wed, 21 Oct 2015 07:28:00 GMT"
    reader.look()
    reader.look()
    assert site.asked[-1][1]["if-modified-since"] == "Wed, 21 Oct 2015 07:28:00 GMT"


def test_a_page_that_did_not_change_is_asked_once_more_when_its_bytes_are_lost(reader):
    reader.look()
    second = reader.look()
    assert [found.read() for found in second.files] == [b"page a", b"page b"]


def test_lost_pages_are_asked_as_politely_as_all_and_over_one_connection(reader, site):
    site.pages["/b"].headers["ETag"] = '"2"'
    reader.look()
    second = reader.look()
    site.pages["/robots.txt"] = Page(b"User-agent: *\nCrawl-delay: 3\nDisallow: /b\n", kind="text/plain")
    site.callers.clear()
    assert second.files[0].read() == b"page a" and reader.pauses == [3.0]
    with pytest.raises(UnreadableFile, match=r"robots\.txt of the host asks not to"):
        second.files[1].read()
    assert len(site.callers) == 1 and site.asked[-1][0] == "/a"


def test_an_etag_in_letters_that_cannot_be_sent_is_not_sent(reader, site):
    site.pages["/a"].headers["ETag"] = '"\xe9"'
    reader.look()
    assert reader.look().counts == {}
    assert "if-none-match" not in site.asked[-2][1]


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_is_gone_is_left_out(reader, site, status):
    reader.look()
    site.pages["/b"] = Page(b"", status)
    listing = reader.look()
    assert (uris(listing), listing.counts) == ([site.url("/a")], {"gone": 1, "not_modified": 1})


@pytest.mark.parametrize("trouble", [500, 503, 429, 403, "slow", "cut", "type", "large", "inside"])
def test_silence_is_no_deletion(reader, site, trouble):
    first = reader.look()
    broken = {
        "slow": Page(b"x" * 100, slow=0.1),
        "cut": Page(b"half", length=9),
        "type": Page(b"GIF89a", kind="image/gif"),
        "large": Page(b"x" * (2**20 + 1)),
        "inside": Page(status=302, headers={"Location": "http://169.254.169.254/"}),
    }
    site.pages["/b"] = broken.get(trouble) or Page(b"error", trouble)
    second = reader.look(seconds=1, megabytes=1)
    assert stamps(second) == stamps(first)
    assert second.counts == {"not_modified": 1, "without_answer": 1}
    with pytest.raises(UnreadableFile):
        second.files[1].read()
    reader.last.clear()
    fresh = reader.look(seconds=1, megabytes=1)
    assert uris(fresh) == uris(first)
    assert fresh.files[1].suffix == ("" if trouble == "type" else ".html")  # unsupported, or unreadable until it answers
    with pytest.raises(UnreadableFile):
        fresh.files[1].read()


def test_a_site_that_is_down_stops_the_look(reader, site):
    reader.look()
    site.pages = {path: Page(b"", 500) for path in site.pages if path != "/robots.txt"}
    with pytest.raises(CorpusError, match=r"none of 2 pages answered \(.*answers 500\); nothing was changed"):
        reader.look()


def test_all_pages_gone_is_an_empty_listing(reader, site):
    reader.look()
    site.pages = {}
    assert reader.look().files == ()


def test_robots_are_honoured(reader, site):
    site.pages["/robots.txt"] = Page(b"User-agent: *\nDisallow: /b\nCrawl-delay: 3\n", kind="text/plain")
    site.pages["/c"] = Page(status=302, headers={"Location": "/b"})
    listing = reader.look(urls=[site.url(path) for path in ("/a", "/b", "/c")])
    assert (uris(listing), listing.counts) == ([site.url("/a")], {"not_allowed_by_robots": 2})
    assert site.paths() == ["/a", "/c"]
    assert reader.pauses == [3.0, 3.0]


def test_while_robots_cannot_be_read_nothing_of_the_host_is_asked(reader, site):
    first = reader.look()
    site.pages["/robots.txt"] = Page(b"", 503)
    site.asked.clear()
    with pytest.raises(CorpusError, match=r"its robots\.txt answers 503"):
        reader.look()
    assert site.paths() == []
    site.pages["/robots.txt"] = Page(b"", 404)
    assert stamps(reader.look()) == stamps(first)


def test_one_host_is_asked_one_request_at_a_time_and_hosts_beside_each_other(reader, site):
    pages = {f"/p{number}": Page(b"x" * 5, slow=0.01) for number in range(8)}
    site.pages |= pages
    other = f"other.test:{site.port}"
    urls = [f"http://{host}{path}" for host in (site.host, other) for path in pages]
    assert len(reader.look(urls=urls, allow=[site.host, other]).files) == 16
    assert (site.most[site.host], site.most[other], site.most["all"]) == (1, 1, 2)


def test_sitemaps_name_pages_of_allowed_hosts(reader, site):
    site.pages["/sitemap.xml"] = sitemap(site.url("/maps/1.xml"), site.url("/maps/2.xml.gz"), kind="sitemapindex")
    site.pages["/maps/1.xml"] = sitemap(site.url("/a#part"), "http://elsewhere.test/x", "file:///etc/passwd")
    packed = gzip.compress(sitemap(site.url("/a"), site.url("/b"), site.url("/b/print")).body)
    site.pages["/maps/2.xml.gz"] = Page(packed, kind="application/gzip")
    listing = reader.look(urls=[], sitemaps=[site.url("/sitemap.xml")], exclude=["**/print"])
    assert uris(listing) == [site.url("/a"), site.url("/b")]
    assert listing.counts == {"on_other_hosts": 2}


@pytest.mark.parametrize(
    "page",
    [
        Page(b"", 404),
        Page(b"", 500),
        Page(b"<urlset>", kind="text/xml"),
        Page(b"<html><body>Log in</body></html>"),
        Page(b""),
        Page(gzip.compress(b"<urlset/>")[:-4]),
        Page(gzip.compress(b"<urlset/>") * 2),
        Page(b'<!DOCTYPE urlset [<!ENTITY a SYSTEM "file:///etc/hostname">]><urlset><url><loc>&a;</loc></url></urlset>'),
        Page(
            b'<!DOCTYPE u [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
            b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;">]><urlset><url><loc>http://x/&c;</loc></url></urlset>'
        ),
    ],
)
def test_a_sitemap_that_cannot_be_read_whole_stops_the_look(reader, site, page):
    site.pages["/sitemap.xml"] = page
    with pytest.raises(CorpusError, match=r"its sitemaps cannot be read completely \(.*\); nothing was changed"):
        reader.look(sitemaps=[site.url("/sitemap.xml")])
    assert site.paths() == ["/sitemap.xml"]


def test_sitemaps_that_go_round_or_on_for_ever_end(reader, site, monkeypatch):
    site.pages["/sitemap.xml"] = sitemap(site.url("/sitemap.xml"), site.url("/one.xml"), kind="sitemapindex")
    site.pages["/one.xml"] = sitemap(site.url("/a"))
    assert uris(reader.look(urls=[], sitemaps=[site.url("/sitemap.xml")])) == [site.url("/a")]
    site.pages |= {f"/s{n}": sitemap(site.url(f"/s{n + 1}"), kind="sitemapindex") for n in range(9)}
    with pytest.raises(CorpusError, match="nested deeper"):
        reader.look(urls=[], sitemaps=[site.url("/s0")])
    asked = len(site.asked)
    site.pages["/many"] = sitemap(*(site.url(f"/many/{n}") for n in range(600)), kind="sitemapindex")
    with pytest.raises(CorpusError, match="more than 500 sitemaps"):
        reader.look(urls=[], sitemaps=[site.url("/many")])
    assert len(site.asked) == asked + 2  # robots.txt and the index: none of the 600
    monkeypatch.setattr(sitemaps, "MOST_FILES", 1)
    with pytest.raises(CorpusError, match="more than 1 sitemaps"):
        reader.look(urls=[], sitemaps=[site.url("/sitemap.xml")])


def test_more_pages_than_agreed_stop_the_look(reader, site):
    site.pages["/sitemap.xml"] = sitemap(*(site.url(f"/p{number}") for number in range(50)))
    said = {"urls": [], "sitemaps": [site.url("/sitemap.xml")], "pages": 10}
    with pytest.raises(CorpusError, match="more than 10 pages; nothing was changed, raise web.pages"):
        reader.look(said)
    assert site.paths() == ["/sitemap.xml"]
    assert len(reader.look(said, include=["**/p?"]).counts) == 1  # the nine others are 404: all gone


@pytest.mark.parametrize("where", ["urls", "sitemaps"])
@pytest.mark.parametrize("url", ["http://other.test/a", "file:///etc/passwd", "http://me:secret@pages.test/"])
def test_addresses_in_the_settings_must_be_allowed(reader, site, where, url):
    with pytest.raises(CorpusError, match=r"mend web.urls and web.sitemaps|is not in web.allow") as stopped:
        reader.look(**{where: [url]})
    assert site.asked == [] and "secret" not in str(stopped.value)


def test_private_addresses_are_out_of_reach_through_the_front_door(tmp_path, site):
    """No test doubles here: the real resolver and the real judgement."""
    local = f"localhost:{site.port}"
    said = source(tmp_path, web={"allow": [local], "urls": [f"http://{local}/a"]})
    with pytest.raises(CorpusError, match=r"none of 1 pages answered .*is not a public address"):
        look(said, tmp_path, secrets=lambda _: None, cache=tmp_path)
    assert site.asked == []


def test_content_types_become_file_endings(reader, site):
    kinds = {
        "/x.md": ("text/plain; charset=utf-8", ".md"),
        "/x.exe": ("text/plain", ".txt"),
        "/x": ("application/pdf", ".pdf"),
        "/x.pdf": ("TEXT/HTML;charset=utf-8", ".html"),
    }
    site.pages |= {path: Page(b"text", kind=kind) for path, (kind, _) in kinds.items()}
    listing = reader.look(urls=[site.url(path) for path in kinds])
    assert {found.uri: found.suffix for found in listing.files} == {site.url(path): end for path, (_, end) in kinds.items()}


def test_text_in_other_letters_is_written_as_utf8():
    assert in_utf8("Größe".encode("latin-1"), {"content-type": "text/html; charset=ISO-8859-1"}) == "Größe".encode("utf-8-sig")
    for said in ("text/html", "text/html; charset=utf-8", "text/html; charset=nonsense", "application/pdf; charset=latin-1"):
        assert in_utf8(b"\xe9", {"content-type": said}) == b"\xe9"


@pytest.mark.parametrize("charset", ["punycode", "IDNA", "unicode_escape", "raw-unicode-escape", "utf7", "hex", "undefined"])
def test_letters_that_no_page_is_written_in_are_not_believed(charset):
    assert in_utf8(b"a+AGE-\\x61", {"content-type": f"text/html; charset={charset}"}) == b"a+AGE-\\x61"


def test_bodies_wait_on_disk_and_the_disk_is_given_back(reader, site, tmp_path):
    listing = reader.look()
    assert list(tmp_path.iterdir()) == []
    assert listing.files[1].read() == b"page b"


def test_a_look_ends_soon_after_the_time_of_its_pages(reader, site):
    site.pages["/b"] = Page(b"x" * 1_000, slow=0.05)
    start = time.monotonic()
    reader.look(seconds=0.5)
    assert time.monotonic() - start < 3
