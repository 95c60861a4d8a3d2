"""Stage `build`: chunks and their vectors to a searchable index version, by applying only what changed since the one before.

Nothing is visible before `verification` has asked the engine itself. What a build writes is decided in `changes`.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmops_pipelines.config.pipeline import Index
from llmops_pipelines.lifecycle.lake import Draft, Lake, Version
from llmops_pipelines.lifecycle.lake.digests import digest
from llmops_pipelines.lifecycle.lake.versions import DamagedVersion

from .changes import Changes, write
from .embedding import vector_store
from .engines.contract import EFS, LAYOUT, Writer
from .engines.holdings import Holdings
from .errors import IndexingError
from .search import lexical
from .verification import Recall, Verified, verify

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

CODE = "index-2"

Connect = Callable[[], "QdrantClient"]


@dataclass(frozen=True)
class Plan:
    """What is to be built: where, and under which identity."""

    name: str
    engine: str
    embedder: str
    chunker: str
    dimension: int
    quantization: str

    @property
    def collection(self) -> str:
        """Another embedder, chunker or kind of index is another collection: their vectors and chunks never mix."""
        kind = digest({"lexical": lexical.identity(), "layout": LAYOUT, "quantization": self.quantization})
        return f"{self.name}-{self.embedder[:8]}-{self.chunker[:8]}-{kind[:8]}"

    @property
    def identity(self) -> dict[str, str]:
        return {"embedder": self.embedder, "chunker": self.chunker}

    @property
    def place(self) -> str:
        return f"index {self.collection}"


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
        quantization=settings.quantization,
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


def _write(lake: Lake, draft: Draft, chunks: Version, plan: Plan, connect: Connect | None) -> None:
    if not chunks.rows():
        raise IndexingError(f"{plan.place}: there are no chunks to index; the published index stays as it is")
    before = _base(lake, plan) if plan.engine == "edge" else None
    writer = _edge_writer(draft, plan, before) if plan.engine == "edge" else _server_writer(lake, plan, connect)
    try:
        with closing(writer):
            changes, verified = _apply(lake, writer, chunks, plan, _recall_of(before))
            sequence = writer.seal(changes.wanted.contents_digest)
    except IndexingError:
        if before:
            lake.distrust(before)  # it may be the base that is damaged: the next run looks at its bytes, and does without it
        raise
    where = {"engine": plan.engine, "collection": plan.collection, "sequence": sequence, "dimension": plan.dimension}
    _describe(draft, changes, verified, where | {"quantization": plan.quantization}, plan.identity)
    draft.facts.update(changes.facts, **verified.facts, engine=plan.engine, collection=plan.collection, sequence=sequence)
    if copied := getattr(writer, "copied", None):
        draft.facts["base_taken_by"] = copied


def _describe(draft: Draft, changes: Changes, verified: Verified, where: dict[str, Any], identity: dict[str, str]) -> None:
    """The files beside the engine's: what a version holds, and where it stands."""
    wanted = changes.wanted
    content = {"count": len(wanted), "ids_digest": wanted.ids_digest, "contents_digest": wanted.contents_digest, **identity}
    draft.json("content", content)
    draft.table("holdings", wanted.table(), data=False)
    where = where | {"languages": dict(sorted(changes.languages.items()))}
    where |= {"ef": verified.recall.ef, "recall": verified.recall.described()}
    draft.json("index", content | where, data=False)  # the same content may stand at another place: that is no other data


def write_again(lake: Lake, index: Version, chunks: Version, draft: Draft) -> None:
    """An embedded index version made from nothing, of chunks that lost rows on purpose, into `draft`. Verified as builds are.

    Raises IndexingError when no chunk is left.
    """
    from .engines.edge import EdgeWriter

    said = index.json("index")
    place = f"index {said['collection']}"
    if not chunks.rows("chunks"):
        raise IndexingError(f"{place}: no passage would be left in the version {index.fingerprint[:12]}; remove the version")
    kind = said.get("quantization", "none")
    with closing(EdgeWriter(draft.file("edge", data=False), said["dimension"], None, kind)) as writer:
        store = vector_store(lake, said["embedder"])
        changes = write(lake, writer, chunks, store, said["dimension"], place)
        with closing(writer.reader(EFS[0])) as reader:
            verified = verify(lake, reader, changes, store, said["dimension"], place)
    where = {name: said[name] for name in ("engine", "collection", "sequence", "dimension")} | {"quantization": kind}
    _describe(draft, changes, verified, where, {name: said[name] for name in ("embedder", "chunker")})


def _apply(lake: Lake, writer: Writer, chunks: Version, plan: Plan, recall: Recall | None = None) -> tuple[Changes, Verified]:
    """Bring the writer from what it holds to the chunks, and verify. `recall` is that of the graph it started from."""
    store = vector_store(lake, plan.embedder)
    changes = write(lake, writer, chunks, store, plan.dimension, plan.place)
    with closing(writer.reader(recall.ef if recall else EFS[0])) as reader:
        last = None if writer.rebuilt else recall
        return changes, verify(lake, reader, changes, store, plan.dimension, plan.place, last)


def _base(lake: Lake, plan: Plan) -> Version | None:
    """The current version, where that is of this plan. Without one a build starts from nothing: the result is the same."""
    try:
        before = lake.current("index")
    except DamagedVersion:
        return None
    same = before and all(before.json("index")[key] == getattr(plan, key) for key in ("engine", "collection"))
    return before if same else None


def _recall_of(before: Version | None) -> Recall | None:
    measured = before.json("index").get("recall") if before else None
    return Recall(**measured) if measured else None


def _edge_writer(draft: Draft, plan: Plan, before: Version | None) -> Writer:
    from .engines.edge import EdgeWriter

    place = draft.file("edge", data=False)
    if before is None:
        return EdgeWriter(place, plan.dimension, None, plan.quantization)
    known = Holdings.of_table(before.table("holdings")) if before.has("holdings.parquet") else None
    return EdgeWriter(place, plan.dimension, before.file("edge"), plan.quantization, known)


def _server_writer(lake: Lake, plan: Plan, connect: Connect | None, sequence: int | None = None) -> Writer:
    from .engines.collection import Collection
    from .engines.server import ServerWriter

    if connect is None:
        raise IndexingError(f"{plan.place}: a Qdrant server is needed, but no connection was given")
    known = [version.json("index") for version in lake.versions("index")] if sequence is None else []
    above = max((found["sequence"] for found in known if found["collection"] == plan.collection), default=0)
    collection = Collection(connect(), plan.collection)
    return ServerWriter(collection, plan.dimension, plan.identity, above, sequence, plan.quantization)


def _restore(lake: Lake, version: Version, chunks: Version, plan: Plan, connect: Connect | None) -> None:
    """A published version whose server lost it (or was replaced) is written there again, at its own sequence number."""
    from .engines.collection import Collection

    index = version.json("index")
    assert connect is not None
    if Collection(connect(), plan.collection).state().sealed.get(index["sequence"]) == index["contents_digest"]:
        return
    with closing(_server_writer(lake, plan, connect, index["sequence"])) as writer:
        changes, _ = _apply(lake, writer, chunks, plan)
        if changes.wanted.contents_digest != index["contents_digest"]:
            raise IndexingError(f"{plan.place}: version {index['sequence']} cannot be written again, its chunks are not those")
        writer.seal(changes.wanted.contents_digest)
