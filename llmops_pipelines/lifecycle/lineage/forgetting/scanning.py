"""Is a text anywhere? Every file below a folder is opened, decoded and looked through; nothing is taken from knowledge."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .decoding import pieces
from .windows import Needles


@dataclass(frozen=True)
class Place:
    """A file that holds some of the text: how it had to be read, how many windows of words, and the name of the first."""

    file: str
    how: str
    windows: int
    needle: str


@dataclass(frozen=True)
class Scan:
    """What a scan looked at, and where it found something."""

    files: int
    bytes: int
    places: tuple[Place, ...]


def scan(home: Path, needles: Needles, leave_out: Iterable[Path] = (), said: Callable[[str], None] = lambda _: None) -> Scan:
    """Look for the needles in every file below `home`. `leave_out` are folders whose files do not belong to the home."""
    places: list[Place] = []
    files = read = 0
    for path in sorted(every_file(home, leave_out)):
        files += 1
        read += size_of(path)
        if found := in_file(path, needles):
            name = path.relative_to(home).as_posix()
            places.append(Place(name, *found))
            said(name)
    return Scan(files, read, tuple(places))


def in_file(path: Path, needles: Needles) -> tuple[str, int, str] | None:
    """(how it was read, windows found, name of the first) where they show best, or None."""
    best: tuple[str, int, str] | None = None
    for how, part in pieces(path):
        count = needles.within(part)
        if count and (best is None or count > best[1]):
            best = (how, count, needles.first(part))
    return best


def every_file(home: Path, leave_out: Iterable[Path] = ()) -> Iterator[Path]:
    """Plain files below a folder; what a link points to lies elsewhere."""
    outside = {Path(each).resolve() for each in leave_out}
    for folder, below, names in os.walk(home):
        below[:] = [name for name in below if (Path(folder) / name).resolve() not in outside]
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
