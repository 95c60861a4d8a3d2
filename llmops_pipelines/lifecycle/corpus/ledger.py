"""What became of every discovered document: indexed, skipped, quarantined or deleted, with the reason. It must balance."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..lake import Lake, Version

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


def facts(outcomes: "Counter[tuple[str, str]]") -> dict[str, int]:
    """Counts of (outcome, reason) as facts: discovered, one per outcome, and dropped_<reason>."""
    by_outcome: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for (outcome, reason), count in outcomes.items():
        by_outcome[outcome] += count
        if outcome in (SKIPPED, QUARANTINED):
            reasons[reason] += count
    counts = {"discovered": sum(by_outcome.values()), **{outcome: by_outcome[outcome] for outcome in OUTCOMES}}
    return {**counts, **{f"dropped_{reason}": count for reason, count in sorted(reasons.items())}}


def ledger_balances(lake: "Lake", documents: "Version") -> tuple[bool, dict[str, Any]]:
    """Whether discovered = indexed + skipped + quarantined + deleted for every source, and the counts that show it.

    Discovered is counted apart from the ledger: the files of raw_documents, where a file stands for as many documents as
    the parser found in it (table `files` of parsed_documents). Also false when a file is in no ledger line, a doc_id is
    there twice, a drop has no reason, or the indexed lines are not exactly the rows of `documents`.
    """
    import pyarrow.compute as pc

    parsed = {asset.split("/")[1]: lake.parent(documents, asset) for asset in documents.parents}
    raw = {name: lake.parent(version, f"raw_documents/{name}") for name, version in parsed.items()}

    lines = documents.table("ledger")
    counts: dict[str, Any] = {}
    forgotten = 0
    for source in sorted(raw.keys() | set(lines.column("source").unique().to_pylist())):
        mine = lines.filter(pc.equal(lines.column("source"), source))
        outcomes = Counter(mine.column("outcome").to_pylist())
        listed = set(raw[source].table(columns=["uri"]).column(0).to_pylist()) if source in raw else set()
        units = parsed[source].table("files").to_pydict() if source in parsed else {"uri": [], "units": []}
        discovered = sum(n for uri, n in zip(units["uri"], units["units"], strict=True) if uri in listed)
        counts[source] = {"discovered": discovered, **{outcome: outcomes[outcome] for outcome in OUTCOMES}}
        forgotten += len(listed ^ set(mine.column("uri").to_pylist())) + len(listed ^ set(units["uri"]))
    indexed = lines.filter(pc.equal(lines.column("outcome"), INDEXED)).column("doc_id")
    dropped = lines.filter(pc.is_in(lines.column("outcome"), _array([SKIPPED, QUARANTINED])))
    problems = {
        "sources_that_do_not_balance": sum(c["discovered"] != sum(c[outcome] for outcome in OUTCOMES) for c in counts.values()),
        "unknown_outcomes": pc.sum(pc.invert(pc.is_in(lines.column("outcome"), _array(OUTCOMES)))).as_py() or 0,
        "files_without_a_line": forgotten,
        "repeated_doc_ids": lines.num_rows - pc.count_distinct(lines.column("doc_id")).as_py(),
        "drops_without_reason": pc.sum(pc.equal(dropped.column("reason"), "")).as_py() or 0,
        "indexed_but_not_in_documents": len(
            set(indexed.to_pylist()) ^ set(documents.table(columns=["doc_id"]).column(0).to_pylist())
        ),
    }
    return not any(problems.values()), {**problems, "sources": counts}


def _array(values):
    import pyarrow as pa

    return pa.array(list(values))
