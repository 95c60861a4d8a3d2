"""A small corpus as published versions: what the stages above would have made of a dict of texts."""

from pathlib import Path

import pyarrow as pa

from llmops_pipelines.lifecycle.datasets.splits import side
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lake.digests import text_digest

HELD_OUT = 0.5
TERMS = {"consent": "search_and_training", "trust": "trusted"}


def lake_in(folder: Path) -> Lake:
    return Lake(folder / "lake", "demo")


def documents_of(
    lake: Lake,
    texts: dict[str, str],
    clusters: dict[str, str] | None = None,
    terms: dict[str, dict[str, str]] | None = None,
    left_out: dict[str, str] | None = None,
) -> Version:
    """Asset documents: one per uri of `texts`, in the source "docs"; a cluster is the document itself unless named.

    `terms` gives some doc_ids another consent or trust; `left_out` are near-duplicates, each with the doc_id kept instead.
    """
    rows = []
    for uri, text in sorted(texts.items()):
        doc_id = f"docs/{uri}"
        cluster = (clusters or {}).get(doc_id, doc_id)
        title = text.split("\n", 1)[0].lstrip("# ")
        known = {"doc_id": doc_id, "uri": uri, "title": title, "content_hash": text_digest(text), "cluster": cluster}
        rows.append(known | TERMS | (terms or {}).get(doc_id, {}))
    store = lake.store("texts", "v1", "content_hash")
    new = set(store.missing(row["content_hash"] for row in rows))
    kept = {text_digest(text): text for text in texts.values() if text_digest(text) in new}
    store.append(pa.table({"content_hash": pa.array(kept, pa.string()), "text": pa.array(kept.values(), pa.string())}))
    kept = [{"doc_id": row["doc_id"], "reason": "", "detail": ""} for row in rows]
    copies = [{"doc_id": copy, "reason": "near_duplicate", "detail": of} for copy, of in (left_out or {}).items()]
    return _publish(lake, "documents", rows, ledger=kept + copies)


def chunks_of(lake: Lake, documents: Version, texts: dict[str, str]) -> Version:
    """Asset chunks: one per paragraph."""
    rows = []
    for row in documents.table().to_pylist():
        start = 0
        for ordinal, paragraph in enumerate(texts[row["uri"]].split("\n\n")):
            place = {"start": start, "end": start + len(paragraph), "ordinal": ordinal}
            name = f"{row['doc_id']}:{ordinal}"
            rows.append({"chunk_id": name, "doc_id": row["doc_id"], "content_hash": row["content_hash"], **place})
            start += len(paragraph) + 2
    return _publish(lake, "chunks", rows)


def uri_on(wanted: str, stem: str) -> str:
    """A file name that the split puts on the wanted side."""
    return next(uri for n in range(100) if side(f"docs/{(uri := f'{stem}-{n}.md')}", HELD_OUT) == wanted)


def _publish(lake: Lake, asset: str, rows: list[dict], **others: list[dict]) -> Version:
    tables = {asset: rows} | others

    def write(draft) -> None:
        for name, some in tables.items():
            draft.table(name, pa.Table.from_pylist(some))

    return lake.once(asset, code="test", config=tables, parents=[], write=write)
