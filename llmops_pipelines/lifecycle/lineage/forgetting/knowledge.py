"""What the records of a lake say of some documents: their contents, files, bytes, chunks, and the words that only they have.

Nothing is removed here. Every pipeline of the lake is read: stores are shared, and the same text may lie under other names.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from llmops_pipelines.lifecycle.corpus import forgotten
from llmops_pipelines.lifecycle.corpus.forgotten import Forgotten
from llmops_pipelines.lifecycle.lake import Lake, Refusal, Version
from llmops_pipelines.lifecycle.lake.digests import text_digest

from .reading import batches_of, parsed_texts, rows_of, texts
from .windows import Needles

DOCUMENTS = ("parsed_documents", "documents")
TOLD = {"parsed_documents": ("dropped",), "documents": ("ledger",)}  # tables that name what never became a document

Document = tuple[str, str]  # pipeline and doc_id
File = tuple[str, str, str]  # pipeline, source and uri


class UnknownDocument(Refusal):
    """No version and no tombstone knows a document of this name."""


@dataclass(frozen=True)
class Known:
    """`documents` are the doc_ids that were asked for, `copies` others with the same text, as 'pipeline: doc_id',
    `near` those that say nearly the same and stay.

    `gone` are all that go, by pipeline. `files` (pipeline, source, uri) hold nothing but them, `shared` hold other documents
    too; `blobs` are the bytes of the former and `shared_blobs` of the latter. `questions` are ids of evaluation questions about
    them, `prompts` digests of what models were asked with them. `needles` are windows of words that no document that stays
    has.
    """

    documents: tuple[str, ...]
    copies: tuple[str, ...]
    near: tuple[str, ...]
    gone: frozenset[Document]
    contents: frozenset[str]
    files: frozenset[File]
    shared: frozenset[File]
    blobs: frozenset[str]
    shared_blobs: frozenset[str]
    chunks: frozenset[str]
    text_hashes: frozenset[str]
    questions: frozenset[str]
    prompts: frozenset[str]
    needles: Needles

    def described(self) -> dict[str, Any]:
        """As JSON, without a word of the text; `read` reads it."""
        plain = {name: sorted(getattr(self, name)) for name in PLAIN}
        rows = {name: sorted(map(list, getattr(self, name))) for name in ROWS}
        return plain | rows | {"needles": self.needles.described()}

    @classmethod
    def read(cls, said: dict[str, Any]) -> "Known":
        sets: dict[str, Any] = {name: frozenset(said[name]) for name in PLAIN}
        sets |= {name: tuple(said[name]) for name in ("documents", "copies", "near")}
        rows: dict[str, Any] = {name: frozenset(map(tuple, said[name])) for name in ROWS}
        return cls(**sets | rows, needles=Needles.read(said["needles"]))

    def of(self, pipeline: str) -> frozenset[str]:
        """The doc_ids that go from one pipeline."""
        return frozenset(doc_id for named, doc_id in self.gone if named == pipeline)


ROWS = ("gone", "files", "shared")
PLAIN = ("documents", "copies", "near", "contents", "blobs", "shared_blobs", "chunks", "text_hashes", "questions", "prompts")


@dataclass
class _Records:
    """What all versions of all pipelines say of documents."""

    contents: dict[Document, set[str]] = field(default_factory=lambda: defaultdict(set))  # of a document
    named: dict[str, set[Document]] = field(default_factory=lambda: defaultdict(set))  # by content
    holds: dict[File, set[str]] = field(default_factory=lambda: defaultdict(set))  # doc_ids of a file
    bytes: dict[File, set[str]] = field(default_factory=lambda: defaultdict(set))  # blobs of a file


def lakes_of(root: Path) -> list[Lake]:
    """Every pipeline of a lake, trials among them."""
    kept = {"blobs", "stores", "mirrors"}
    found = sorted(root.iterdir()) if root.is_dir() else []
    return [Lake(root, path.name) for path in found if path.is_dir() and path.name not in kept]


def know(lake: Lake, documents: Iterable[str]) -> Known:
    """Read what the lake knows of these documents of one pipeline. Raises `UnknownDocument` for a name that nobody knows."""
    asked = tuple(dict.fromkeys(documents))
    records = _records(lakes_of(lake.root))
    mine = {each for each in records.contents if each[0].split("~")[0] == lake.pipeline and each[1] in asked}
    if unknown := sorted(set(asked) - {doc_id for _, doc_id in mine}):
        raise UnknownDocument(_unknown(lake, unknown[0], records))
    contents = {content for each in mine for content in records.contents[each]}
    contents |= _cut_contents(lake, set(asked))
    copies = {each for content in contents for each in records.named[content]} - mine
    gone = mine | {each for each in copies if records.contents[each] <= contents}
    files, shared = _files(records, gone | copies, gone)
    blobs = {blob for file in files for blob in records.bytes[file]}
    shared_blobs = {blob for file in shared for blob in records.bytes[file]} - blobs
    chunks, text_hashes = _cuts(lakes_of(lake.root), gone, contents)
    questions = _questions(lakes_of(lake.root), gone)
    needles = _needles(lake, records, contents, blobs, shared)
    return Known(
        documents=asked,
        copies=tuple(sorted(f"{pipeline}: {doc_id}" for pipeline, doc_id in copies if "~" not in pipeline)),
        near=tuple(sorted(_near(lake, set(asked)) - {doc_id for _, doc_id in gone})),
        gone=frozenset(gone),
        contents=frozenset(contents),
        files=frozenset(files),
        shared=frozenset(shared),
        blobs=frozenset(blobs),
        shared_blobs=frozenset(shared_blobs),
        chunks=frozenset(chunks),
        text_hashes=frozenset(text_hashes),
        questions=frozenset(questions),
        prompts=frozenset(_prompts(lakes_of(lake.root), questions, needles)),
        needles=needles,
    )


def _unknown(lake: Lake, name: str, records: _Records) -> str:
    from difflib import get_close_matches

    if Forgotten.of(lake).leaves_out(name):
        return f"{lake.pipeline}: {name!r} was erased already; receipts are in {forgotten.folder(lake) / 'receipts'}"
    known = sorted({doc_id for pipeline, doc_id in records.contents if pipeline == lake.pipeline})
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    return f"{lake.pipeline} has no document {name!r} in any version, and forgot none of that name{meant}"


def _records(lakes: list[Lake]) -> _Records:
    records = _Records()
    for lake in lakes:
        for version in lake.all_versions():
            if version.noun == "raw_documents":
                for row in rows_of(version, "raw_documents", ["uri", "blob"]):
                    records.bytes[lake.pipeline, version.asset.split("/")[1], row["uri"]].add(row["blob"] or "")
            elif version.noun in DOCUMENTS:
                _note(records, version)
    for blobs in records.bytes.values():
        blobs.discard("")
    return records


def _note(records: _Records, version: Version) -> None:
    pipeline = version.pipeline
    for row in rows_of(version, version.noun, ["doc_id", "source", "file", "content_hash"]):
        document = (pipeline, row["doc_id"])
        records.contents[document].add(row["content_hash"])
        records.named[row["content_hash"]].add(document)
        records.holds[pipeline, row["source"], row["file"]].add(row["doc_id"])
    for table in TOLD[version.noun]:
        for row in rows_of(version, table, ["doc_id", "source", "uri"]):
            records.contents[pipeline, row["doc_id"]] |= set()
            records.holds[pipeline, row["source"], row["uri"]].add(row["doc_id"])


def _files(records: _Records, wanted: set[Document], gone: set[Document]) -> tuple[set[File], set[File]]:
    """(files of which nothing stays, files that hold other documents too)."""
    alone: set[File] = set()
    shared: set[File] = set()
    for file, held in records.holds.items():
        inside = {(file[0], doc_id) for doc_id in held}
        if inside & wanted:
            (alone if inside <= gone else shared).add(file)
    return alone, shared


def _cut_contents(lake: Lake, documents: set[str]) -> set[str]:
    """Contents that were cut under these names once: versions of that time may be gone, their texts are kept."""
    found: set[str] = set()
    for folder in sorted((lake.root / "stores" / "chunk_rows").glob("*")):
        for batch in batches_of(folder, ["chunks"]):
            rows = batch.column("chunks").combine_chunks().flatten()
            pairs = zip(rows.field("doc_id").to_pylist(), rows.field("content_hash").to_pylist(), strict=True)
            found.update(content for doc_id, content in pairs if doc_id in documents)
    return found


def _cuts(lakes: list[Lake], gone: set[Document], contents: set[str]) -> tuple[set[str], set[str]]:
    """(their chunk ids, the text hashes that no other chunk has)."""
    chunks: set[str] = set()
    mine: set[str] = set()
    others: set[str] = set()
    for lake in lakes:
        for version in lake.all_versions():
            if version.noun != "chunks":
                continue
            for row in rows_of(version, "chunks", ["chunk_id", "doc_id", "content_hash", "text_hash"]):
                if (lake.pipeline, row["doc_id"]) in gone or row["content_hash"] in contents:
                    chunks.add(row["chunk_id"])
                    mine.add(row["text_hash"])
                else:
                    others.add(row["text_hash"])
    return chunks, mine - others


def _near(lake: Lake, documents: set[str]) -> set[str]:
    """Those that the corpus compared and found to say nearly the same: members of a cluster, and what was left out for it."""
    found: set[str] = set()
    for version in lake.all_versions():
        if version.asset != "documents":
            continue
        rows = list(rows_of(version, "documents", ["doc_id", "cluster"]))
        clusters = {row["cluster"] for row in rows if row["doc_id"] in documents}
        found |= {row["doc_id"] for row in rows if row["cluster"] in clusters}
        for row in rows_of(version, "ledger", ["doc_id", "reason", "detail"]):
            if row["reason"] == "near_duplicate" and documents & {row["doc_id"], row["detail"]}:
                found |= {row["doc_id"], row["detail"]}
    return found


def _questions(lakes: list[Lake], gone: set[Document]) -> set[str]:
    return {
        row["id"]
        for lake in lakes
        for version in lake.all_versions()
        if version.noun == "eval_questions"
        for row in rows_of(version, "eval_questions", ["id", "documents"])
        if any((lake.pipeline, document) in gone for document in row["documents"])
    }


def _prompts(lakes: list[Lake], questions: set[str], needles: Needles) -> Iterator[str]:
    """Of questions about the documents, and of those for which a model read a passage of theirs."""
    for version in (version for lake in lakes for version in lake.all_versions() if version.noun == "answers"):
        for row in rows_of(version, "answers", ["question_id", "read", "prompt_digest"]):
            read = "\n".join(row["read"] or ()).encode()
            if row["prompt_digest"] and (row["question_id"] in questions or needles.within(read)):
                yield row["prompt_digest"]


def _needles(lake: Lake, records: _Records, contents: set[str], blobs: set[str], shared: set[File]) -> Needles:
    """Windows of their texts, cleaned and as parsed, that no text has, cleaned or parsed, which a version still names."""
    named = records.named.keys() - contents
    other_blobs = {blob for file, found in records.bytes.items() for blob in found if file not in shared} - blobs
    kept, parsed = lake.root / "stores" / "texts" / "v1", lake.root / "stores" / "parsed" / "v2"
    mine = [text for content, text in texts(kept) if content in contents]
    mine += list(parsed_texts(parsed, blobs))
    others = (text for content, text in texts(kept) if content in named)
    return Needles.of(mine, chain(others, parsed_texts(parsed, other_blobs)))


def digests(documents: Iterable[str]) -> list[str]:
    """How documents are named where their doc_ids must not stand."""
    return sorted(text_digest(document) for document in documents)


def token(document: str) -> str:
    """What stands where a doc_id stood."""
    return f"forgotten/{text_digest(document)[:16]}"
