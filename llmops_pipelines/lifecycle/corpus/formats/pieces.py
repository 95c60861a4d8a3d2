"""What parsers give: documents of a file, and how much a file may unpack to."""

from dataclasses import dataclass

from ..children.pool import Refused

PAGE = "\f"  # alone on a line: here begins the next page or slide
UNPACKED_BYTES = 512 * 2**20  # of one file, all members and levels together
MEMBER_BYTES = 128 * 2**20
ENTRIES = 20_000
RATIO = 200  # unpacked to packed, once more than RATIO_FROM bytes came out
RATIO_FROM = 16 * 2**20
DEPTH = 2  # an archive in an archive in an archive is read, one in that is not


class Exhausted(Refused):
    """The file as a whole costs too much, whichever of its members is being read."""


@dataclass(frozen=True)
class Piece:
    """One document of a file. `row` names it inside a table or archive, `kind` is its own format when the file's is another.

    `reason` and `detail` are set when it cannot be used. Pages after the first begin with a line that is one form feed.
    """

    title: str = ""
    text: str = ""
    row: str = ""
    reason: str = ""
    detail: str = ""
    kind: str = ""


@dataclass
class Room:
    """What one file may still cost. Bytes count as they come out; what an archive declares of itself counts for nothing."""

    characters: int = 20_000_000
    unpacked: int = UNPACKED_BYTES
    entries: int = ENTRIES
    depth: int = DEPTH

    def take(self, text: str) -> None:
        self.characters -= len(text)
        if self.characters < 0:
            raise Exhausted("more characters come out than the limit")

    def unpack(self, size: int) -> None:
        self.unpacked -= size
        if self.unpacked < 0:
            raise Exhausted(f"unpacks to more than {UNPACKED_BYTES} bytes")

    def enter(self) -> None:
        self.entries -= 1
        if self.entries < 0:
            raise Exhausted(f"holds more than {ENTRIES} entries")
