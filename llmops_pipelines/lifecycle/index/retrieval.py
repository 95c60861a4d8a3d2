"""Answers to "which passages speak of this?": the reader of one index version, joined with the texts of its chunks."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.lake import Lake, Version

from .embedder import Embedder
from .engines.contract import Reader
from .errors import IndexingError
from .passages import slices

if TYPE_CHECKING:
    import pyarrow as pa

    from .indexing import Connect


@dataclass(frozen=True)
class Hit:
    """A passage that was found: `text` is verbatim, `score` the cosine with the question, -1 to 1."""

    chunk_id: str
    doc_id: str
    title: str
    heading: str
    text: str
    score: float


@dataclass(frozen=True)
class Retriever:
    """Searches one index version with the embedder that made it. Use as a context manager, or close."""

    lake: Lake
    embedder: Embedder
    reader: Reader
    rows: "pa.Table" = field(repr=False)
    place: dict[str, int] = field(repr=False)

    @classmethod
    def open(
        cls, lake: Lake, index: Version, chunks: Version, embeddings: Embeddings, connect: "Connect | None" = None
    ) -> "Retriever":
        """Raises IndexingError when the index was made by another embedder, of other chunks, or is not where it should be."""
        where = index.json("index")
        embedder = Embedder.open(embeddings)
        if embedder.fingerprint != where["embedder"]:
            raise IndexingError(
                f"index {where['collection']} was made by embedder {where['embedder'][:12]}, the settings describe "
                f"{embedder.fingerprint[:12]}; use the embeddings settings of that index, or build a new one"
            )
        if index.parents["chunks"] != chunks.digest:
            raise IndexingError(
                f"index {where['collection']} was built of chunks {index.parents['chunks'][:12]}, not of {chunks.digest[:12]}"
            )
        rows = chunks.table()
        place = {chunk_id: row for row, chunk_id in enumerate(rows.column("chunk_id").to_pylist())}
        return cls(lake, embedder, open_reader(index, connect), rows, place)

    def search(self, questions: list[str], k: int) -> list[list[Hit]]:
        """The k nearest passages of each question, best first; fewer when the index is smaller. Many at once are faster."""
        import pyarrow as pa

        answers = self.reader.search(self.embedder.embed(questions), k)
        rows = sorted({self._row(found.chunk_id) for answer in answers for found in answer})
        chosen = self.rows.take(pa.array(rows, pa.int64()))
        texts = slices(self.lake, chosen) if rows else []
        described: dict[str, dict[str, Any]] = {
            row["chunk_id"]: {"title": row["title"], "heading": row["heading"], "text": text}
            for row, text in zip(chosen.to_pylist(), texts, strict=True)
        }
        return [
            [Hit(found.chunk_id, found.doc_id, score=found.score, **described[found.chunk_id]) for found in answer]
            for answer in answers
        ]

    def close(self) -> None:
        self.reader.close()

    def __enter__(self) -> "Retriever":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _row(self, chunk_id: str) -> int:
        if chunk_id not in self.place:
            raise IndexingError(f"the index holds chunk {chunk_id}, which is not among its chunks; build the index again")
        return self.place[chunk_id]


def open_reader(index: Version, connect: "Connect | None" = None) -> Reader:
    """The engine's view of one index version. Raises IndexingError when the server no longer has it."""
    where = index.json("index")
    if where["engine"] == "edge":
        from .engines.edge import EdgeReader

        return EdgeReader(index.file("edge"))
    if connect is None:
        raise IndexingError(f"index {where['collection']} is in a Qdrant server, but no connection was given")
    from .engines.collection import Collection
    from .engines.server import ServerReader

    return ServerReader(Collection(connect(), where["collection"]), where["sequence"], where["contents_digest"])
