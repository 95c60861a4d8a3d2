"""Payloads of the embedded engine on disk: pages of LZ4 blocks, and the tracker that says where each value lies.

Values that no point has any more may still lie on a page; they are looked for at every block that nothing points to.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

ENTRY = struct.Struct("<IIII")  # length, whether there is one, page, block
LARGEST = 2**20  # bytes of a value that is believed
PART = 2**20  # of a page that is read at once
GAVE_UP = 64 * 2**10  # bytes of a value whose length is unknown


def is_gridstore(folder: Path) -> bool:
    return (folder / "tracker.dat").is_file() and (folder / "config.json").is_file()


def values(folder: Path) -> Iterator[bytes]:
    """Every value on the pages of a store, decompressed; those that were deleted too, as far as they can be read."""
    said = json.loads((folder / "config.json").read_text("utf-8"))
    block, packed = said["block_size_bytes"], said.get("compression") == "LZ4"
    known: dict[int, dict[int, int]] = {}
    for length, page, at in _entries(folder / "tracker.dat"):
        known.setdefault(page, {})[at * block] = length
    for path in sorted(folder.glob("page_*.dat")):
        number = int(path.stem.removeprefix("page_"))
        yield from _page(path, known.get(number, {}), block, packed)


def _entries(tracker: Path) -> Iterator[tuple[int, int, int]]:
    data = tracker.read_bytes().rstrip(b"\0")
    data += b"\0" * (-len(data) % ENTRY.size)
    for length, there, page, at in ENTRY.iter_unpack(data):
        if there == 1 and length:
            yield length, page, at


def _page(path: Path, known: dict[int, int], block: int, packed: bool) -> Iterator[bytes]:
    taken: set[int] = set()
    with path.open("rb") as page:
        for at, length in sorted(known.items()):
            page.seek(at)
            value = page.read(length)
            taken.update(range(at // block, (at + length - 1) // block + 1))
            yield _unpacked(value) if packed else value
        if packed:
            yield from _deleted(page, path.stat().st_size, taken, block)


def _deleted(page, size: int, taken: set[int], block: int) -> Iterator[bytes]:
    """Values at blocks that nothing points to."""
    for start in range(0, size, PART):
        page.seek(start)
        part = page.read(PART + GAVE_UP)
        if not part.strip(b"\0"):
            continue
        for at in range(0, min(PART, len(part)), block):
            if (start + at) // block not in taken and part[at : at + 8].strip(b"\0"):
                yield from _guessed(part[at : at + GAVE_UP])


def _guessed(data: bytes) -> Iterator[bytes]:
    if len(data) < 5 or not 0 < int.from_bytes(data[:4], "little") <= LARGEST:
        return
    if value := lz4_block(data[4:], int.from_bytes(data[:4], "little")):
        yield value


def _unpacked(value: bytes) -> bytes:
    import pyarrow as pa

    size = int.from_bytes(value[:4], "little")
    try:
        return pa.decompress(value[4:], decompressed_size=size, codec="lz4_raw", asbytes=True)
    except (OSError, ValueError, pa.ArrowException):
        return lz4_block(value[4:], size)


def lz4_block(data: bytes, size: int) -> bytes:
    """What can be decompressed of an LZ4 block whose end is not known: at most `size` bytes, fewer where it makes no sense."""
    made, at = bytearray(), 0
    while at < len(data) and len(made) < size:
        token = data[at]
        at, literals = _length(data, at + 1, token >> 4)
        made += data[at : at + literals]
        at += literals
        if len(made) >= size or at + 2 > len(data):
            break
        back = int.from_bytes(data[at : at + 2], "little")
        at, copied = _length(data, at + 2, token & 15)
        if not 0 < back <= len(made):
            break
        for _ in range(min(copied + 4, size - len(made))):
            made.append(made[-back])
    return bytes(made[:size])


def _length(data: bytes, at: int, first: int) -> tuple[int, int]:
    """(the place behind a length, the length): 15 says that more bytes follow, 255 that yet another does."""
    total = first
    if first == 15:
        while at < len(data):
            total, at = total + data[at], at + 1
            if data[at - 1] != 255:
                break
    return at, total
