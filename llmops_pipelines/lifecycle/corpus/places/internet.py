"""GET requests that cannot be led astray: pinned to a judged address, capped in time, size and redirects.

Cookies, proxies and passwords are not used. One request at a time per host.
"""

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpcore

from ..sources import UnreadableFile
from .addresses import Allowed, Refused, Resolve, cleaned, is_public, permitted, resolve

if TYPE_CHECKING:
    import ssl

AGENT = "llmops-pipelines"
REDIRECTS = 5
MOVED = (301, 302, 303, 307, 308)
GZIP, DEFLATE = 31, 47  # window bits of zlib: gzip alone; gzip or zlib by itself
PACKED_MORE = 2**16  # bytes that a packed body may have beyond what may come out of it


@dataclass(frozen=True)
class Reply:
    """What a server said in the end. Names of `headers` are in small letters; only a 200 has a body."""

    status: int
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Internet:
    """The outside as one source may see it. Tests put other functions in the place of resolver, judgement and sleep."""

    allow: Sequence[str]
    seconds: float
    resolve: Resolve = resolve
    allowed: Allowed = is_public
    sleep: Callable[[float], None] = time.sleep
    trust: "ssl.SSLContext | None" = None  # certificates; the public ones without it
    _hosts: dict[str, "_Host"] = field(default_factory=dict, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def get(
        self,
        url: str,
        most: int,
        headers: dict[str, str] | None = None,
        wanted: Callable[[dict[str, str]], None] | None = None,
        may: Callable[[str], None] | None = None,
    ) -> Reply:
        """Follow at most 5 redirects, each judged anew. Raises `UnreadableFile`; `Refused` when an address may not be asked.

        `wanted` sees the headers before the body is read, `may` each address before it is asked; both raise to stop.
        """
        deadline = time.monotonic() + self.seconds
        url = cleaned(url)
        for _ in range(REDIRECTS + 1):
            if not permitted(url, self.allow):
                raise Refused(f"{urlsplit(url).netloc} is not among the hosts that may be asked (web.allow)")
            if may:
                asked = time.monotonic()
                may(url)
                deadline += time.monotonic() - asked
            reply = self._host(url).get(url, most, headers or {}, deadline, wanted)
            target = reply.headers.get("location")
            if reply.status not in MOVED or not target:
                return reply
            moved = cleaned(target, base=url)
            if url.startswith("https:") and moved.startswith("http:"):
                raise Refused("it redirects from https to http")
            url = moved
        raise UnreadableFile(f"more than {REDIRECTS} redirects")

    def pause(self, url: str, seconds: float) -> None:
        """Wait this long between two requests to the host of the address."""
        self._host(url).pause = seconds

    def close(self) -> None:
        with self._lock:
            for host in self._hosts.values():
                host.close()
            self._hosts.clear()

    def _host(self, url: str) -> "_Host":
        parts = urlsplit(url)
        with self._lock:
            return self._hosts.setdefault(f"{parts.scheme}://{parts.netloc}", _Host(self))


class _Host:
    """The connection to one host; whoever asks waits for the one before."""

    def __init__(self, internet: Internet) -> None:
        self.pause = 0.0
        self._internet = internet
        self._lock = Lock()
        self._backend = _Pinned(internet.resolve, internet.allowed)
        self._pool: httpcore.ConnectionPool | None = None
        self._asked = False

    def get(self, url: str, most: int, headers: dict[str, str], deadline: float, wanted) -> Reply:
        said = {"User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": "gzip", **headers}
        with self._lock:
            if self.pause and self._asked:
                self._internet.sleep(self.pause)
                deadline += self.pause
            self._asked = True
            self._pool = self._pool or httpcore.ConnectionPool(
                ssl_context=self._internet.trust, network_backend=self._backend, max_connections=1, http2=False
            )
            self._backend.deadline = deadline
            left = max(deadline - time.monotonic(), 0.001)
            limits = dict.fromkeys(("connect", "read", "write", "pool"), left)
            try:
                with self._pool.stream("GET", url, headers=said, extensions={"timeout": limits}) as response:
                    return self._reply(url, response, most, wanted)
            except (httpcore.TimeoutException, TimeoutError) as error:
                raise UnreadableFile(f"no whole answer in {self._internet.seconds:g} seconds") from error
            except (
                httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError, ValueError, zlib.error
            ) as error:  # fmt: skip
                raise UnreadableFile(f"no answer: {' '.join(str(error).split())[:200] or type(error).__name__}") from error

    def close(self) -> None:
        if self._pool:
            self._pool.close()

    def _reply(self, url: str, response: httpcore.Response, most: int, wanted) -> Reply:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1").strip() for name, value in response.headers}
        if response.status == 304:
            response.read()  # it has no body, and only one that was read to its end leaves the connection open
        if response.status != 200:
            return Reply(response.status, url, headers, b"")
        if wanted:
            wanted(headers)
        return Reply(response.status, url, headers, _body(response, headers, most))


def _body(response: httpcore.Response, headers: dict[str, str], most: int) -> bytes:
    """The body, unpacked; never more than `most` bytes of it in memory, nor many more taken in."""
    encoding = headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip", "x-gzip", "deflate", ""):
        raise UnreadableFile(f"is packed as {encoding!r}, which was not asked for")
    unpack = None if encoding in ("identity", "") else zlib.decompressobj(DEFLATE)
    parts, size, came = [], 0, 0
    for part in response.iter_stream():
        came += len(part)
        part = unpack.decompress(part, most - size + 1) if unpack else part
        size += len(part)
        if unpack and unpack.unused_data:  # zlib would keep all of it
            raise UnreadableFile("goes on after the end of its packed body")
        if size > most or came > most + PACKED_MORE:
            raise UnreadableFile(f"is larger than {most / 2**20:g} MB (web.megabytes)")
        parts.append(part)
    if unpack and not unpack.eof:
        raise UnreadableFile("its packed body ends early")
    return b"".join(parts)


def unpacked(data: bytes, most: int) -> bytes:
    """A gzip file, at most so large when unpacked."""
    try:
        unpack = zlib.decompressobj(GZIP)
        out = unpack.decompress(data, most + 1)
    except zlib.error as error:
        raise UnreadableFile("is no whole gzip file") from error
    if len(out) > most or not unpack.eof or unpack.unused_data:
        raise UnreadableFile(f"is no whole gzip file of at most {most / 2**20:g} MB")
    return out


class _Pinned(httpcore.NetworkBackend):
    """Connects to the address that was judged: a name that leads elsewhere a moment later leads nowhere.

    Reads stop at `deadline`, however slowly bytes trickle in.
    """

    def __init__(self, resolve: Resolve, allowed: Allowed) -> None:
        self._resolve, self._allowed = resolve, allowed
        self._sockets = httpcore.SyncBackend()
        self.deadline = 0.0

    def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None) -> httpcore.NetworkStream:
        addresses = self._resolve(host, port)
        if inside := next((address for address in addresses if not self._allowed(address)), None):
            raise Refused(f"{host} leads to {inside}, which is not a public address")
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                stream = self._sockets.connect_tcp(address, port, self.left(timeout), local_address, socket_options)
                return _Timed(stream, self)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    def left(self, timeout: float | None) -> float:
        rest = self.deadline - time.monotonic()
        if rest <= 0:
            raise httpcore.ReadTimeout("the time for this page is over")
        return rest if timeout is None else min(rest, timeout)


class _Timed(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, clock: _Pinned) -> None:
        self._stream, self._clock = stream, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._clock.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._clock.left(timeout))

    def start_tls(self, ssl_context, server_hostname=None, timeout=None) -> httpcore.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, self._clock.left(timeout)), self._clock)

    def get_extra_info(self, info: str):
        return self._stream.get_extra_info(info)

    def close(self) -> None:
        self._stream.close()
