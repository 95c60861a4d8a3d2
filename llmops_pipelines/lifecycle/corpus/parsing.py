"""The `parse` stage: what one source holds becomes clean texts, as asset parsed_documents/<source>. Batch by batch, in order.

Duplicates are no matter of one source; they are found in documents.py.
"""

from collections import Counter
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ..lake.digests import digest
from . import planning, work
from .children.pool import Limits, Pool
from .cleaners import language
from .discovery import ASSET as RAW
from .forgotten import REASON, Forgotten
from .formats.parsers import CODE as PARSER_CODE
from .formats.parsers import parser_identity
from .ledger import QUARANTINED, SKIPPED, Entry
from .ledger import table as ledger_table
from .looks import LastLook
from .retries import STOPPED, Retries
from .sources import CorpusError

if TYPE_CHECKING:
    from llmops_pipelines.config.documents import Cleaning

    from ..lake import Draft, Lake, Version

CODE = "parse 2"
ASSET = "parsed_documents"
FILES_AT_ONCE = 1_024


@dataclass(frozen=True)
class Document:
    """A document with its clean text. `uri` ends in #<row> for a part of a file; `file` is the uri of the file itself."""

    doc_id: str
    source: str
    uri: str
    file: str
    title: str
    content_hash: str
    format: str
    licence: str
    language: str
    access: list[str]
    consent: str
    trust: str
    characters: int


def schema(*more: str):
    """Columns of a table of documents; `more` are further text columns."""
    import pyarrow as pa

    kinds = {"characters": pa.int64(), "access": pa.list_(pa.string())}
    names = [each.name for each in fields(Document)]
    return pa.schema([(name, kinds.get(name, pa.string())) for name in [*names, *more]])


def parse(lake: "Lake", raw: "Version", cleaning: "Cleaning", limits: Limits | None = None) -> "Version":
    """Parse and clean the files of `raw`. Asset parsed_documents/<source>, with tables dropped and files.

    A file that cannot be used is quarantined and stops nothing, until their share passes
    `cleaning.stop_when_quarantined_above`: then `CorpusError` is raised, and the last version stays in use.
    """
    limits = limits or Limits()
    said = raw.json("source")
    asset = f"{ASSET}/{said['name']}"
    run = _Run(lake, said, cleaning, limits, Retries.of(lake, asset))
    config = {
        "parsers": {kind: parser_identity(kind, None, limits) for kind in PARSER_CODE},
        "cleaner": work.cleaner_identity(cleaning, limits),
        "rules": [cleaning.languages, cleaning.minimum_characters],
        "attempts": run.attempts,
        **run.forgotten.entering(),
    }
    try:
        return lake.once(asset, code=CODE, config=config, parents=[raw], write=lambda draft: run.write(draft, raw))
    except work.DamagedBlob:
        LastLook.of(lake, raw.asset).forget()
        raise


