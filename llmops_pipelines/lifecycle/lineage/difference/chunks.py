"""Chunks that came and went between two index versions, and how many of them only have another id. A million in a second."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmops_pipelines.lifecycle.index.engines.holdings import Holdings, packed_ids
from llmops_pipelines.lifecycle.lake import Version

from .sides import Side, Unknown, reading

if TYPE_CHECKING:
    import numpy as np

DIGITS = 16  # of a text's sha256: a billion texts share none


@dataclass(frozen=True)
class Chunks:
    """`recut` of the added and removed chunks have the same text under another id; `relabelled` are those of the same id and
    text whose licence, access, heading or the like is another. None: not known."""

    before: int
    after: int
    added: int
    removed: int
    same: int
    recut: int | None
    relabelled: int | None


def chunks(before: Side, after: Side) -> Chunks:
    """Raises `Unknown`."""
    import numpy as np

    (old, old_digests), (new, new_digests) = _held(before), _held(after)
    place = np.searchsorted(old, new)
    place[place == len(old)] = 0
    kept = old[place] == new if len(old) else np.zeros(len(new), dtype=bool)
    same = int(kept.sum())
    relabelled = None
    if old_digests is not None and new_digests is not None:
        relabelled = int((old_digests[place[kept]] != new_digests[kept]).sum())
    added, removed = len(new) - same, len(old) - same
    return Chunks(len(old), len(new), added, removed, same, _recut(before, after, added, removed), relabelled)


def _held(side: Side) -> "tuple[np.ndarray, np.ndarray | None]":
    """Ascending packed ids, and what each chunk says where that is known."""
    import numpy as np

    index = side.versions.get("index")
    if index is not None and index.has("holdings.parquet"):
        with reading(side, "index"):
            held = Holdings.of_table(index.table("holdings"))
        return held.ids, held.digests
    cut = side.part("chunks")
    with reading(side, "chunks"):
        return np.sort(packed_ids(cut.table("chunks", ["chunk_id"]).column(0).to_pylist())), None


def _recut(before: Side, after: Side, added: int, removed: int) -> int | None:
    """Chunks of the same id count alike on both sides, so what the counts of texts do not explain was only cut anew."""
    import numpy as np

    if not added or not removed:
        return 0
    try:
        first, second = _texts(before, before.part("chunks")), _texts(after, after.part("chunks"))
    except Unknown:
        return None
    every = np.concatenate([first, second])
    signs = np.concatenate([np.full(len(first), -1, np.int64), np.ones(len(second), np.int64)])
    order = np.argsort(every, kind="stable")
    every, signs = every[order], signs[order]
    starts = np.flatnonzero(np.concatenate([[True], every[1:] != every[:-1]]))
    unlike = int(np.abs(np.add.reduceat(signs, starts)).sum())
    return (added + removed - unlike) // 2


def _texts(side: Side, cut: Version) -> "np.ndarray":
    """uint64: the first digits of the hash of each chunk's text."""
    import numpy as np

    with reading(side, "chunks"):
        hashes = cut.table("chunks", ["text_hash"]).column(0)
    parts = [np.zeros(0, np.uint64)]
    for chunk in hashes.chunks:
        letters = np.frombuffer(chunk.buffers()[2] or b"", np.uint8)
        first = np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset]
        rows = letters[first : first + 64 * len(chunk)].reshape(-1, 64)[:, :DIGITS]
        parts.append(np.frombuffer(bytes.fromhex(rows.tobytes().decode("ascii")), np.uint64))
    return np.concatenate(parts)
