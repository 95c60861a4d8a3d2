"""Which documents the files hold: what needs a parser, what the parsers found, and the id and title of each document."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ..lake.digests import digest
from . import work
from .discovery import KEPT_BYTES
from .ledger import DELETED, QUARANTINED, SKIPPED, Entry
from .parsers import FORMATS
from .pool import Limits

if TYPE_CHECKING:
    from llmops_pipelines.config.pipeline import Source

    from ..lake import Lake


@dataclass(frozen=True)
class Task:
    """A file that needs a parser."""

    source: str
    uri: str
    licence: str
    parse: work.ToParse


@dataclass(frozen=True)
class Item:
    """A document on its way: where it comes from and what its text will be."""

    source: str
    file: str
    uri: str
    doc_id: str
    licence: str
    clean: work.ToClean


def plan(rows: list[dict[str, Any]], sources: "dict[str, Source]", limits: Limits) -> tuple[list[Entry], list[Task]]:
    """Ledger entries of the files that need no parser, and the tasks for the others."""
    entries: list[Entry] = []
    tasks: list[Task] = []
    for row in rows:
        source, uri = row["source"], row["uri"]
        if decided := _without_parser(row):
            entries.append(Entry(source, f"{source}/{uri}", uri, *decided))
        else:
            kind = FORMATS[row["suffix"]]
            tasks.append(
                Task(source, uri, row["licence"], work.ToParse.of(row["blob"], kind, columns(sources[source]), limits))
            )
    return entries, tasks


def _without_parser(row: dict[str, Any]) -> tuple[str, str] | None:
    if row["deleted"]:
        return DELETED, "no_longer_in_the_source"
    if row["suffix"] not in FORMATS:
        return SKIPPED, "unsupported_format"
    if row["size"] == 0:
        return SKIPPED, "empty"
    if not row["blob"]:
        return QUARANTINED, "file_too_large" if row["size"] > KEPT_BYTES else "unreadable"
    return None


def columns(source: "Source") -> dict[str, Any] | None:
    return source.columns.model_dump() if source.columns else None


def parse_results(lake: "Lake", tasks: list[Task]) -> dict[str, dict[str, Any]]:
    """What the parser said of each file, by key, without the texts."""
    store = lake.store("parsed", "v1", "parse")
    wanted = ["parse", "reason", "detail", "reencoded", "pieces"]
    return {row["parse"]: row for row in store.take([task.parse.key for task in tasks], wanted).to_pylist()}


def items(
    tasks: list[Task], found: dict[str, dict[str, Any]], taken: set[str]
) -> tuple[list[Item], list[Entry], dict[tuple[str, str], int]]:
    """Documents with a raw text, entries of pieces that have none, and the number of pieces per (source, uri).

    `taken` holds the doc_ids in use; it grows.
    """
    good: list[Item] = []
    entries: list[Entry] = []
    units: dict[tuple[str, str], int] = {}
    taken.update(f"{task.source}/{task.uri}" for task in tasks)
    for task in tasks:
        result = found[task.parse.key]
        units[task.source, task.uri] = len(result["pieces"])
        if not result["pieces"]:
            why = (QUARANTINED, result["reason"], result["detail"]) if result["reason"] else (SKIPPED, "empty", "no rows")
            entries.append(Entry(task.source, f"{task.source}/{task.uri}", task.uri, *why))
        for place, piece in enumerate(result["pieces"]):
            uri = _free(task, piece["row"], taken) if piece["row"] else task.uri
            if piece["reason"]:
                outcome = SKIPPED if piece["reason"] == "repeated_row" else QUARANTINED
                entries.append(Entry(task.source, f"{task.source}/{uri}", task.uri, outcome, piece["reason"], piece["detail"]))
                continue
            heading = task.parse.kind in ("csv", "jsonl") and task.parse.columns is None
            title = "" if piece["titled"] else _title(task.uri)
            clean = work.ToClean(task.parse.key, place, title, heading, digest([piece["raw"], title, heading]))
            good.append(Item(task.source, task.uri, uri, f"{task.source}/{uri}", task.licence, clean))
    return good, entries, units


def _free(task: Task, row: str, taken: set[str]) -> str:
    """Two files or rows must not share an id: 'a.csv#1' may be a row of a.csv and a file of that name."""
    number, uri = 1, f"{task.uri}#{row}"
    while f"{task.source}/{uri}" in taken:
        number += 1
        uri = f"{task.uri}#{row}~{number}"
    taken.add(f"{task.source}/{uri}")
    return uri


def _title(uri: str) -> str:
    words = PurePosixPath(uri).stem.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]
