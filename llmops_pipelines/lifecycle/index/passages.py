"""Stage `cut`: documents to the table of chunks, and the texts that chunks stand for.

A document's text and title are cut once, whatever happens around it; the table only joins documents with their cuts.
"""

import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from llmops_pipelines.config.pipeline import Chunks, Embeddings
from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.lake import Draft, Lake, Store, Version
from llmops_pipelines.lifecycle.lake.digests import text_digest

from .chunking import Chunker
from .model_files import ModelFiles

if TYPE_CHECKING:
    import pyarrow as pa

CODE = "cut-1"
NAMESPACE = uuid.UUID("6b0c7f5e-3a55-5c1e-9d0f-7d2c1a3f5b11")  # of chunk ids; a new one would rename every chunk there is
DOCUMENTS_AT_ONCE = 2048


def cut(lake: Lake, documents: Version, chunks: Chunks, embeddings: Embeddings) -> Version:
    """Cut documents into passages. Asset `chunks`, one row per passage, sorted by doc_id and ordinal.

    Columns: chunk_id, doc_id, content_hash, ordinal, start, end (characters of the cleaned text), tokens (of the embedding
    model, without special ones), heading, title, head (the line that is embedded above the passage), text_hash (sha256 of
    the text that is embedded). Raises IndexingError for settings that the model cannot serve.
    """
    chunker = Chunker(ModelFiles.find(embeddings), chunks)
    config = {"chunker": chunker.fingerprint}
    return lake.once(
        "chunks", code=CODE, config=config, parents=[documents], write=lambda draft: _write(lake, draft, documents, chunker)
    )


def passages(lake: Lake, chunks: Version) -> list[str]:
    """The passages as they stand in their documents, in row order."""
    return slices(lake, chunks.table())


def embedded_texts(lake: Lake, chunks: Version) -> list[str]:
    """What is embedded for each chunk, in row order: the line with title and headings, then the passage."""
    return texts_to_embed(lake, chunks.table())


def slices(lake: Lake, rows: "pa.Table") -> list[str]:
    """The passages of some rows of the chunks table, read from the texts store."""
    hashes, starts, ends = (rows.column(name).to_pylist() for name in ("content_hash", "start", "end"))
    texts = corpus.texts(lake, hashes)
    return [text[start:end] for text, start, end in zip(texts, starts, ends, strict=True)]


def texts_to_embed(lake: Lake, rows: "pa.Table") -> list[str]:
    heads = rows.column("head").to_pylist()
    return [_with_head(head, text) for head, text in zip(heads, slices(lake, rows), strict=True)]


def _with_head(head: str, text: str) -> str:
    return f"{head}\n{text}" if head else text


def _write(lake: Lake, draft: Draft, documents: Version, chunker: Chunker) -> None:
    import pyarrow as pa

    rows = documents.table().select(["doc_id", "content_hash", "title"]).sort_by("doc_id").to_pylist()
    store = lake.store("chunks", chunker.fingerprint, "key")
    wanted = {_key(row): row for row in rows}
    missing = store.missing(wanted)
    for at in range(0, len(missing), DOCUMENTS_AT_ONCE):
        _cut_into(lake, store, chunker, [wanted[key] for key in missing[at : at + DOCUMENTS_AT_ONCE]])
    found = store.take(wanted, ["passages"]).to_pylist() if wanted else []
    cuts = {row["key"]: row["passages"] for row in found}
    table = pa.Table.from_pylist(list(_chunk_rows(rows, cuts, chunker.fingerprint)), schema=_schema())
    draft.table("chunks", table)
    draft.json("chunker", {"fingerprint": chunker.fingerprint, **chunker.settings.model_dump()})
    draft.facts.update(_facts(table, rows, cuts, len(missing)))


def _key(row: dict[str, Any]) -> str:
    """The title belongs to the key, because it is embedded with the text."""
    return text_digest(f"{row['content_hash']}\n{row['title'] or ''}")


def _cut_into(lake: Lake, store: Store, chunker: Chunker, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa

    texts = corpus.texts(lake, [row["content_hash"] for row in rows])
    made = []
    for row, text, cuts in zip(rows, texts, chunker.cut(texts), strict=True):
        heads = {heading: chunker.head(row["title"] or "", heading) for heading in {cut.heading for cut in cuts}}
        made.append(
            [
                {
                    "start": cut.start,
                    "end": cut.end,
                    "tokens": cut.tokens,
                    "heading": cut.heading,
                    "head": heads[cut.heading],
                    "text_hash": text_digest(_with_head(heads[cut.heading], text[cut.start : cut.end])),
                }
                for cut in cuts
            ]
        )
    passage = pa.struct(
        [("start", pa.int64()), ("end", pa.int64()), ("tokens", pa.int32())]
        + [(name, pa.string()) for name in ("heading", "head", "text_hash")]
    )
    store.append(pa.table({"key": [_key(row) for row in rows], "passages": pa.array(made, pa.list_(passage))}))


def _chunk_rows(rows: list[dict[str, Any]], cuts: dict[str, list[dict]], chunker: str) -> Iterable[dict[str, Any]]:
    for row in rows:
        for ordinal, passage in enumerate(cuts[_key(row)]):
            name = "\n".join((row["doc_id"], row["content_hash"], chunker, str(ordinal)))
            yield {
                "chunk_id": str(uuid.uuid5(NAMESPACE, name)),
                "doc_id": row["doc_id"],
                "content_hash": row["content_hash"],
                "title": row["title"] or "",
                "ordinal": ordinal,
                **passage,
            }


def _schema() -> "pa.Schema":
    import pyarrow as pa

    kinds = {"ordinal": pa.int32(), "start": pa.int64(), "end": pa.int64(), "tokens": pa.int32()}
    names = ["chunk_id", "doc_id", "content_hash", "ordinal", "start", "end", "tokens", "heading", "title", "head", "text_hash"]
    return pa.schema([(name, kinds.get(name, pa.string())) for name in names])


def _facts(table: "pa.Table", rows: list[dict[str, Any]], cuts: dict[str, list], computed: int) -> dict[str, Any]:
    tokens = table.column("tokens").to_pylist()
    return {
        "chunks": table.num_rows,
        "documents": len(rows),
        "documents_without_text": sum(not cuts[_key(row)] for row in rows),
        "cut": computed,
        "reused_cut": len(cuts) - computed,
        "tokens_mean": round(sum(tokens) / len(tokens), 1) if tokens else 0,
        "tokens_most": max(tokens, default=0),
    }
