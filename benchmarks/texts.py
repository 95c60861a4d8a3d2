"""Real text for the benchmarks: documentation that lies on this machine, the same in every run. Nothing is downloaded.

In this order: *.md, *.rst and *.txt of the system and of installed packages, the READMEs in package metadata, and the
docstrings of Python modules. Exact repetitions (licences, mostly) are taken once.
"""

import ast
import hashlib
import os
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

SHORTEST, LONGEST = 500, 500_000  # characters: below are stubs, above are tables of data
ENGLISH = re.compile(r"\b(?:the|and|of|to|is|for|in|with|that)\b")
MARKED = {".md": ".md", ".rst": ".txt", ".txt": ".txt"}


def gather(files: int, megabytes: float) -> dict[str, str]:
    """`files` texts of about `megabytes` in all, fewer where the machine has less, by the file name to give them.

    Texts are cut at one length, found so that the sum is right.
    """
    found: dict[str, str] = {}
    seen: set[bytes] = set()
    for kind, text in _texts():
        content = hashlib.sha256(text.encode()).digest()
        if content in seen or not _is_prose(text):
            continue
        seen.add(content)
        found[f"{len(found) // 100:03d}/{len(found):05d}{kind}"] = text
        if len(found) >= files:
            break
    longest = _ceiling([len(text) for text in found.values()], megabytes * 1e6)
    return {name: text[:longest] for name, text in found.items()}


def write(folder: Path, texts: dict[str, str]) -> int:
    """Write them as files. Returns the bytes written."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def with_a_new_line(text: str, number: int) -> str:
    """The text with one line more, in its middle."""
    lines = text.splitlines(keepends=True)
    middle = len(lines) // 2
    return "".join([*lines[:middle], f"This line was added in edit {number}, in the middle of the text.\n", *lines[middle:]])


def _ceiling(lengths: list[int], total: float) -> int:
    low, high = 1, max(lengths, default=1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(min(length, middle) for length in lengths) <= total else (low, middle - 1)
    return low


def _is_prose(text: str) -> bool:
    return SHORTEST <= len(text) <= LONGEST and 20 * len(ENGLISH.findall(text)) >= len(text.split())


def _texts() -> Iterator[tuple[str, str]]:
    packages = Path(sysconfig.get_path("purelib"))
    for folder in (Path("/usr/share/doc"), packages):
        yield from ((MARKED[path.suffix], _read(path)) for path in _files(folder, tuple(MARKED)))
    for path in sorted(packages.glob("*.dist-info/METADATA")):
        yield ".md", _read(path).partition("\n\n")[2]
    for folder in (Path(sysconfig.get_path("stdlib")), packages):
        for path in _files(folder, (".py",)):
            yield ".txt", "\n\n".join(_docstrings(path))


def _files(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - {"site-packages", "test", "tests", "__pycache__"})
        yield from (Path(parent, name) for name in sorted(names) if name.endswith(suffixes))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _docstrings(path: Path) -> list[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, OSError):
        return []
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [text for node in ast.walk(tree) if isinstance(node, documented) and (text := ast.get_docstring(node))]
