"""The passages of one document in one release: where each stands, how it begins, and whether the index holds it."""

from collections.abc import Mapping
from typing import Any

from llmops_pipelines.lifecycle.lake import Lake, Version

from .document import Passage
from .tables import rows_where

PLACE = ("chunk_id", "ordinal", "start", "end", "page", "heading")
FIRST = 120  # characters of a passage that are shown


def passages_of(lake: Lake, chunks: Version, index: Version | None, doc_id: str) -> list[Passage]:
    """In the order of the document. Without its text they have none; without the index it is not known what that holds."""
    rows = rows_where(chunks, "doc_id", [doc_id], (*PLACE, "content_hash"))
    rows.sort(key=lambda row: row["ordinal"])
    text = _text(lake, rows[0]["content_hash"]) if rows else None
    held = _held(index, [row["chunk_id"] for row in rows]) if index else None
    return [
        Passage(
            **{name: row[name] for name in PLACE},
            text=_first(text, row),
            indexed=None if held is None else row["chunk_id"] in held,
        )
        for row in rows
    ]


def _text(lake: Lake, content_hash: str) -> str | None:
    from llmops_pipelines.lifecycle import corpus

    try:
        return corpus.texts(lake, [content_hash])[0]
    except KeyError:
        return None


def _held(index: Version, chunk_ids: list[str]) -> set[str] | None:
    """Which of them the index holds, by the list of points that it was verified with; None where it has no such list."""
    if not index.has("holdings.parquet"):
        return None
    import numpy as np

    from llmops_pipelines.lifecycle.index.engines.holdings import Holdings, packed_ids

    ids = index.table("holdings", ["id"]).column(0).combine_chunks()
    packed = np.frombuffer(ids.buffers()[1], dtype="S16")[ids.offset : ids.offset + len(ids)]
    places = Holdings(packed, np.zeros(0, np.uint64)).find(packed_ids(chunk_ids)).tolist()
    return {name for name, place in zip(chunk_ids, places, strict=True) if place >= 0}


def _first(text: str | None, row: Mapping[str, Any]) -> str:
    if text is None:
        return ""
    words = " ".join(text[row["start"] : row["end"]].split())
    return words if len(words) <= FIRST else f"{words[:FIRST].rsplit(' ', 1)[0]} ..."
