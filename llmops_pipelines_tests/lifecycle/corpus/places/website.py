"""A web site for tests: pages in a dictionary, served on this machine under a made-up name, and what was asked of it."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from llmops_pipelines.lifecycle.corpus.places.internet import Internet

HOME = "127.0.0.1"


@dataclass
class Page:
    body: bytes = b"<html><body><p>text</p></body></html>"
    status: int = 200
    kind: str = "text/html"
    headers: dict[str, str] = field(default_factory=dict)
    slow: float = 0  # seconds between the bytes of the body
    length: int | None = None  # what the server claims


@dataclass
class Site:
    port: int
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    callers: set[tuple[str, int]] = field(default_factory=set)  # one for each connection
    name: str = "pages.test"
    now: Counter = field(default_factory=Counter)  # requests being answered, by host name
    most: Counter = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        return f"{self.name}:{self.port}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked if path != "/robots.txt"]

    def internet(self, seconds: float = 5, allow: tuple[str, ...] = (), **words) -> Internet:
        """The outside as it is in tests: every name leads here, and here may be asked."""
        words = {"resolve": lambda host, port: [HOME], "allowed": lambda address: address == HOME, **words}
        return Internet((self.host, *allow), seconds, **words)


@contextmanager
def served(context=None) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            site.callers.add(self.client_address)
            host = self.headers["Host"]
            with site.lock:
                site.now.update([host, "all"])
                site.most |= site.now
            try:
                self.answer(site.pages.get(self.path) or Page(b"", 404))
            except OSError:
                self.close_connection = True  # the reader had enough
            finally:
                with site.lock:
                    site.now.subtract([host, "all"])

        def answer(self, page: Page) -> None:
            etag = page.headers.get("ETag")
            same = page.status == 200 and etag and self.headers.get("If-None-Match") == etag
            body = b"" if same else page.body
            self.send_response(304 if same else page.status)
            self.send_header("Content-Type", page.kind)
            self.send_header("Content-Length", str(len(body) if page.length is None or same else page.length))
            for name, value in page.headers.items():
                self.send_header(name, value)
            self.end_headers()
            step = 1 if page.slow else max(len(body), 1)
            for start in range(0, len(body), step):
                self.wfile.write(body[start : start + step])
                self.wfile.flush()
                time.sleep(page.slow)
            self.close_connection = page.length is not None

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer((HOME, 0), Handler)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    site = Site(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
