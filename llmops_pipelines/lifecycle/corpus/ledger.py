"""What became of every discovered document: indexed, skipped, quarantined or deleted, with the reason. It must balance."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..lake import Version

INDEXED, SKIPPED, QUARANTINED, DELETED = OUTCOMES = ("indexed", "skipped", "quarantined", "deleted")


@dataclass(frozen=True)
class Entry:
    """One line of the ledger. `uri` is the file; `detail` is a parser's message or the document kept instead, no text."""

    source: str
    doc_id: str
    uri: str
    outcome: str
    reason: str = ""
    detail: str = ""


def table(entries: list[Entry]):
    """The ledger as a `pyarrow.Table`, sorted by source and doc_id."""
    import pyarrow as pa

    schema = pa.schema([(name, pa.string()) for name in Entry.__dataclass_fields__])
    ordered = sorted(entries, key=lambda entry: (entry.source, entry.doc_id))
    return pa.Table.from_pylist([asdict(entry) for entry in ordered], schema=schema)


def facts(entries: list[Entry]) -> dict[str, int]:
    """Counts: discovered, one per outcome, and dropped_<reason>."""
    outcomes = Counter(entry.outcome for entry in entries)
    reasons = Counter(entry.reason for entry in entries if entry.outcome in (SKIPPED, QUARANTINED))
    counts = {"discovered": len(entries), **{outcome: outcomes[outcome] for outcome in OUTCOMES}}
    return {**counts, **{f"dropped_{reason}": count for reason, count in sorted(reasons.items())}}


def ledger_balances(documents: "Version", raw: "Version") -> tuple[bool, dict[str, Any]]:
    """Whether discovered = indexed + skipped + quarantined + deleted for every source, and the counts that show it.

    Discovered is counted apart from the ledger: the files of `raw`, where a file stands for as many documents as the
    parser found in it (table `files`). Also false when a file of `raw` is in no ledger line, a doc_id is there twice, a
    drop has no reason, or the indexed lines are not exactly the rows of `documents`.
    """
    lines = documents.table("ledger").to_pylist()
    units = {(row["source"], row["uri"]): row["units"] for row in documents.table("files").to_pylist()}
    listed = {(row["source"], row["uri"]) for row in raw.table().to_pylist()}
    counts: dict[str, Any] = {}
    for source in sorted({source for source, _ in listed} | {line["source"] for line in lines}):
        outcomes = Counter(line["outcome"] for line in lines if line["source"] == source)
        discovered = sum(max(units.get(key, 1), 1) for key in listed if key[0] == source)
        counts[source] = {"discovered": discovered, **{outcome: outcomes[outcome] for outcome in OUTCOMES}}
    indexed = sorted(line["doc_id"] for line in lines if line["outcome"] == INDEXED)
    problems = {
        "sources_that_do_not_balance": sum(c["discovered"] != sum(c[outcome] for outcome in OUTCOMES) for c in counts.values()),
        "unknown_outcomes": sum(line["outcome"] not in OUTCOMES for line in lines),
        "files_without_a_line": len(listed ^ {(line["source"], line["uri"]) for line in lines}),
        "repeated_doc_ids": len(lines) - len({line["doc_id"] for line in lines}),
        "drops_without_reason": sum(line["outcome"] in (SKIPPED, QUARANTINED) and not line["reason"] for line in lines),
        "indexed_but_not_in_documents": len(set(indexed) ^ set(documents.table().column("doc_id").to_pylist())),
    }
    return not any(problems.values()), {**problems, "sources": counts}
