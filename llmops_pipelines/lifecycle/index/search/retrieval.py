"""Answers to "which passages speak of this?": one index version, asked as the retrieval settings say.

Everything needed is in the index itself, so opening costs the same for ten passages and ten million.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from llmops_pipelines.config.pipeline import Embeddings, Reranker, Retrieval
from llmops_pipelines.lifecycle.lake import Lake, Version

from ..embedders.embedder import Embedder
from ..embedders.endpoint import Secrets
from ..engines.contract import EVERYTHING, Found, Point, Reader, Where
from ..errors import IndexingError
from . import lexical
from .expansion import Expand, contexts, points_of
from .fusion import Fusion, Method, Pool, Ranked, best, pooled
from .reranking import CrossEncoder

if TYPE_CHECKING:
    from ..indexing import Connect

CODE = "retrieval-1"
QUESTIONS_AT_ONCE = 128  # candidates of so many are in memory together, with their texts about 30 MB
NO_GROUP = Where()  # a caller who sees only what everybody may see
LANGUAGES = 8  # most languages in which the words of a question are looked up


@dataclass(frozen=True)
class Hit:
    """A passage that was found. `text` is verbatim; `context` is what to read: the text with what expansion brings along.

    `score` orders the hits of one answer, by the last that judged them: cosine, BM25, their mix, or the reranker."""

    chunk_id: str
    doc_id: str
    title: str
    heading: str
    text: str
    score: float
    source: str = ""
    page: int = 0
    licence: str = ""
    trust: str = "untrusted"
    context: str = ""


class Candidate(NamedTuple):
    """A passage that one of the rankings holds, and what the index says of it."""

    chunk_id: str
    point: Point


@dataclass(frozen=True)
class Settings:
    """How an index is asked. A release pins them as the version of `retrieval_settings` that they were read from."""

    fusion: Fusion = Fusion()
    expand: Expand = "none"
    reranker: Reranker | None = None

    @classmethod
    def given(cls, words: Retrieval) -> "Settings":
        """What the pipeline's file says; `tuned` is an even mix as long as nothing was tuned."""
        weights = {"tuned": Fusion.dense_weight, "dense": 1.0, "bm25": 0.0, "hybrid": words.dense_weight}
        method: Method = "hybrid" if words.method == "tuned" else words.method
        return cls(Fusion(method, weights[words.method], candidates=words.candidates), words.expand, words.reranker)

    @classmethod
    def of(cls, version: Version) -> "Settings":
        """What a version of the asset retrieval_settings holds."""
        said = version.json("retrieval_settings")
        reranker = Reranker.model_construct(**said["reranker"]) if said["reranker"] else None
        return cls(Fusion(**said["fusion"]), said["expand"], reranker)

    def described(self) -> dict[str, Any]:
        """As JSON; `of` reads it."""
        reranker = self.reranker.model_dump(mode="json") if self.reranker else None
        return {"fusion": asdict(self.fusion), "expand": self.expand, "reranker": reranker}


