"""The ways in which the same bytes can be read as words: as they are, without JSON's escapes, without mark-up."""

import re

ESCAPED = re.compile(rb"(?:\\+u[0-9a-fA-F]{4})+|\\+[nrtbf]")
MARKUP = re.compile(rb"<[^<>]{0,400}>")


def spellings(data: bytes) -> list[bytes]:
    """The bytes as they are, with JSON's escapes undone, and without mark-up: where there is any."""
    found = [data]
    if b"\\" in data:
        found.append(ESCAPED.sub(_plain, data))
    if b"<" in data and b">" in data:
        found.append(MARKUP.sub(b" ", found[-1]))
    return found


def _plain(found: re.Match[bytes]) -> bytes:
    if b"u" not in found[0]:
        return b" "
    units = b"".join(bytes.fromhex(unit.decode()) for unit in re.findall(rb"u([0-9a-fA-F]{4})", found[0]))
    return units.decode("utf-16-be", errors="replace").encode()
