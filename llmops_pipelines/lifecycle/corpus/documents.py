"""The `read` stage: raw documents become clean documents, each with an outcome in the ledger.

What is decided here: outcomes, duplicates, clusters. The work behind it is done once per content, in work.py.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ..lake.digests import digest
from . import duplicates, language, planning, work
from .ledger import INDEXED, QUARANTINED, SKIPPED, Entry
from .ledger import facts as ledger_facts
from .ledger import table as ledger_table
from .parsers import CODE as PARSER_CODE
from .parsers import parser_identity
from .pool import Limits, Pool
from .sources import CorpusError

if TYPE_CHECKING:
    from llmops_pipelines.config.pipeline import Cleaning, Source

    from ..lake import Draft, Lake, Version

CODE = "read 1"
ASSET = "documents"


@dataclass(frozen=True)
class Document:
    """A row of documents. `uri` ends in #<row id> for a row of a table; `cluster` is a doc_id."""

    doc_id: str
    source: str
    uri: str
    title: str
    content_hash: str
    licence: str
    language: str
    characters: int
    cluster: str


def read(
    lake: "Lake", raw: "Version", sources: "list[Source]", cleaning: "Cleaning", limits: Limits | None = None
) -> "Version":
    """Parse, clean and compare what `discover` found. Asset documents (sorted by doc_id), with tables ledger and files.

    A file that cannot be used is quarantined and stops nothing. Raises `CorpusError` when no document is left.
    """
    limits = limits or Limits()
    by_name = {source.name: source for source in sources}

    def write(draft: "Draft") -> None:
        _write(draft, lake, raw.table().to_pylist(), by_name, cleaning, limits)

    config = {
        "parsers": {kind: parser_identity(kind, None, limits) for kind in PARSER_CODE},
        "cleaner": work.cleaner_identity(cleaning, limits),
        "profile": work.profile_identity(),
        "rules": [cleaning.languages, cleaning.minimum_characters, cleaning.near_duplicates.similarity],
        "sources": {name: [planning.columns(source), source.language] for name, source in by_name.items()},
    }
    return lake.once(ASSET, code=CODE, config=config, parents=[raw], write=write)


def texts(lake: "Lake", content_hashes: Iterable[str]) -> list[str]:
    """The cleaned texts of these content hashes, in the order given. Raises KeyError for an unknown one."""
    return work.stored_texts(lake, content_hashes)


def _write(
    draft: "Draft", lake: "Lake", rows: list[dict[str, Any]], sources: "dict[str, Source]", cleaning: "Cleaning", limits: Limits
) -> None:
    decided, tasks = planning.plan(rows, sources, limits)
    files = {task.parse.key: task.parse for task in tasks}
    new = lake.store("parsed", "v1", "parse").missing(files)
    with Pool(len(new) or len(files), limits) as pool:
        work.parse_new(lake, [files[key] for key in new], pool, limits)
        found = planning.parse_results(lake, tasks)
        items, unusable, units = planning.items(tasks, found, {entry.doc_id for entry in decided})
        cleaned = work.clean_new(lake, [item.clean for item in items], cleaning, pool, limits)
        candidates, dropped, replaced = _judge(lake, items, sources, cleaning, limits)
        work.profile_new(lake, [document.content_hash for document in candidates], pool)
    documents, repeated = _compare(lake, candidates, cleaning.near_duplicates.similarity)
    file_of = {item.doc_id: item.file for item in items}
    indexed = [Entry(d.source, d.doc_id, file_of[d.doc_id], INDEXED) for d in documents]
    near = [Entry(d.source, d.doc_id, file_of[d.doc_id], SKIPPED, "near_duplicate", kept) for d, kept in repeated]
    entries = [*decided, *unusable, *dropped, *near, *indexed]
    draft.facts.update(ledger_facts(entries))
    _stop_when_nothing_is_left(draft.facts)
    _publish(draft, documents, entries, rows, units)
    draft.facts.update(
        parsed=len(new),
        reused_parsed=len(files) - len(new),
        cleaned=len(cleaned),
        reused_cleaned=len({item.clean.key for item in items} - cleaned),
        reencoded=sum(found[task.parse.key]["reencoded"] for task in tasks),
        **_content_facts(documents),
        **{f"replaced_{kind}": replaced[kind] for kind in cleaning.personal_data},
    )


