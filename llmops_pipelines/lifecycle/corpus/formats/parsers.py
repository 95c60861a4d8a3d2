"""Which parser reads which file, and `parse`, which runs in a child process (see pool.py): bytes in, documents out.

Headings become Markdown `#` lines, tables Markdown tables. Each format has its function in a module beside this one.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..children.pool import Limits, Refused
from .pieces import Piece, Room

SOURCE_CODE = (
    "py pyi js mjs cjs jsx ts tsx java kt scala go rs c h cc cpp hpp cs swift m rb php pl lua r jl ex erl hs clj dart "
    "sh bash zsh ps1 bat sql css scss vue proto graphql tf yaml yml toml ini cfg cmake gradle dockerfile"
)
FORMATS = {
    **dict.fromkeys((".md", ".markdown", ".mdx"), "markdown"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".txt", ".text", ".rst", ".log"), "text"),
    **dict.fromkeys((".csv", ".tsv"), "csv"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xls", ".ods"), "xlsx"),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".gz", ".bz2", ".tbz2", ".xz", ".txz"), "archive"),
    **dict.fromkeys((".xml", ".svg", ".rss", ".atom"), "xml"),
    ".pdf": "pdf",
    ".docx": "docx",
    ".pptx": "pptx",
    ".parquet": "parquet",
    ".json": "json",
    ".ipynb": "notebook",
    ".eml": "email",
    ".mbox": "mbox",
    **dict.fromkeys((f".{suffix}" for suffix in SOURCE_CODE.split()), "code"),
}
CODE = {
    **{"markdown": "2", "html": "3", "text": "2", "pdf": "2", "docx": "2", "csv": "2", "jsonl": "2"},
    **{"pptx": "1", "xlsx": "2", "parquet": "1", "json": "1", "notebook": "1", "email": "2", "mbox": "2"},
    **{"xml": "2", "code": "1", "archive": "2"},
}
LIBRARIES = {
    "html": ("trafilatura", "lxml"),
    "pdf": ("pypdf",),
    "docx": ("python-docx", "lxml"),
    "pptx": ("python-pptx", "lxml"),
    "xlsx": ("python-calamine",),
    "parquet": ("pyarrow",),
    "xml": ("lxml",),
}
READERS = {  # module and function: text (bytes for BINARY) to one piece, or with columns and room to many
    "markdown": ("plain", "markdown"),
    "text": ("plain", "text"),
    "code": ("plain", "code"),
    "html": ("web", "html"),
    "xml": ("web", "xml"),
    "pdf": ("pdf", "pdf"),
    "docx": ("office", "docx"),
    "pptx": ("slides", "pptx"),
    "xlsx": ("sheets", "spreadsheet"),
    "csv": ("tables", "csv_file"),
    "jsonl": ("tables", "json_lines"),
    "parquet": ("tables", "parquet"),
    "json": ("records", "json_file"),
    "notebook": ("records", "notebook"),
}
BINARY = ("pdf", "docx", "pptx", "xlsx", "parquet")
NESTING = ("archive", "email", "mbox")  # whose documents come from any of the parsers
TABULAR = ("csv", "jsonl", "json", "xlsx", "parquet", "archive")  # whose rows may be documents
PAGED = ("pdf", "pptx", *NESTING)
DAMAGED_BLOB = "the kept bytes are missing or damaged"


@dataclass(frozen=True)
class Parsed:
    pieces: tuple[Piece, ...]
    reencoded: bool = False


def parser_identity(kind: str, columns: dict[str, Any] | None, limits: Limits) -> dict[str, Any]:
    """All that the result of parsing depends on beside the bytes."""
    kinds = tuple(CODE) if kind in NESTING else (kind,)
    names = sorted({name for each in kinds for name in LIBRARIES.get(each, ())} | {"charset-normalizer"})
    rows = columns if kind in TABULAR else None
    code = [CODE[each] for each in kinds] if kind in NESTING else CODE[kind]
    libraries = {name: library_version(name) for name in names}
    return {"kind": kind, "code": code, "libraries": libraries, "columns": rows, "limits": vars(limits)}


@lru_cache(maxsize=64)
def library_version(name: str) -> str:
    from importlib.metadata import version

    return version(name)


def kept_bytes(path: str, blob: str) -> bytes | None:
    """The file kept at `path`; None when it is missing or not what its name says."""
    import hashlib

    try:
        data = Path(path).read_bytes()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == blob else None


def parse(
    path: str, blob: str, kind: str, columns: dict[str, Any] | None, characters: int
) -> tuple[list[dict[str, str]], bool]:
    """The documents of the file kept at `path`, as plain rows, and whether its text had to be decoded by detection."""
    from ..cleaners.cleaning import clean, storable

    data = kept_bytes(path, blob)
    if data is None:
        raise Refused(DAMAGED_BLOB)
    parsed = parse_bytes(data, kind, columns, Room(characters))
    if (size := sum(len(piece.text) + len(piece.title) for piece in parsed.pieces)) > characters:
        raise Refused(f"{size} characters come out, more than the limit of {characters}")
    rows = [{name: storable(value) for name, value in vars(piece).items()} for piece in parsed.pieces]
    return [{**row, "row": clean(row["row"]).replace("\n", " ") if row["row"] else ""} for row in rows], parsed.reencoded


def parse_bytes(data: bytes, kind: str, columns: dict[str, Any] | None, room: Room) -> Parsed:
    """Documents of one file, or of one member of an archive or mail. Raises `Refused`, or whatever a library raises."""
    from .signatures import check

    check(data, kind)
    if kind in NESTING:
        from .nesting import documents

        return Parsed(*documents(data, kind, columns, room))
    parsed = _parse(data, kind, columns, room)
    if kind in PAGED:
        return parsed
    return Parsed(tuple(_without_form_feeds(piece) for piece in parsed.pieces), parsed.reencoded)


def _without_form_feeds(piece: Piece) -> Piece:
    return replace(piece, text=piece.text.replace("\f", "\n")) if "\f" in piece.text else piece


def _parse(data: bytes, kind: str, columns: dict[str, Any] | None, room: Room) -> Parsed:
    from importlib import import_module

    module, name = READERS[kind]
    content: bytes | str = data
    reencoded = False
    if kind not in BINARY:
        from .decoding import declared_encoding, decode

        if kind in ("markdown", "text", "code") and len(data) > 4 * room.characters:
            raise Refused(f"{len(data)} bytes of text, more than {room.characters} characters can be")
        content, reencoded = decode(data, declared_encoding(data) if kind in ("html", "xml") else None)
    # found by name, so that a child that sees only Markdown never loads lxml
    read = getattr(import_module(f".{module}", __package__), name)
    return Parsed(tuple(read(content, columns, room)) if kind in TABULAR else (read(content),), reencoded)
