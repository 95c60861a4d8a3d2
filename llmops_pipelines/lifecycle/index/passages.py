"""Stage `cut`: documents to the table of chunks, and the texts that chunks stand for.

A document's text and title are cut once, whatever happens around it; the table only joins documents with their cuts.
"""

import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from llmops_pipelines.config.pipeline import Chunks, Embeddings
from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.compute import HERE, Compute
from llmops_pipelines.lifecycle.lake import Draft, Lake, Store, Version, digest
from llmops_pipelines.lifecycle.lake.digests import text_digest

from .chunkers.chunking import Chunker
from .embedders.model_files import ModelFiles
from .engines.contract import digests_of

if TYPE_CHECKING:
    import pyarrow as pa

CODE = "cut-3"
NAMESPACE = uuid.UUID("6b0c7f5e-3a55-5c1e-9d0f-7d2c1a3f5b11")  # of chunk ids; a new one would rename every chunk there is
TRAVELS = ("language", "licence", "access", "consent", "trust")  # what is said of a document holds for its chunks
# All that the chunk rows of a document depend on.
DOCUMENT = ["doc_id", "source", "content_hash", "title", "format", *TRAVELS]
DOCUMENTS_AT_ONCE = 1024
CUT_AT_ONCE = 256


def cut(lake: Lake, documents: Version, chunks: Chunks, embeddings: Embeddings, compute: Compute = HERE) -> Version:
    """Cut documents into passages. Asset `chunks`, one row per passage, in the order of documents.

    Columns: chunk_id, doc_id, source, content_hash, ordinal, start, end (characters of the cleaned text), tokens (of the
    embedding model, without special ones), page (from 1; 0 without pages), heading, title, head (what is embedded above the
    passage), text_hash (sha256 of the text that is embedded), what travels with the document (language, licence, access,
    consent, trust), and digest (of all that an index says of the chunk). Raises IndexingError for settings that the model
    cannot serve.
    """
    chunker = Chunker(ModelFiles.find(embeddings), chunks)
    return lake.once(
        "chunks",
        code=CODE,
        config={"chunker": chunker.fingerprint},
        parents=[documents],
        write=lambda draft: _write(lake, draft, documents, chunker, compute),
    )


def chunk_id(doc_id: str, content_hash: str, chunker: str, ordinal: int) -> str:
    """The name of a chunk for ever: UUIDv5 of where it stands, what stands there, and who cut it."""
    return str(uuid.uuid5(NAMESPACE, "\n".join((doc_id, content_hash, chunker, str(ordinal)))))


def passages(lake: Lake, chunks: Version) -> list[str]:
    """The passages as they stand in their documents, in row order."""
    return slices(lake, chunks.table())


def slices(lake: Lake, rows: "pa.Table | pa.RecordBatch") -> list[str]:
    """The passages of some rows of the chunks table, read from the texts store."""
    hashes, starts, ends = (rows.column(name).to_pylist() for name in ("content_hash", "start", "end"))
    texts = corpus.texts(lake, hashes)
    return [text[start:end] for text, start, end in zip(texts, starts, ends, strict=True)]


def texts_to_embed(lake: Lake, rows: "pa.Table | pa.RecordBatch") -> list[str]:
    heads = rows.column("head").to_pylist()
    return [with_head(head, text) for head, text in zip(heads, slices(lake, rows), strict=True)]


def with_head(head: str, text: str) -> str:
    return f"{head}\n{text}" if head else text


@dataclass(frozen=True)
class CutTexts:
    """Stage function: batches of (key, title, format, text) to batches of (key, passages)."""

    chunker: Chunker

    def __call__(self, batch: "pa.RecordBatch") -> "pa.RecordBatch":
        import pyarrow as pa

        keys, titles, formats, texts = (batch.column(name).to_pylist() for name in ("key", "title", "format", "text"))
        made = []
        for title, text, cuts in zip(titles, texts, self.chunker.cut(texts, formats), strict=True):
            heads = self.chunker.heads(title, {cut.heading for cut in cuts})
            made.append(
                [
                    {
                        "start": cut.start,
                        "end": cut.end,
                        "tokens": cut.tokens,
                        "page": cut.page,
                        "heading": cut.heading,
                        "head": (head := "\n".join(filter(None, (heads[cut.heading], cut.lead)))),
                        "text_hash": text_digest(with_head(head, text[cut.start : cut.end])),
                    }
                    for cut in cuts
                ]
            )
        schema = _cut_schema()
        return pa.RecordBatch.from_arrays([pa.array(keys), pa.array(made, schema.field("passages").type)], schema=schema)


def _cut_schema() -> "pa.Schema":
    import pyarrow as pa

    numbers = [("start", pa.int64()), ("end", pa.int64()), ("tokens", pa.int32()), ("page", pa.int32())]
    passage = pa.struct([*numbers, *((name, pa.string()) for name in ("heading", "head", "text_hash"))])
    return pa.schema([("key", pa.string()), ("passages", pa.list_(passage))])