@dataclass(frozen=True)
class Retriever:
    """Searches one index version with the embedder that made it. Use as a context manager, or close."""

    embedder: Embedder
    reader: Reader
    settings: Settings
    where: dict[str, Any]
    reranker: CrossEncoder | None = None

    @classmethod
    def open(
        cls,
        lake: Lake,
        index: Version,
        embeddings: Embeddings,
        settings: Settings | None = None,
        connect: "Connect | None" = None,
        secrets: Secrets | None = None,
        project: Path = Path(),
    ) -> "Retriever":
        """`connect` opens the client of a Qdrant server, `secrets` gives the key of an embeddings endpoint; the path of a
        reranker is below `project`. Raises IndexingError when the index was made by another embedder, or is not where it
        should be."""
        settings = settings or Settings()
        where = index.json("index")
        embedder = Embedder.open(embeddings, secrets)
        if embedder.fingerprint != where["embedder"]:
            raise IndexingError(
                f"index {where['collection']} was made by embedder {where['embedder'][:12]}, the settings describe "
                f"{embedder.fingerprint[:12]}; use the embeddings settings of that index, or build a new one"
            )
        reranker = CrossEncoder.open(settings.reranker, project) if settings.reranker else None
        return cls(embedder, open_reader(index, connect), settings, where, reranker)

    def search(self, questions: Sequence[str], k: int, where: Where = NO_GROUP) -> list[list[Hit]]:
        """The k best passages for each question among those that `where` shows, best first; fewer when there are not so
        many. Without `where` the caller is in no group. Many questions at once are faster."""
        depth = max(self.settings.fusion.candidates, self._judged(k))
        answers: list[list[Hit]] = []
        for asked, pool, found in self._rankings(questions, depth, where):
            ranked = best(pool, found, self.settings.fusion, self._judged(k))
            points = self._points([[each for each, _ in row] for row in ranked], where)
            if self.reranker:
                ranked = self._reranked(self.reranker, asked, ranked, points)
            answers += self._hits([row[:k] for row in ranked], points, where)
        return answers

    def candidates(
        self, questions: Sequence[str], depth: int, where: Where
    ) -> Iterator[tuple[list[str], Pool, list[list[Candidate]]]]:
        """Some of the questions at a time, and for each what the rankings that the settings need hold. A passage is read once,
        of however many questions it is a candidate."""
        for asked, pool, found in self._rankings(questions, depth, where):
            points = self._points(found, where)
            yield asked, pool, [[Candidate(each.chunk_id, points[each.chunk_id]) for each in row] for row in found]

    def _rankings(
        self, questions: Sequence[str], depth: int, where: Where
    ) -> Iterator[tuple[list[str], Pool, list[list[Found]]]]:
        fusion = self.settings.fusion
        vectors = self.embedder.embed(list(questions)) if fusion.asks_dense and questions else None
        for at in range(0, len(questions), QUESTIONS_AT_ONCE):
            asked = list(questions[at : at + QUESTIONS_AT_ONCE])
            nothing: list[list[Found]] = [[] for _ in asked]
            dense = nothing if vectors is None else self.reader.dense(vectors[at : at + len(asked)], depth, where)
            bm25 = self._bm25(asked, depth, where) if fusion.asks_bm25 else nothing
            yield asked, *pooled(dense, bm25, depth)

    def close(self) -> None:
        self.reader.close()

    def __enter__(self) -> "Retriever":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def languages(self) -> list[str]:
        """Languages of the passages, the most frequent first: the words of a question are looked up in each."""
        known = self.where.get("languages") or self.reader.facet("language", EVERYTHING)
        return sorted(known, key=lambda code: (-known[code], code))[:LANGUAGES] or ["en"]

    def _judged(self, k: int) -> int:
        return max(k, self.settings.reranker.candidates) if self.settings.reranker else k

    def _bm25(self, asked: list[str], depth: int, where: Where) -> list[list[Found]]:
        queries = lexical.question_vectors(asked, self.languages)
        known = [row for row, query in enumerate(queries) if query.indices]  # only stop words: nothing to look for
        found = iter(self.reader.sparse([queries[row] for row in known], depth, where) if known else [])
        return [next(found) if query.indices else [] for query in queries]

    def _points(self, found: Sequence[Sequence[Found]], where: Where) -> dict[str, Point]:
        return points_of(self.reader, list(dict.fromkeys(each.chunk_id for row in found for each in row)), where)

    def _reranked(self, judge: CrossEncoder, asked: list[str], ranked: list[Ranked], points: dict[str, Point]) -> list[Ranked]:
        pairs = [(question, points[each.chunk_id]) for question, row in zip(asked, ranked, strict=True) for each, _ in row]
        judged = iter(judge.scores([question for question, _ in pairs], [_read(point) for _, point in pairs]))
        rows = [[(each, float(next(judged))) for each, _ in row] for row in ranked]
        return [sorted(row, key=lambda judged: (-judged[1], judged[0].chunk_id)) for row in rows]

    def _hits(self, ranked: list[Ranked], points: dict[str, Point], where: Where) -> list[list[Hit]]:
        shown = [points[name] for name in dict.fromkeys(each.chunk_id for row in ranked for each, _ in row)]
        texts = contexts(self.reader, shown, self.where["chunker"], self.settings.expand, where)
        context = dict(zip((point.chunk_id for point in shown), texts, strict=True))
        return [[_hit(points[each.chunk_id], score, context[each.chunk_id]) for each, score in row] for row in ranked]


def open_reader(index: Version, connect: "Connect | None" = None) -> Reader:
    """The engine's view of one index version. Raises IndexingError when the server no longer has it."""
    where = index.json("index")
    if where["engine"] == "edge":
        from ..engines.edge import EdgeReader

        return EdgeReader(index.file("edge"), where["ef"])
    if connect is None:
        raise IndexingError(f"index {where['collection']} is in a Qdrant server, but no connection was given")
    from ..engines.collection import Collection
    from ..engines.server import ServerReader

    return ServerReader(Collection(connect(), where["collection"]), where["sequence"], where["contents_digest"], where["ef"])


def _read(point: Point) -> str:
    """What a reranker reads of a passage: with its title and headings, as the embedder did."""
    path = [point.title, *(point.heading.split(" > ") if point.heading else [])]
    return "\n".join([" > ".join(part for part in dict.fromkeys(path) if part), point.text]).strip()


def _hit(point: Point, score: float, context: str) -> Hit:
    said = {name: getattr(point, name) for name in ("chunk_id", "doc_id", "title", "heading", "text", "source")}
    return Hit(**said, page=point.page, licence=point.licence, trust=point.trust, score=score, context=context)
