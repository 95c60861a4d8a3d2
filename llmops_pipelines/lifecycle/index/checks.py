"""Sentences about the index that are true when all is well; each returns (passed, numbers to show). For asset checks."""

from contextlib import closing
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.lake import Lake, Version

from .embedding import vectors
from .engines.contract import ids_digest
from .errors import IndexingError
from .retrieval import open_reader
from .soundness import COLLAPSED, faults, spread

if TYPE_CHECKING:
    from .indexing import Connect


def every_chunk_is_indexed(index: Version, chunks: Version, connect: "Connect | None" = None) -> tuple[bool, dict[str, Any]]:
    """The engine holds exactly the chunks, with the texts they have now. Without `connect` a server's index is judged by
    what was verified when it was published."""
    where = index.json("index")
    table = chunks.table()
    wanted = dict(zip(table.column("chunk_id").to_pylist(), table.column("text_hash").to_pylist(), strict=True))
    shown: dict[str, Any] = {"chunks": len(wanted), "collection": where["collection"], "sequence": where["sequence"]}
    if where["engine"] == "server" and connect is None:
        same = where["count"] == len(wanted) and where["ids_digest"] == ids_digest(list(wanted))
        return same and bool(wanted), shown | {"indexed": where["count"], "asked": "the record of the last build"}
    try:
        with closing(open_reader(index, connect)) as reader:
            held, count = reader.holdings(), reader.count()
    except IndexingError as error:
        return False, shown | {"indexed": 0, "problem": str(error)}
    differing = wanted.items() ^ held.items()
    shown |= {
        "indexed": count,
        "missing": len(wanted.keys() - held.keys()),
        "orphans": len(held.keys() - wanted.keys()),
        "asked": where["engine"],
    }
    return bool(wanted) and not differing and count == len(wanted), shown


def vectors_are_sound(lake: Lake, embeddings: Version) -> tuple[bool, dict[str, Any]]:
    """Every text has a vector, finite and of unit length, and they do not all point the same way."""
    described = embeddings.json("embedder")
    try:
        hashes, found = vectors(lake, embeddings)
    except (KeyError, IndexingError) as error:
        return False, {"problem": str(error.args[0])}
    unsound = faults(found, described["dimension"])
    length = spread(found)
    shown: dict[str, Any] = {
        "vectors": len(hashes),
        "dimension": described["dimension"],
        "unsound": len(unsound),
        "mean_vector_length": round(length, 4),
    }
    if unsound:
        row, reason = next(iter(unsound.items()))
        shown["first_unsound"] = f"{hashes[row]}: {reason}"
    return bool(hashes) and not unsound and (len(hashes) < 3 or length <= COLLAPSED), shown
