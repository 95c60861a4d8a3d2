"""Stage `build`: chunks and their vectors to a searchable index version, by applying only what changed since the one before.

Nothing is visible before `verification` has asked the engine itself.
"""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmops_pipelines.config.pipeline import Index
from llmops_pipelines.lifecycle.lake import Draft, Lake, Store, Version
from llmops_pipelines.lifecycle.lake.versions import DamagedVersion

from .embedding import vector_store, vectors_of
from .engines.contract import Point, Writer, contents_digest, ids_digest
from .errors import IndexingError
from .soundness import refuse_faults
from .verification import verify

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

CODE = "index-1"
POINTS_AT_ONCE = 10_000

Connect = Callable[[], "QdrantClient"]


@dataclass(frozen=True)
class Plan:
    """What is to be built: where, under which identity, with which points."""

    name: str
    engine: str
    embedder: str
    chunker: str
    dimension: int

    @property
    def collection(self) -> str:
        """Another embedder or chunker is another collection: their vectors and chunks never mix."""
        return f"{self.name}-{self.embedder[:8]}-{self.chunker[:8]}"

    @property
    def identity(self) -> dict[str, str]:
        return {"embedder": self.embedder, "chunker": self.chunker}


def build(lake: Lake, chunks: Version, embeddings: Version, settings: Index, connect: Connect | None, name: str) -> Version:
    """Build the index of `chunks`. Asset `index`; with `settings.url` in a Qdrant server, else in the version's directory.

    `connect` opens the client of that server. Raises IndexingError when there is nothing to index, when vectors are
    unsound, when the engine does not hold exactly what it should, or when the server cannot be used.
    """
    if embeddings.parents["chunks"] != chunks.digest:
        raise IndexingError(f"index of {name}: these embeddings are of other chunks; materialize embeddings again")
    described = embeddings.json("embedder")
    plan = Plan(
        name=name,
        engine="server" if settings.url else "edge",
        embedder=described["fingerprint"],
        chunker=chunks.json("chunker")["fingerprint"],
        dimension=described["dimension"],
    )
    if plan.engine == "server" and connect is None:
        raise IndexingError(f"index.url: {settings.url} is set, but no connection to a Qdrant server was given")
    version = lake.once(
        "index",
        code=CODE,
        config={"engine": plan.engine, "collection": plan.collection},
        parents=[chunks, embeddings],
        write=lambda draft: _write(lake, draft, chunks, plan, connect),
    )
    if version.reused and plan.engine == "server":
        _restore(lake, version, chunks, plan, connect)
    return version


def _points(chunks: Version) -> list[Point]:
    columns = [chunks.table().column(name).to_pylist() for name in ("chunk_id", "doc_id", "text_hash")]
    return [Point(chunk, doc, doc.split("/", 1)[0], text) for chunk, doc, text in zip(*columns, strict=True)]


def _write(lake: Lake, draft: Draft, chunks: Version, plan: Plan, connect: Connect | None) -> None:
    points = _points(chunks)
    if not points:
        raise IndexingError(f"index {plan.collection}: there are no chunks to index; the published index stays as it is")
    writer = _edge_writer(lake, draft, plan) if plan.engine == "edge" else _server_writer(lake, plan, connect)
    with closing(writer):
        facts = _apply(writer, points, vector_store(lake, plan.embedder), plan)
        sequence = writer.seal()
    held = {point.chunk_id: point.text_hash for point in points}
    content = {
        "count": len(points),
        "ids_digest": ids_digest(list(held)),
        "contents_digest": contents_digest(held),
        **plan.identity,
    }
    draft.json("content", content)
    where = {"engine": plan.engine, "collection": plan.collection, "sequence": sequence, "dimension": plan.dimension}
    draft.json("index", content | where, data=False)  # the same content may stand at another place: that is no other data
    draft.facts.update(facts, engine=plan.engine, collection=plan.collection, sequence=sequence)


def _apply(writer: Writer, points: list[Point], store: Store, plan: Plan) -> dict[str, Any]:
    """Bring the writer from what it holds to `points`, and verify. Returns the facts."""
    before = writer.holdings()
    wanted = {point.chunk_id: point.text_hash for point in points}
    new = [point for point in points if before.get(point.chunk_id) != point.text_hash]
    for batch in _portions(new):  # all vectors are looked at before the first is written
        _sound_vectors(batch, store, plan.dimension)
    changed = [point.chunk_id for point in new if point.chunk_id in before]
    gone = sorted(before.keys() - wanted.keys())
    writer.remove(gone + changed)
    for batch in _portions(new):
        writer.upsert(batch, _sound_vectors(batch, store, plan.dimension))
    with closing(writer.reader()) as reader:
        samples = verify(reader, points, store, plan.dimension, f"index {plan.collection}")
    return {
        "points": len(points),
        "upserted": len(new),
        "deleted": len(gone),
        "kept": len(points) - len(new),
        "built": "incremental" if before else "cold",
        "verified_samples": samples,
    }


def _portions(points: list[Point]) -> Iterable[list[Point]]:
    return (points[at : at + POINTS_AT_ONCE] for at in range(0, len(points), POINTS_AT_ONCE))


def _sound_vectors(points: list[Point], store: Store, dimension: int):
    hashes = list(dict.fromkeys(point.text_hash for point in points))
    place = {text_hash: row for row, text_hash in enumerate(hashes)}
    rows = vectors_of(store, hashes, dimension)[[place[point.text_hash] for point in points]]
    refuse_faults(rows, dimension, [point.chunk_id for point in points])
    return rows


def _edge_writer(lake: Lake, draft: Draft, plan: Plan) -> Writer:
    from .engines.edge import EdgeWriter

    try:
        before = lake.current("index")
    except DamagedVersion:
        before = None  # then from nothing: the result is the same
    same = before and all(before.json("index")[key] == getattr(plan, key) for key in ("engine", "collection"))
    return EdgeWriter(draft.file("edge", data=False), plan.dimension, before.file("edge") if before and same else None)


def _server_writer(lake: Lake, plan: Plan, connect: Connect | None, sequence: int | None = None) -> Writer:
    from .engines.collection import Collection
    from .engines.server import ServerWriter

    if connect is None:
        raise IndexingError(f"index {plan.collection}: a Qdrant server is needed, but no connection was given")
    known = [version.json("index") for version in lake.versions("index")] if sequence is None else []
    above = max((found["sequence"] for found in known if found["collection"] == plan.collection), default=0)
    collection = Collection(connect(), plan.collection)
    return ServerWriter(collection, plan.dimension, plan.identity, above=above, sequence=sequence)


def _restore(lake: Lake, version: Version, chunks: Version, plan: Plan, connect: Connect | None) -> None:
    """A published version whose server lost it (or was replaced) is written there again, at its own sequence number."""
    from .engines.collection import Collection, sealed

    index = version.json("index")
    assert connect is not None
    if sealed(Collection(connect(), plan.collection).metadata()).get(index["sequence"]) == index["contents_digest"]:
        return
    with closing(_server_writer(lake, plan, connect, index["sequence"])) as writer:
        _apply(writer, _points(chunks), vector_store(lake, plan.embedder), plan)
        writer.seal()
