"""The `gather` stage: the parsed documents of all sources become one corpus, each with an outcome in the ledger.

What is decided here: which documents say the same, and the snapshot. Only ids and hashes are held for all documents at once.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..lake import DamagedVersion, digest
from . import work
from .ledger import INDEXED, QUARANTINED, SKIPPED, Entry
from .ledger import facts as ledger_facts
from .ledger import table as ledger_table
from .parsing import ASSET as PARSED
from .parsing import schema
from .similarity.comparison import Comparison, compare
from .sources import CorpusError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from llmops_pipelines.config.documents import Cleaning

    from ..lake import Draft, Lake, Version

CODE = "gather 2"
ASSET = "documents"
TERMS = ("licence", "consent", "trust", "language")  # counted, so that a release can say what it was made from


def gather(lake: "Lake", sources: Iterable[str], parsed: "dict[str, Version]", cleaning: "Cleaning") -> "Version":
    """Put the documents of `sources` together. Asset documents: the columns of parsed_documents and `cluster`, a doc_id.

    Tables ledger, dropped and quarantined say what became of every discovered item. Raises `CorpusError` when a source was
    never read, when too many documents went with a removed source, and when no document is left.
    """
    if unread := [name for name in sources if name not in parsed]:
        raise CorpusError(
            f"source {', '.join(unread)} was never read; materialize its partition of raw_documents and parsed_documents first"
        )
    chosen = {name: parsed[name] for name in sorted(sources)}
    _stop_when_a_source_takes_much_away(lake, chosen, cleaning)
    similarity = cleaning.near_duplicates.similarity
    config = {"similarity": similarity, "profile": work.profile_identity(similarity)}
    run = _Gathering(lake, chosen, similarity)
    return lake.once(ASSET, code=CODE, config=config, parents=chosen.values(), write=run.write)


def texts(lake: "Lake", content_hashes: Iterable[str]) -> list[str]:
    """The cleaned texts of these content hashes, in the order given. Raises KeyError for an unknown one."""
    return work.stored_texts(lake, content_hashes)


def _stop_when_a_source_takes_much_away(lake: "Lake", chosen: "dict[str, Version]", cleaning: "Cleaning") -> None:
    """Within a source `discover` looks after deletions; a source that left the YAML is seen only here."""
    try:
        before = lake.current(ASSET)
    except DamagedVersion:
        return
    if before is None or {parent.split("/")[1] for parent in before.parents} <= chosen.keys():
        return
    counts = Counter(before.table(columns=["source"]).column(0).to_pylist())
    gone = {source: count for source, count in counts.items() if source not in chosen}
    snapshot = digest({name: version.digest for name, version in chosen.items()})
    if sum(gone.values()) <= cleaning.stop_when_deleted_above * counts.total() or cleaning.allow_deletions_in == snapshot:
        return
    raise CorpusError(
        f"{sum(gone.values())} of {counts.total()} documents go with {', '.join(sorted(gone))}, which the settings no longer "
        f"name; more than {cleaning.stop_when_deleted_above:.0%} at once stops the run, and the last version stays in use; "
        f"when that is wanted, set cleaning.allow_deletions_in: {snapshot}"
    )


@dataclass
class _Counts:
    """What is counted while the tables are written."""

    outcomes: Counter[tuple[str, str]]
    terms: dict[str, Counter[str]]
    clusters: Counter[str]
    characters: int = 0

    def note(self, kept: "pa.Table") -> None:
        for term in TERMS:
            self.terms[term].update(kept.column(term).to_pylist())
        self.terms["access"].update(group for groups in kept.column("access").to_pylist() for group in groups or ["everybody"])
        self.clusters.update(kept.column("cluster").to_pylist())
        self.characters += sum(kept.column("characters").to_pylist())


class _Gathering:
    """Writes the tables of `documents`, batch by batch, after one comparison of everything."""

    def __init__(self, lake: "Lake", chosen: "dict[str, Version]", similarity: float) -> None:
        self.lake, self.chosen, self.similarity = lake, chosen, similarity
        self.counts = _Counts(Counter(), {term: Counter() for term in (*TERMS, "access")}, Counter())

    def write(self, draft: "Draft") -> None:
        import pyarrow as pa

        columns = ["doc_id", "content_hash", "trust", "access", "consent"]
        tables = [version.table(PARSED, columns=columns) for version in self.chosen.values()]
        everything = pa.concat_tables(tables).combine_chunks()
        ids, contents = everything.column("doc_id"), everything.column("content_hash")
        found = compare(self.lake, ids, contents, self.similarity, _standing(everything))
        closed = _closed(everything, found)
        lines = ledger_table([]).schema
        with (
            draft.writer(ASSET, schema("cluster")) as keep,
            draft.writer("ledger", lines) as account,
            draft.writer("dropped", lines, data=False) as drop,
            draft.writer("quarantined", lines, data=False) as quarantine,
        ):
            for kept, entries in self._parts(found, closed):
                keep(kept)
                account(entries)
                drop(_only(entries, SKIPPED, QUARANTINED))
                quarantine(_only(entries, QUARANTINED))
        self._tell(draft, found, everything)

    def _parts(self, found: Comparison, closed: dict[str, set[str]]) -> "Iterable[tuple[pa.Table, pa.Table]]":
        """(documents that stay, ledger lines), a batch at a time."""
        import pyarrow as pa

        row = 0
        for version in self.chosen.values():
            for batch in version.batches(PARSED):
                documents = pa.Table.from_batches([batch]).append_column(
                    "cluster", pa.array(found.clusters[row : row + batch.num_rows], pa.string())
                )
                entries = _entries(batch, found.kept_instead[row : row + batch.num_rows], closed)
                row += batch.num_rows
                kept = documents.filter(pa.array([entry.outcome == INDEXED for entry in entries], pa.bool_()))
                self.counts.note(kept)
                yield kept, self._counted(ledger_table(entries))
            for batch in version.batches("dropped"):
                yield schema("cluster").empty_table(), self._counted(pa.Table.from_batches([batch]))

    def _counted(self, entries: "pa.Table") -> "pa.Table":
        pairs = zip(entries.column("outcome").to_pylist(), entries.column("reason").to_pylist(), strict=True)
        self.counts.outcomes.update(pairs)
        return entries

    def _tell(self, draft: "Draft", found: Comparison, everything: "pa.Table") -> None:
        facts = ledger_facts(self.counts.outcomes)
        if not facts[INDEXED]:
            reasons = ", ".join(
                f"{name.removeprefix('dropped_')} {n}" for name, n in facts.items() if name.startswith("dropped_")
            )
            raise CorpusError(
                f"0 of {facts['discovered']} documents can be indexed ({reasons or 'all deleted'}); the last version stays in "
                "use; look at the sources, cleaning.languages and cleaning.minimum_characters"
            )
        draft.json("terms", {term: dict(sorted(counter.items())) for term, counter in self.counts.terms.items()})
        draft.facts.update(
            facts,
            sources=len(self.chosen),
            exact_duplicates=everything.num_rows - found.distinct,
            clusters=len(self.counts.clusters),
            largest_cluster=max(self.counts.clusters.values()),
            characters=self.counts.characters,
            compared=found.compared,
            reused_comparisons=found.reused,
            licences=[f"{name}: {count} documents" for name, count in sorted(self.counts.terms["licence"].items())],
            snapshot=digest({name: version.digest for name, version in self.chosen.items()}),
        )


def _standing(documents: "pa.Table") -> "np.ndarray":
    """The lower, the rather a document is kept of those that say the same: trusted, then open to all, then free to train on."""
    import numpy as np
    import pyarrow.compute as pc

    untrusted = pc.not_equal(documents.column("trust"), "trusted")
    restricted = pc.greater(pc.fill_null(pc.list_value_length(documents.column("access")), 0), 0)
    only_searched = pc.equal(documents.column("consent"), "search")
    flags = [each.to_numpy().astype(np.int8) for each in (untrusted, restricted, only_searched)]
    return 4 * flags[0] + 2 * flags[1] + flags[2]


def _closed(documents: "pa.Table", found: Comparison) -> dict[str, set[str]]:
    """Groups that may see a document that is kept instead of others, for those that not everybody may see."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kept = pa.array({name for name in found.kept_instead if name}, pa.string())
    rows = documents.select(["doc_id", "access"]).filter(pc.is_in(documents.column("doc_id"), kept)).to_pylist()
    return {row["doc_id"]: set(row["access"]) for row in rows if row["access"]}


def _entries(batch: "pa.RecordBatch", kept_instead: list[str | None], closed: dict[str, set[str]]) -> list[Entry]:
    """A near-duplicate goes only when all who may see it may see what is kept instead."""
    rows = zip(*(batch.column(name).to_pylist() for name in ("source", "doc_id", "file", "access")), kept_instead, strict=True)
    return [
        Entry(source, doc_id, file, SKIPPED, "near_duplicate", kept)
        if kept and (kept not in closed or (access and closed[kept].issuperset(access)))
        else Entry(source, doc_id, file, INDEXED)
        for source, doc_id, file, access, kept in rows
    ]


def _only(entries: "pa.Table", *outcomes: str) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.compute as pc

    return entries.filter(pc.is_in(entries.column("outcome"), pa.array(outcomes)))