def _write(lake: Lake, draft: Draft, documents: Version, chunker: Chunker, compute: Compute) -> None:
    """The rows of a document are made once, whatever becomes of the documents around it."""
    store = lake.store("chunk_rows", digest([CODE, chunker.fingerprint]), "document")
    counts: Counter[str] = Counter()
    most = 0
    with draft.writer("chunks", _schema()) as write:
        for rows in documents.batches(columns=DOCUMENT, rows=DOCUMENTS_AT_ONCE):
            names = [digest(row) for row in rows.to_pylist()]
            new = set(store.missing(names))
            if new:
                fresh = rows.take([row for row, name in enumerate(names) if name in new])
                counts["cut"] += _make(lake, store, chunker, fresh, [name for name in names if name in new], compute)
            made = store.take(names, ["chunks"]).column("chunks").combine_chunks()
            table = _table(made.flatten())
            write(table)
            counts["documents"] += rows.num_rows
            counts["documents_without_text"] += made.value_lengths().to_pylist().count(0)
            counts["chunks"] += table.num_rows
            tokens = table.column("tokens").to_numpy()
            counts["tokens"] += int(tokens.sum())
            most = max(most, int(tokens.max(initial=0)))
    draft.json("chunker", {"fingerprint": chunker.fingerprint, **chunker.settings.model_dump()})
    draft.facts.update({name: counts[name] for name in ("chunks", "documents", "documents_without_text", "cut")})
    draft.facts["reused_cut"] = counts["documents"] - counts["cut"]
    draft.facts["tokens_mean"] = round(counts["tokens"] / max(counts["chunks"], 1), 1)
    draft.facts["tokens_most"] = most


def _table(rows: "pa.StructArray") -> "pa.Table":
    import pyarrow as pa

    return pa.Table.from_batches([pa.RecordBatch.from_struct_array(rows)]).select(_schema().names).cast(_schema())


def _make(lake: Lake, store: Store, chunker: Chunker, rows: "pa.RecordBatch", names: list[str], compute: Compute) -> int:
    """Chunk rows of documents that have none yet, kept under `names`. Returns how many texts were cut for it."""
    import pyarrow as pa

    texts = zip(*(rows.column(name).to_pylist() for name in ("content_hash", "format", "title")), strict=True)
    keys = [text_digest(f"{content}\n{form}\n{title}") for content, form, title in texts]
    kept = lake.store("chunks", chunker.fingerprint, "key")
    count = _cut_new(lake, kept, chunker, rows, keys, compute)
    cuts = kept.take(keys, ["passages"])
    place = {key: row for row, key in enumerate(cuts.column("key").to_pylist())}
    found = cuts.column("passages").combine_chunks().take([place[key] for key in keys])
    table = _chunk_rows(rows, found, chunker.fingerprint).combine_chunks()
    ends = [0, *accumulate(found.value_lengths().to_pylist())]
    chunks = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), table.to_struct_array().combine_chunks())
    store.append(pa.table({"document": names, "chunks": chunks}))
    return count


def _cut_new(lake: Lake, store: Store, chunker: Chunker, rows: "pa.RecordBatch", keys: list[str], compute: Compute) -> int:
    """Cut the texts of these documents that were not cut yet. Returns how many."""
    import pyarrow as pa

    missing = set(store.missing(keys))
    first = {key: row for row, key in reversed(list(enumerate(keys))) if key in missing}

    def batches() -> Iterator[pa.RecordBatch]:
        order = sorted(first.values())
        for some in (order[at : at + CUT_AT_ONCE] for at in range(0, len(order), CUT_AT_ONCE)):
            chosen = rows.take(pa.array(some, pa.int64()))
            texts = corpus.texts(lake, chosen.column("content_hash").to_pylist())
            columns = {"key": [keys[row] for row in some], "text": texts}
            yield pa.RecordBatch.from_pydict(columns | {"title": chosen.column("title"), "format": chosen.column("format")})

    if first:
        store.append(pa.Table.from_batches(list(compute.map(CutTexts(chunker), batches()))))
    return len(first)


def _chunk_rows(rows: "pa.RecordBatch", cuts: "pa.ListArray", chunker: str) -> "pa.Table":
    """Documents joined with their passages; one row per passage."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parent = pc.list_parent_indices(cuts)
    passages = dict(zip((field.name for field in cuts.type.value_type), cuts.flatten().flatten(), strict=True))
    known = {name: rows.column(name).take(parent) for name in ("doc_id", "source", "content_hash", "title", *TRAVELS)}
    ordinals = [ordinal for length in cuts.value_lengths().to_pylist() for ordinal in range(length)]
    names = zip(known["doc_id"].to_pylist(), known["content_hash"].to_pylist(), ordinals, strict=True)
    made = {"chunk_id": [chunk_id(doc, content, chunker, ordinal) for doc, content, ordinal in names], "ordinal": ordinals}
    columns = known | passages | made
    said = pa.schema([field for field in _schema() if field.name != "digest"])
    arrays = [pa.array(columns[f.name], f.type) if f.name in made else columns[f.name].cast(f.type) for f in said]
    table = pa.table(arrays, schema=said)
    return table.append_column("digest", pa.array(digests_of(table), pa.string()))


def _schema() -> "pa.Schema":
    import pyarrow as pa

    kinds = {"ordinal": pa.int32(), "start": pa.int64(), "end": pa.int64(), "tokens": pa.int32(), "page": pa.int32()}
    kinds["access"] = pa.list_(pa.string())
    names = ["chunk_id", "doc_id", "source", "content_hash", "ordinal", "start", "end", "tokens", "page", "heading", "title"]
    return pa.schema([(name, kinds.get(name, pa.string())) for name in [*names, "head", "text_hash", *TRAVELS, "digest"]])
