"""Sentences about the index that are true when all is well; each returns (passed, numbers to show). For asset checks."""

from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.lake import Lake, Version

from .changes import wanted_holdings
from .embedders.soundness import COLLAPSED, faults
from .embedding import vector_store, vectors_of
from .engines.contract import EVERYTHING, EXACTLY, Reader, Where
from .engines.holdings import Holdings
from .errors import IndexingError
from .search.retrieval import open_reader
from .verification import held_now

if TYPE_CHECKING:
    from .indexing import Connect

SHOWN = 3  # chunk ids in a message
SAMPLES = 64  # chunks of which is asked what the engine says of them


def every_chunk_is_indexed(index: Version, chunks: Version, connect: "Connect | None" = None) -> tuple[bool, dict[str, Any]]:
    """The engine holds exactly the chunks, and says of each what is true now: every id is asked for, and of a sample all that
    is said, as of each chunk when it was written. Without `connect` a server's index is judged by what was verified when it
    was published."""
    where = index.json("index")
    wanted = wanted_holdings(chunks)
    shown: dict[str, Any] = {"chunks": len(wanted), "collection": where["collection"], "sequence": where["sequence"]}
    if where["engine"] == "server" and connect is None:
        same = where["count"] == len(wanted) and where["contents_digest"] == wanted.contents_digest
        return same and len(wanted) > 0, shown | {"indexed": where["count"], "asked": "the record of the last build"}
    try:
        with closing(open_reader(index, connect)) as reader:
            held, count = _held(reader, index), reader.count(EVERYTHING)
    except IndexingError as error:
        return False, shown | {"indexed": 0, "problem": str(error)}
    differing = wanted.differing(held)
    shown |= {
        "indexed": count,
        "missing": int((held.find(wanted.ids) < 0).sum()),
        "orphans": int((wanted.find(held.ids) < 0).sum()),
        "asked": where["engine"],
    }
    if differing:
        shown["differing"] = ", ".join(differing[:SHOWN])
    return len(wanted) > 0 and not differing and count == len(wanted), shown


def _held(reader: Reader, index: Version) -> Holdings:
    """Every id is asked of the engine; what it says of each is what was verified when the version was made, and a sample."""
    if not index.has("holdings.parquet"):
        return reader.holdings()
    recorded = Holdings.of_table(index.table("holdings"))
    return held_now(reader, recorded, recorded.sample(SAMPLES), index.json("index")["collection"])


def nobody_sees_what_is_not_theirs(
    index: Version, chunks: Version, connect: "Connect | None" = None
) -> tuple[bool, dict[str, Any]]:
    """A caller in no group sees as many chunks as are for everybody, and a caller in one group those and its own."""
    said: Counter[tuple[str, ...]] = Counter()
    for batch in chunks.batches(columns=["access"]):
        said.update(tuple(each) for each in batch.column("access").to_pylist())
    groups = sorted({group for access in said for group in access})
    shown: dict[str, Any] = {"groups": len(groups), "for_everybody": said[()]}
    where = index.json("index")
    if where["engine"] == "server" and connect is None:
        return True, shown | {"asked": "nobody: no connection to the server was given"}
    wrong: list[str] = []
    try:
        with closing(open_reader(index, connect)) as reader:
            for member in [frozenset[str](), *(frozenset([group]) for group in groups)]:
                expected = sum(count for access, count in said.items() if not access or member & set(access))
                if _counted(reader, Where(groups=member)) != {expected}:
                    wrong.append(", ".join(member) or "nobody's")
    except IndexingError as error:
        return False, shown | {"problem": str(error)}
    return not wrong, shown | ({"wrong": ", ".join(wrong)} if wrong else {})


def _counted(reader: Reader, where: Where) -> set[int]:
    """What a count says, and what a facet adds up to: one number when both hide the same."""
    return {reader.count(where), sum(reader.facet("source", where).values())}


def vectors_are_sound(lake: Lake, embeddings: Version) -> tuple[bool, dict[str, Any]]:
    """Every text has a vector, finite and of unit length, and they do not all point the same way."""
    import numpy as np

    described = embeddings.json("embedder")
    dimension = described["dimension"]
    store = vector_store(lake, described["fingerprint"])
    total, count, unsound, first = np.zeros(dimension), 0, 0, ""
    try:
        for batch in embeddings.batches(columns=["text_hash"]):
            hashes = batch.column("text_hash").to_pylist()
            found = vectors_of(store, hashes, dimension)
            if wrong := faults(found, dimension):
                row, reason = next(iter(wrong.items()))
                first = first or f"{hashes[row]}: {reason}"
            count, unsound, total = count + len(hashes), unsound + len(wrong), total + found.sum(axis=0, dtype=np.float64)
    except (KeyError, IndexingError) as error:
        return False, {"problem": str(error.args[0])}
    length = float(np.linalg.norm(total)) / max(1, count)  # 1 when a broken model says the same of every text
    shown = {"vectors": count, "dimension": dimension, "unsound": unsound, "mean_vector_length": round(length, 4)}
    if unsound:
        shown["first_unsound"] = first
    return count > 0 and not unsound and (count < 3 or length <= COLLAPSED), shown


def the_graph_finds_enough(index: Version) -> tuple[bool, dict[str, Any]]:
    """Whether questions are answered by the graph. Where it finds too little, every passage is looked at."""
    recall = index.json("index")["recall"]
    return recall["ef"] != EXACTLY, {"looked_at_per_search": recall["ef"] or "every passage", "recall_at_10": recall["at_10"]}
