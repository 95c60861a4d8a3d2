"""Index versions without the forgotten chunks. Embedded ones are made anew beside the old and exchanged; on a server the points
are deleted for every version. Readers see one or the other as a whole.
"""

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.index.changes import wanted_holdings
from llmops_pipelines.lifecycle.index.embedding import vector_store
from llmops_pipelines.lifecycle.index.engines import erasure
from llmops_pipelines.lifecycle.index.engines.collection import Collection
from llmops_pipelines.lifecycle.index.engines.contract import EVERYTHING, Reader, Sparse
from llmops_pipelines.lifecycle.index.engines.holdings import Holdings, names
from llmops_pipelines.lifecycle.index.indexing import write_again
from llmops_pipelines.lifecycle.index.search import lexical
from llmops_pipelines.lifecycle.index.search.retrieval import open_reader
from llmops_pipelines.lifecycle.lake import DamagedVersion, Draft, Lake, Refusal, Version

from .knowledge import Known
from .redaction import Redaction
from .versions import Rewritten, put, rewrite

if TYPE_CHECKING:
    import numpy as np

    from llmops_pipelines.lifecycle.index import Connect

NEAREST = 10
AT_ONCE = 100  # questions


class IndexKeepsText(Refusal):
    """A chunk that was erased is still found."""


@dataclass(frozen=True)
class Probe:
    """An index version that was asked for the erased chunks: `asked` searches by their vectors and by their words, `found`
    the chunks that came back."""

    index: str
    engine: str
    points: int
    asked: int
    found: int


def holds(index: Version, known: Known, connect: "Connect | None") -> int:
    """How many of the chunks an index version has."""
    said = index.json("index")
    if said["engine"] == "server":
        return erasure.held(_collection(said, connect), sorted(known.chunks), sorted(known.contents))
    gone = known.chunks
    if not index.has("holdings.parquet"):
        return len(gone)
    return sum(name in gone for name in names(Holdings.of_table(index.table("holdings")).ids))


def redact(
    lake: Lake, index: Version, redaction: Redaction, receipt: str, connect: "Connect | None" = None
) -> Rewritten | None:
    """Make the version anew from its chunks, which lost theirs already. None when it held none of them."""
    said = index.json("index")
    if said["engine"] == "server":
        return _on_server(lake, index, redaction, receipt, _collection(said, connect))
    if not holds(index, redaction.known, connect) and _is_of(lake, index):
        return None
    chunks = _chunks(lake, index)
    return rewrite(lake, index, lambda draft: write_again(lake, index, chunks, draft), redaction, receipt, without="edge")


def _is_of(lake: Lake, index: Version) -> bool:
    """Whether the version holds what its chunks say: a killed erasure leaves it as it was."""
    if not index.has("holdings.parquet"):
        return True
    try:
        return Holdings.of_table(index.table("holdings")) == wanted_holdings(_chunks(lake, index))
    except DamagedVersion:
        return True


def _chunks(lake: Lake, index: Version) -> Version:
    wanted = index.parents.get("chunks")
    for version in lake.all_versions():
        if version.asset == "chunks" and version.digest == wanted:
            return version
    raise DamagedVersion(
        f"{index.path}: the chunks that it was made from are gone, so that it cannot be made without some of them; "
        "remove the version, or materialize the index again"
    )


def _collection(said: dict[str, Any], connect: "Connect | None") -> Collection:
    if connect is None:
        raise Refusal(f"index {said['collection']} is on a Qdrant server; give its address in index.url of the pipeline")
    return Collection(connect(), said["collection"])


def _on_server(lake: Lake, index: Version, redaction: Redaction, receipt: str, collection: Collection) -> Rewritten | None:
    said, known = index.json("index"), redaction.known
    if erasure.held(collection, sorted(known.chunks), sorted(known.contents)):
        erasure.erase(collection, sorted(known.chunks), sorted(known.contents))
    held = erasure.holdings(collection, said["sequence"])
    if held.contents_digest == said["contents_digest"]:
        return None
    content = index.json("content")
    new = {"count": len(held), "ids_digest": held.ids_digest, "contents_digest": held.contents_digest}
    spoken = {"languages": erasure.languages(collection, said["sequence"])}

    def write(draft: Draft) -> None:
        put(draft, "content.json", content | new)
        put(draft, "index.json", said | new | spoken)
        put(draft, "holdings.parquet", held.table())

    return rewrite(lake, index, write, redaction, receipt)


def vectors_of(lake: Lake, index: Version, known: Known) -> "np.ndarray | None":
    """The vectors of the chunks as an index version holds them: what it is asked with when they are gone."""
    import numpy as np

    store = vector_store(lake, index.json("index")["embedder"])
    there = sorted(known.text_hashes - set(store.missing(known.text_hashes)))
    if not there:
        return None
    flat = store.take(there, ["vector"]).column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.astype(np.float32).reshape(len(there), -1)


def probe(
    index: Version, known: Known, vectors: "np.ndarray | None", words: list[Sparse], connect: "Connect | None" = None
) -> Probe:
    """Ask an index version for every erased chunk: by id, by vector and by words."""
    said = index.json("index")
    found: set[str] = set()
    with closing(open_reader(index, connect)) as reader:
        found |= {name for name in names(reader.ids()) if name in known.chunks}
        found |= _by_vector(reader, vectors, known) | _by_words(reader, words, known)
        points = reader.count(EVERYTHING)
    asked = len(known.chunks) + (0 if vectors is None else len(vectors)) + len(words)
    return Probe(f"{index.pipeline}/{index.asset}/{index.fingerprint[:12]}", said["engine"], points, asked, len(found))


def words_of(texts: list[str]) -> list[Sparse]:
    """What is looked for by words: each text's own, as English; stemmed alike they find their own passages first."""
    made = lexical.document_vectors(texts, ["en"] * len(texts)) if texts else []
    return [each for each in made if each.indices]


def _by_vector(reader: Reader, vectors: "np.ndarray | None", known: Known) -> set[str]:
    if vectors is None or not len(vectors):
        return set()
    answers = reader.dense(vectors, NEAREST, EVERYTHING, exact=True)
    return _told(reader, {hit.chunk_id for row in answers for hit in row}, known)


def _by_words(reader: Reader, words: list[Sparse], known: Known) -> set[str]:
    hits: set[str] = set()
    for at in range(0, len(words), AT_ONCE):
        hits |= {hit.chunk_id for row in reader.sparse(words[at : at + AT_ONCE], NEAREST, EVERYTHING) for hit in row}
    return _told(reader, hits, known)


def _told(reader: Reader, hits: set[str], known: Known) -> set[str]:
    """Of what was found, that which is one of the chunks or reads like the forgotten text."""
    points = reader.points(sorted(hits), EVERYTHING)
    texts = {name: f"{point.heading}\n{point.text}" for name, point in points.items()}
    return {
        name
        for name, point in points.items()
        if name in known.chunks or point.content_hash in known.contents or known.needles.within(texts[name].encode())
    }
