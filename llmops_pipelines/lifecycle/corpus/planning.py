"""Which documents the files hold: what needs a parser, what the parsers found, and the id and title of each document."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ..lake.digests import digest
from . import work
from .children.pool import Limits
from .discovery import KEPT_BYTES
from .forgotten import REASON, Forgotten, file_id, file_name
from .formats.parsers import FORMATS
from .ledger import DELETED, QUARANTINED, SKIPPED, Entry

if TYPE_CHECKING:
    from ..lake import Lake

TABLES = ("csv", "jsonl", "parquet")  # whose title becomes the first line: they bring no heading of their own
NOT_OURS = ("repeated_row", "repeated_member", "unsupported_format", "empty")  # pieces that are fine and not wanted
BUCKET = {"id": "id", "text": "text", "title": "title"}  # columns of a bucket of rows, whatever the table calls them
LONGEST_ROW = 300  # characters of a row's id in a doc_id


@dataclass(frozen=True)
class Task:
    """A file that needs a parser. `rows`: its documents are named by their row ids alone."""

    uri: str
    rows: bool
    parse: work.ToParse


@dataclass(frozen=True)
class Item:
    """A document on its way: the file it comes from, its id and format, and what its text will be."""

    file: str
    uri: str
    doc_id: str
    format: str
    clean: work.ToClean


def plan(
    source: str,
    rows: list[dict[str, Any]],
    columns: dict[str, Any] | None,
    limits: Limits,
    attempts: dict[str, int],
    forgotten: Forgotten,
) -> tuple[list[Entry], list[Task]]:
    """Ledger entries of the files that need no parser, and the tasks for the others."""
    entries: list[Entry] = []
    tasks: list[Task] = []
    for row in rows:
        doc_id = file_id(source, row["uri"])
        if decided := _without_parser(row, doc_id, forgotten):
            entries.append(Entry(source, doc_id, row["uri"], *decided))
        else:
            parse = work.ToParse.of(row["blob"], FORMATS[row["suffix"]], BUCKET if row["rows"] else columns, limits, attempts)
            tasks.append(Task(row["uri"], row["rows"], parse))
    return entries, tasks


def _without_parser(row: dict[str, Any], doc_id: str, forgotten: Forgotten) -> tuple[str, str] | None:
    if row["deleted"]:
        return DELETED, "no_longer_in_the_source"
    if forgotten.leaves_out(doc_id) or row["blob"] in forgotten.blobs:
        return SKIPPED, REASON
    if row["suffix"] not in FORMATS:
        return SKIPPED, "unsupported_format"
    if row["size"] == 0:
        return SKIPPED, "empty"
    if not row["blob"]:
        return QUARANTINED, "file_too_large" if row["size"] > KEPT_BYTES else "unreadable"
    return None


def parse_results(lake: "Lake", tasks: list[Task]) -> dict[str, dict[str, Any]]:
    """What the parser said of each file, by key, without the texts."""
    store = lake.store("parsed", "v2", "parse")
    wanted = ["parse", "reason", "detail", "reencoded", "pieces"]
    return {row["parse"]: row for row in store.take([task.parse.key for task in tasks], wanted).to_pylist()}


def items(
    source: str,
    tasks: list[Task],
    found: dict[str, dict[str, Any]],
    cleaner: str,
    attempts: dict[str, int],
    forgotten: Forgotten,
) -> tuple[list[Item], list[Entry]]:
    """Documents with a raw text, and entries of pieces that have none. `cleaner` is the digest of its identity."""
    good: list[Item] = []
    entries: list[Entry] = []
    for task in tasks:
        result = found[task.parse.key]
        if not result["pieces"]:
            why = (QUARANTINED, result["reason"], result["detail"]) if result["reason"] else (SKIPPED, "empty", "no rows")
            entries.append(Entry(source, file_id(source, task.uri), task.uri, *why))
        names = _names(task, result["pieces"])
        for place, (piece, (uri, twice)) in enumerate(zip(result["pieces"], names, strict=True)):
            doc_id = f"{source}/{uri}"
            if forgotten.leaves_out(doc_id):
                entries.append(Entry(source, doc_id, task.uri, SKIPPED, REASON))
                continue
            reason, detail = piece["reason"], piece["detail"]
            if twice and not reason:
                reason, detail = "repeated_name", "another document of the file has its name"
            if reason:
                outcome = SKIPPED if reason in NOT_OURS else QUARANTINED
                entries.append(Entry(source, doc_id, task.uri, outcome, reason, detail))
                continue
            form = piece["kind"] or task.parse.kind
            heading = form in TABLES and task.parse.columns is None
            title = "" if piece["titled"] else _title(piece["row"] if piece["kind"] else task.uri)
            clean = work.ToClean.of(task.parse.key, place, piece["raw"], title, heading, form, cleaner, attempts)
            good.append(Item(task.uri, uri, doc_id, form, clean))
    return good, entries


def _document_name(task: Task, row: str) -> str:
    name = file_name(task.uri)
    if not row:
        return name
    short = row if len(row) <= LONGEST_ROW else f"{row[:LONGEST_ROW]}~{digest(row)[:16]}"
    return short if task.rows else f"{task.uri.replace('#', '%23')}#{short}"


def _names(task: Task, pieces: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    """The uri of each piece, all different, and whether another piece had that name first.

    Documents choose before what is refused: 'line 5' may be the id of a row, and the place of one that cannot be read.
    """
    names = [(_document_name(task, piece["row"]), False) for piece in pieces]
    taken: set[str] = set()
    for place in sorted(range(len(pieces)), key=lambda place: bool(pieces[place]["reason"])):
        name, twice = names[place][0], False
        while name in taken:
            name, twice = f"{name}~{place}", True
        taken.add(name)
        names[place] = name, twice
    return names


def _title(uri: str) -> str:
    words = PurePosixPath(uri).stem.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]