class _Run:
    """One pass over the files of a source, and what was counted on the way."""

    def __init__(self, lake: "Lake", said: dict[str, Any], cleaning: "Cleaning", limits: Limits, retries: Retries) -> None:
        self.lake, self.said, self.cleaning, self.limits, self.retries = lake, said, cleaning, limits, retries
        self.attempts = retries.attempts()
        self.counts: Counter[str] = Counter()
        self.replaced: Counter[str] = Counter()
        self.forgotten = Forgotten.of(lake)
        self.cleaner = digest(work.cleaner_identity(cleaning, limits))
        self.stopped: set[str] = set()  # keys of retries.py; so are those `seen`, which took more than one attempt
        self.seen: set[str] = set()

    def write(self, draft: "Draft", raw: "Version") -> None:
        import pyarrow as pa

        units = pa.schema([("uri", pa.string()), ("units", pa.int64())])
        with (
            Pool(raw.rows(RAW), self.limits) as pool,
            draft.writer(ASSET, schema()) as keep,
            draft.writer("dropped", ledger_table([]).schema) as drop,
            draft.writer("files", units) as count,
        ):
            for batch in raw.batches(RAW, rows=FILES_AT_ONCE):
                documents, entries, pieces = self._batch(batch.to_pylist(), pool)
                keep(pa.Table.from_pylist([vars(each) for each in documents], schema=schema()))
                drop(ledger_table(entries))
                count(pa.table({"uri": list(pieces), "units": list(pieces.values())}, schema=units))
        self.retries.note(self.stopped, self.seen, self.attempts)  # before the run may stop: many crashes would stay for ever
        self._stop_when_much_is_unreadable()
        draft.facts.update(documents=0, dropped=0, quarantined=0, parsed=0, reused_parsed=0, cleaned=0, reused_cleaned=0)
        draft.facts.update(self.counts)
        draft.facts.update({f"replaced_{kind}": self.replaced[kind] for kind in sorted(self.cleaning.personal_data)})

    def _batch(self, rows: list[dict[str, Any]], pool: Pool) -> tuple[list[Document], list[Entry], dict[str, int]]:
        decided, tasks = planning.plan(
            self.said["name"], rows, self.said["columns"], self.limits, self.attempts, self.forgotten
        )
        files = {task.parse.key: task.parse for task in tasks}
        new = work.parse_new(self.lake, files, pool, self.limits)
        found = planning.parse_results(self.lake, tasks)
        items, unusable = planning.items(self.said["name"], tasks, found, self.cleaner, self.attempts, self.forgotten)
        cleaned = work.clean_new(self.lake, [item.clean for item in items], self.cleaning, pool, self.limits)
        documents, judged = self._judge(items)
        for task in tasks:
            self._remember(task.parse.base, found[task.parse.key]["reason"])
        entries = [*decided, *unusable, *judged]
        self.counts.update(
            documents=len(documents),
            dropped=len(entries),
            quarantined=sum(entry.outcome == QUARANTINED for entry in entries),
            discovered=len(documents) + len(entries),
            parsed=len(new),
            reused_parsed=len(files) - len(new),
            cleaned=len(cleaned),
            reused_cleaned=len({item.clean.key for item in items} - cleaned),
            reencoded=sum(found[task.parse.key]["reencoded"] for task in tasks),
        )
        pieces = {row["uri"]: 1 for row in rows}
        pieces.update({task.uri: max(len(found[task.parse.key]["pieces"]), 1) for task in tasks})
        return documents, entries, pieces

    def _judge(self, items: list[planning.Item]) -> tuple[list[Document], list[Entry]]:
        """Documents worth keeping so far, and entries of the others."""
        found = work.cleaned(self.lake, [item.clean.key for item in items], self.cleaning, self.limits)
        documents: list[Document] = []
        entries: list[Entry] = []
        for item in items:
            row = found[item.clean.key]
            self._remember(item.clean.base, row["reason"])
            spoken = self.said["language"] or row["language"]
            if why := _why_not(row, spoken, self.cleaning, self.forgotten):
                entries.append(Entry(self.said["name"], item.doc_id, item.file, *why))
                continue
            self.replaced.update({pair["kind"]: pair["count"] for pair in row["replaced"]})
            documents.append(self._document(item, row, spoken))
        return documents, entries

    def _remember(self, base: str, reason: str) -> None:
        if reason in STOPPED:
            self.stopped.add(base)
        if base in self.attempts:
            self.seen.add(base)

    def _document(self, item: planning.Item, row: dict[str, Any], spoken: str) -> Document:
        return Document(
            doc_id=item.doc_id,
            source=self.said["name"],
            uri=item.uri,
            file=item.file,
            title=row["title"],
            content_hash=row["content_hash"],
            format=item.format,
            licence=self.said["licence"],
            language=spoken,
            access=self.said["access"],
            consent=self.said["consent"],
            trust=self.said["trust"],
            characters=row["characters"],
        )

    def _stop_when_much_is_unreadable(self) -> None:
        bad, all_of_them = self.counts["quarantined"], self.counts["discovered"]
        if bad <= self.cleaning.stop_when_quarantined_above * all_of_them:
            return
        raise CorpusError(
            f"source {self.said['name']}: {bad} of {all_of_them} documents cannot be read; more than "
            f"{self.cleaning.stop_when_quarantined_above:.0%} stops the run, and the last version stays in use; look at "
            "them, or raise cleaning.stop_when_quarantined_above"
        )


def _why_not(row: dict[str, Any], spoken: str, cleaning: "Cleaning", forgotten: Forgotten) -> tuple[str, str, str] | None:
    if row["content_hash"] in forgotten.contents:
        return SKIPPED, REASON, ""
    if row["reason"].startswith("cleaner_"):
        return QUARANTINED, row["reason"], row["detail"]
    if row["reason"]:
        return SKIPPED, row["reason"], row["detail"]
    if row["empty"]:
        return SKIPPED, "empty", ""
    if row["characters"] < cleaning.minimum_characters:
        return SKIPPED, "too_short", f"{row['characters']} of {cleaning.minimum_characters} characters"
    if spoken not in (*cleaning.languages, language.UNDETERMINED):
        return SKIPPED, "language", spoken
    return None