def _stop_when_nothing_is_left(facts: dict[str, Any]) -> None:
    if facts[INDEXED]:
        return
    reasons = ", ".join(f"{name.removeprefix('dropped_')} {n}" for name, n in facts.items() if name.startswith("dropped_"))
    raise CorpusError(
        f"0 of {facts['discovered']} documents can be indexed ({reasons or 'all deleted'}); the last version stays in use; "
        "look at the sources, cleaning.languages and cleaning.minimum_characters"
    )


def _content_facts(documents: list[Document]) -> dict[str, int]:
    clusters = Counter(document.cluster for document in documents)
    return {
        "exact_duplicates": len(documents) - len({document.content_hash for document in documents}),
        "clusters": len(clusters),
        "largest_cluster": max(clusters.values()),
        "characters": sum(document.characters for document in documents),
    }


def _judge(lake: "Lake", items: list[planning.Item], sources: "dict[str, Source]", cleaning: "Cleaning", limits: Limits):
    """Documents worth keeping so far (each its own cluster), entries of the others, and counts of replaced data."""
    store = lake.store("cleaned", digest(work.cleaner_identity(cleaning, limits)), "raw")
    found = {row["raw"]: row for row in store.take([item.clean.key for item in items]).to_pylist()} if items else {}
    documents: list[Document] = []
    entries: list[Entry] = []
    replaced: Counter[str] = Counter()
    for item in items:
        row = found[item.clean.key]
        spoken = sources[item.source].language or row["language"]
        if why := _why_not(row, spoken, cleaning):
            entries.append(Entry(item.source, item.doc_id, item.file, *why))
            continue
        replaced.update({pair["kind"]: pair["count"] for pair in row["replaced"]})
        fields = (
            item.doc_id,
            item.source,
            item.uri,
            row["title"],
            row["content_hash"],
            item.licence,
            spoken,
            row["characters"],
        )
        documents.append(Document(*fields, cluster=item.doc_id))
    return documents, entries, replaced


def _why_not(row: dict[str, Any], spoken: str, cleaning: "Cleaning") -> tuple[str, str, str] | None:
    if row["reason"]:
        return QUARANTINED, row["reason"], row["detail"]
    if row["empty"]:
        return SKIPPED, "empty", ""
    if row["characters"] < cleaning.minimum_characters:
        return SKIPPED, "too_short", f"{row['characters']} of {cleaning.minimum_characters} characters"
    if spoken not in (*cleaning.languages, language.UNDETERMINED):
        return SKIPPED, "language", spoken
    return None


def _compare(lake: "Lake", candidates: list[Document], similarity: float):
    """Documents that stay, with their clusters, and (document, kept doc_id) pairs of near-duplicates."""
    store = lake.store("profiles", digest(work.profile_identity()), "content_hash")
    first: dict[str, str] = {}
    groups = duplicates.Groups()
    for document in sorted(candidates, key=lambda d: d.doc_id):
        groups.join(first.setdefault(document.content_hash, document.doc_id), document.doc_id)
    profiles = {row["content_hash"]: row for row in store.take(first).to_pylist()} if first else {}
    signatures = {content: profile["signature"] for content, profile in profiles.items()}
    dropped = duplicates.near_duplicates(first, signatures, lambda c: work.stored_texts(lake, [c])[0], similarity, groups)
    kept = {first[c]: profile["paragraphs"] for c, profile in profiles.items() if c not in dropped}
    duplicates.join_shared_paragraphs(kept, groups)
    documents = [replace(d, cluster=groups.find(d.doc_id)) for d in candidates if d.content_hash not in dropped]
    repeated = [(d, first[dropped[d.content_hash]]) for d in candidates if d.content_hash in dropped]
    return sorted(documents, key=lambda d: d.doc_id), repeated


def _publish(draft: "Draft", documents: list[Document], entries: list[Entry], rows: list[dict[str, Any]], units) -> None:
    import pyarrow as pa

    schema = pa.schema([(f, pa.int64() if f == "characters" else pa.string()) for f in Document.__dataclass_fields__])
    draft.table(ASSET, pa.Table.from_pylist([asdict(document) for document in documents], schema=schema))
    draft.table("ledger", ledger_table(entries))
    draft.table("dropped", ledger_table([entry for entry in entries if entry.outcome != INDEXED]), data=False)
    files = [{"source": r["source"], "uri": r["uri"], "units": units.get((r["source"], r["uri"]), 1)} for r in rows]
    kinds = pa.schema([("source", pa.string()), ("uri", pa.string()), ("units", pa.int64())])
    draft.table("files", pa.Table.from_pylist(files, schema=kinds))
