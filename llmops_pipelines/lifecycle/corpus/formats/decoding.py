"""Bytes to text: which encoding a file has. The text itself is not judged here."""

import codecs
import re

from ..children.pool import Refused

DAMAGED_SHARE = 0.05  # of the characters beyond ASCII; with fewer bad bytes it is UTF-8 with some damage

# No page is written in these; they decode slowly or turn plain letters into others.
ODD = frozenset({"punycode", "idna", "unicode-escape", "raw-unicode-escape", "utf-7", "undefined"})


def decode(data: bytes, declared: str | None = None) -> tuple[str, bool]:
    """The text, and whether it was not UTF-8. Order: byte order mark, UTF-8, what the file declares, detection."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32")):
        if data.startswith(mark):
            return data.decode(encoding, "replace"), encoding != "utf-8-sig"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace"), True
    for encoding in ("utf-8", declared):
        try:
            # zero bytes are legal UTF-8, but in number they are UTF-16 without its mark, or no text
            if encoding and data.count(0) * 10 <= len(data):
                return data.decode(encoding), encoding != "utf-8"
        except (UnicodeDecodeError, LookupError):
            continue
    return _slightly_damaged(data) or _detect(data), True


def _slightly_damaged(data: bytes) -> str:
    """One bad byte must not turn every accent of a UTF-8 text into two letters of another code page."""
    if data.count(0) * 10 > len(data):
        return ""
    content = data.decode("utf-8", "replace")
    bad = content.count("\ufffd")
    beyond = len(re.findall(r"[^\x00-\x7f]", content)) - bad
    return content if bad <= DAMAGED_SHARE * beyond else ""


def _detect(data: bytes) -> str:
    """Short Western texts fit several code pages equally well; Windows-1252 is then by far the most frequent in the wild."""
    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    if best is None:
        raise Refused("no text encoding fits the bytes")
    if best.encoding.startswith(("cp125", "iso8859", "latin", "mac")):
        western = from_bytes(data, cp_isolation=["cp1252"]).best()
        if western is not None and western.chaos <= best.chaos and western.coherence >= best.coherence - 0.03:
            return str(western)
    return str(best)


def declared_encoding(data: bytes) -> str | None:
    found = re.search(rb"charset\s*=\s*[\"']?([A-Za-z0-9_-]{3,20})", data[:2048])
    return codec_of(found[1].decode("ascii")) if found else None


def codec_of(charset: str) -> str | None:
    """Python's name of the codec; None for a name without one, and for one that is not to be believed."""
    try:
        codec = codecs.lookup(charset).name
    except (LookupError, ValueError):
        return None
    return None if codec in ODD else codec
