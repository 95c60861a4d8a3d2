"""robots.txt: what a host asks programs to leave alone, and how long to wait between requests (RFC 9309)."""

from threading import Lock
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

from ..sources import UnreadableFile
from .internet import AGENT, Internet

LARGEST = 500 * 2**10  # bytes that are read of it, as the RFC asks for at least
LONGEST_PAUSE = 10.0  # seconds between requests; who asks for more gets this much


class Robots:
    """One robots.txt per host, read before its first page."""

    class Forbidden(UnreadableFile):
        """The host asks not to read this page."""

    def __init__(self, internet: Internet) -> None:
        self._internet = internet
        self._rules: dict[str, RobotFileParser | str] = {}
        self._lock = Lock()

    def check(self, url: str) -> None:
        """Raises `Forbidden`, or `UnreadableFile` when the host does not say: then nothing of it is asked."""
        parts = urlsplit(url)
        host = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            rules = self._rules.get(host)
        if rules is None:
            rules = self._read(host)
            with self._lock:
                self._rules[host] = rules
        if isinstance(rules, str):
            raise UnreadableFile(rules)
        if not rules.can_fetch(AGENT, url):
            raise self.Forbidden("robots.txt of the host asks not to read it")

    def _read(self, host: str) -> RobotFileParser | str:
        rules = RobotFileParser()
        try:
            reply = self._internet.get(f"{host}/robots.txt", LARGEST)
        except UnreadableFile as error:
            return f"its robots.txt cannot be read: {error}"
        if 400 <= reply.status < 500:  # there is none
            rules.allow_all = True
            return rules
        if reply.status != 200:
            return f"its robots.txt answers {reply.status}"
        rules.parse(reply.body.decode("utf-8", "replace").splitlines())
        if pause := rules.crawl_delay(AGENT):
            self._internet.pause(f"{host}/", min(float(pause), LONGEST_PAUSE))
        return rules
