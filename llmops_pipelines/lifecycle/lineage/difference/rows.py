"""Training rows and preference pairs that came, went, or teach another completion for the same question."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .sides import Side, reading

TABLES = {"training_examples": ("prompt", "completion"), "preference_pairs": ("prompt", "chosen", "rejected")}
LISTED = 1_000  # rows told of each kind


@dataclass(frozen=True)
class Row:
    """A row of one side only; of a changed one, `was` is what it taught before, and `by` the columns that differ."""

    example_id: str
    question: str
    says: str
    doc_ids: tuple[str, ...]
    was: str = ""
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rows:
    """What differs in one table. `retaught` of the changed rows have another completion; the others only another prompt."""

    table: str
    before: int
    after: int
    counts: dict[str, int]
    added: tuple[Row, ...]
    removed: tuple[Row, ...]
    changed: tuple[Row, ...]
    more: str = ""


def rows(before: Side, after: Side, table: str) -> Rows:
    """The difference in `training_examples` or `preference_pairs`. Raises `Unknown`."""
    old, new = _read(before, table), _read(after, table)
    lost = [row for key, row in old.items() if key not in new]
    came = [row for key, row in new.items() if key not in old]
    pairs = list(_paired(lost, came))
    matched = {each["example_id"] for pair in pairs for each in pair}
    pairs += [(old[key], new[key]) for key in old.keys() & new.keys() if old[key] != new[key]]
    changed = [_changed(*pair, table) for pair in pairs]
    added = [_row(row, table) for row in came if row["example_id"] not in matched]
    removed = [_row(row, table) for row in lost if row["example_id"] not in matched]
    taught = {*TABLES[table][1:]}
    changed.sort(key=lambda row: (not taught & {*row.by}, row.question))
    retaught = sum(bool(taught & {*row.by}) for row in changed)
    counts = {"added": len(added), "removed": len(removed), "changed": len(changed), "retaught": retaught}
    cut = [f"{counts[name] - LISTED:,} more {name}" for name in ("added", "removed", "changed") if counts[name] > LISTED]
    lists = (tuple(each[:LISTED]) for each in (added, removed, changed))
    return Rows(table, len(old), len(new), counts, *lists, more="; ".join(cut))


def _read(side: Side, table: str) -> dict[str, dict[str, Any]]:
    columns = ["example_id", "question", "doc_ids", *TABLES[table]]
    version = side.part(table)
    with reading(side, table):
        return {row["example_id"]: row for row in version.table(columns=columns).to_pylist()}


def _paired(lost: list[dict], came: list[dict]) -> Iterator[tuple[dict, dict]]:
    """(before, after) for rows that ask the same question. Of several those with the same documents first."""
    waiting: dict[str, list[dict]] = {}
    for row in lost:
        waiting.setdefault(row["question"], []).append(row)
    for row in came:
        if found := waiting.get(row["question"]):
            best = max(found, key=lambda each: (each["doc_ids"] == row["doc_ids"], each["prompt"] == row["prompt"]))
            found.remove(best)
            yield best, row


def _changed(old: dict, new: dict, table: str) -> Row:
    by = tuple(name for name in TABLES[table] if old[name] != new[name])
    return Row(new["example_id"], new["question"], _says(new, table), tuple(new["doc_ids"] or ()), _says(old, table), by)


def _row(row: dict, table: str) -> Row:
    return Row(row["example_id"], row["question"], _says(row, table), tuple(row["doc_ids"] or ()))


def _says(row: dict, table: str) -> str:
    return " (not: ".join(row[name] or "" for name in TABLES[table][1:]) + (")" if table == "preference_pairs" else "")
