"""The embedded index beside qdrant-client's local mode (`path=`): the same points, the same questions, one run.

    python benchmarks/vector_store.py --points 50000        (quick: --points 5000 --real 0)

A point has 384 components, the BM25 terms of its passage, and the payload that serving needs, 0.5 KB of text in it. Vectors are
those of --real passages and mixtures of two of them; --real 0 takes made-up ones. Ours goes through the writer and reader that
the pipeline uses: durable means flushed to the disk and opened again. Times are those of the clock, in brackets of the
processor; a busy machine distorts the first. Compare ratios. Local mode needs minutes: --local-points gives it fewer.
"""

import argparse
import shutil
import statistics
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import texts

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.index import Embedder
from llmops_pipelines.lifecycle.index.engines.contract import DENSE, EVERYTHING, SPARSE, Found, Point, Sparse, Where
from llmops_pipelines.lifecycle.index.engines.edge import EdgeReader, EdgeWriter
from llmops_pipelines.lifecycle.index.search import lexical

DIMENSION = 384
PORTION = 5_000  # points that the pipeline hands over at once
SOURCES = 10  # each holds a tenth of the points: what the filter leaves
NEAREST = 10
TENTH = Where(groups=None, sources=("source3",))


@dataclass(frozen=True)
class Points:
    points: list[Point]
    vectors: np.ndarray
    sparse: list[Sparse]

    def some(self, at: slice) -> "Points":
        return Points(self.points[at], self.vectors[at], self.sparse[at])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--local-points", type=int, help="as many as --points when left out")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--real", type=int, default=2_000, help="passages that are embedded")
    parser.add_argument("--quantization", choices=["none", "int8"], default="none")
    given = parser.parse_args()
    warnings.filterwarnings("ignore", module="qdrant_client")
    data, questions = made(given.points, given.questions, given.real)
    few = given.local_points or given.points
    with tempfile.TemporaryDirectory() as folder:
        ours = Edge(Path(folder), given.quantization).measured(data, questions)
    with tempfile.TemporaryDirectory() as folder:
        local = LocalMode(Path(folder)).measured(data.some(slice(few)), questions)
    show(ours, local, given.points, few)


def made(count: int, asked: int, real: int) -> tuple[Points, np.ndarray]:
    """Points with texts of this machine's documentation in turn, and questions that are near to some of them."""
    chance = np.random.default_rng(20)
    found = texts.gather(files=max(2_000, real), megabytes=3).values()
    passages = [{"id": f"p{number}", "title": text.split("\n", 1)[0][:80], "text": text} for number, text in enumerate(found)]
    known = embedded([row["text"][:500] for row in passages[:real]]) if real else imagined(chance, 2_000)
    pairs = chance.integers(len(known), size=(2, count + asked))
    share = chance.uniform(0.55, 0.95, size=(count + asked, 1))
    vectors = (
        share * known[pairs[0]] + (1 - share) * known[pairs[1]] + chance.normal(scale=0.01, size=(count + asked, DIMENSION))
    )
    vectors[: min(len(known), count)] = known[:count]
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    points = [point(number, passages[number % len(passages)]) for number in range(count)]
    terms = lexical.document_vectors([row["text"][:500] for row in passages])
    return Points(points, vectors[:count], [terms[number % len(terms)] for number in range(count)]), vectors[count:]


def embedded(texts: list[str]) -> np.ndarray:
    return Embedder.open(Embeddings()).embed(texts)


def imagined(chance: np.random.Generator, count: int) -> np.ndarray:
    """Near to a plane of few dimensions, as vectors of texts are."""
    vectors = chance.normal(size=(count, 40)) @ chance.normal(size=(40, DIMENSION)) + chance.normal(size=(count, DIMENSION))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def point(number: int, passage: dict[str, Any]) -> Point:
    return Point(
        chunk_id=str(uuid.uuid5(uuid.NAMESPACE_URL, str(number))),
        doc_id=f"source{number % SOURCES}/{number // 8}.md",
        source=f"source{number % SOURCES}",
        text_hash=f"{number:064x}",
        content_hash=f"{number // 8:064x}",
        ordinal=number % 8,
        page=0,
        title=passage["title"],
        heading=passage["title"],
        text=passage["text"][:500],
        language="en",
        licence="CC-BY-SA-4.0",
        trust="trusted",
        access=() if number % 5 else ("staff",),
    )


@dataclass
class Measured:
    """Seconds of the clock and of the processor; milliseconds for questions."""

    upsert: tuple[float, float]
    prepared: tuple[float, float]  # the graph, or nothing
    queries: list[float]
    filtered: list[float]
    public: list[float]
    words: list[float]
    recall: float
    again: tuple[float, float]
    reopened: tuple[float, float]
    megabytes: float
    count: int


class Store:
    """What is measured of each store; the two below say how each does it."""

    def measured(self, data: Points, questions: np.ndarray) -> Measured:
        upsert = timed(lambda: self.upsert(data))
        prepared = timed(self.prepare)
        rows = [questions[number : number + 1] for number in range(len(questions))]
        self.dense(rows[0], EVERYTHING)
        found: list[list[str]] = []
        queries = [each(lambda row=row: found.append(self.dense(row, EVERYTHING))) for row in rows]
        exact = np.argsort(-(questions @ data.vectors.T), axis=1)[:, :NEAREST]
        hits = [
            len({data.points[number].chunk_id for number in best} & set(ids)) for best, ids in zip(exact, found, strict=True)
        ]
        few = rows[: max(20, len(rows) // 4)]
        result = Measured(
            upsert,
            prepared,
            queries,
            filtered=[each(lambda row=row: self.dense(row, TENTH)) for row in few],
            public=[each(lambda row=row: self.dense(row, Where())) for row in few],
            words=[each(lambda terms=terms: self.words(question(terms))) for terms in data.sparse[: len(few)]],
            recall=sum(hits) / (NEAREST * len(rows)),
            again=timed(lambda: self.upsert_again(data.some(slice(0, None, 100)))),
            reopened=self.opening(),
            megabytes=self.size() / 2**20,
            count=len(data.points),
        )
        self.close()
        return result

    def opening(self) -> tuple[float, float]:
        self.shut()
        return timed(self.reopen)


class Edge(Store):
    """Ours."""

    def __init__(self, folder: Path, quantization: str) -> None:
        self.folder, self.quantization = folder, quantization
        self.reader: EdgeReader

    def upsert(self, data: Points) -> None:
        self.writer = EdgeWriter(self.folder / "1", DIMENSION, None, self.quantization)
        put(self.writer, data)
        self.writer._shard.flush()

    def prepare(self) -> None:
        self.reader = self.writer.reader()

    def upsert_again(self, data: Points) -> None:
        """The next version, published: a copy of the directory, the change, flushed."""
        self.reader.close()
        writer = EdgeWriter(self.folder / "2", DIMENSION, self.folder / "1", self.quantization)
        put(writer, data)
        self.reader = writer.reader()

    def shut(self) -> None:
        self.reader.close()

    def reopen(self) -> None:
        self.reader = EdgeReader(self.folder / "2")
        self.reader.count(EVERYTHING)

    def dense(self, row: np.ndarray, where: Where) -> list[str]:
        return self.read(self.reader.dense(row, NEAREST, where)[0], where)

    def words(self, terms: Sparse) -> list[str]:
        return self.read(self.reader.sparse([terms], NEAREST, EVERYTHING)[0], EVERYTHING)

    def read(self, found: list[Found], where: Where) -> list[str]:
        """With what is said of each passage, as the retriever and the peer have it."""
        points = self.reader.points([each.chunk_id for each in found], where)
        return [points[each.chunk_id].chunk_id for each in found]

    def size(self) -> float:
        return sum(file.stat().st_blocks * 512 for file in (self.folder / "2").rglob("*"))

    def close(self) -> None:
        self.shut()


def put(writer: EdgeWriter, data: Points) -> None:
    for at in range(0, len(data.points), PORTION):
        some = data.some(slice(at, at + PORTION))
        writer.upsert(some.points, some.vectors, some.sparse)


class LocalMode(Store):
    """qdrant-client without a server, as its documentation shows it."""

    def __init__(self, folder: Path) -> None:
        from qdrant_client import QdrantClient, models

        self.folder, self.models = folder / "local", models
        self.open: Callable[[], QdrantClient] = lambda: QdrantClient(path=str(self.folder))
        self.client = self.open()
        self.client.create_collection(
            "points",
            vectors_config={DENSE: models.VectorParams(size=DIMENSION, distance=models.Distance.DOT)},
            sparse_vectors_config={SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        )

    def upsert(self, data: Points) -> None:
        for batch in self.batches(data):
            self.client.upsert("points", batch, wait=True)

    def batches(self, data: Points) -> Iterator[list[Any]]:
        models = self.models
        for at in range(0, len(data.points), 1_000):
            some = data.some(slice(at, at + 1_000))
            rows = zip(some.points, some.vectors.tolist(), some.sparse, strict=True)
            yield [
                models.PointStruct(
                    id=each.chunk_id,
                    vector={DENSE: row, SPARSE: models.SparseVector(indices=terms.indices, values=terms.values)},
                    payload=each.payload(),
                )
                for each, row, terms in rows
            ]

    def prepare(self) -> None:
        """It has no graph."""

    def upsert_again(self, data: Points) -> None:
        self.upsert(data)

    def shut(self) -> None:
        self.client.close()

    def reopen(self) -> None:
        self.client = self.open()
        self.client.count("points")

    def dense(self, row: np.ndarray, where: Where) -> list[str]:
        return self.ask(row[0].tolist(), DENSE, where)

    def words(self, terms: Sparse) -> list[str]:
        return self.ask(self.models.SparseVector(indices=terms.indices, values=terms.values), SPARSE, EVERYTHING)

    def ask(self, query: Any, using: str, where: Where) -> list[str]:
        models = self.models
        wanted = [models.FieldCondition(key=name, match=models.MatchAny(any=any_of)) for name, any_of in where.any_of().items()]
        only = models.Filter(must=wanted) if wanted else None
        answer = self.client.query_points("points", query=query, using=using, query_filter=only, limit=NEAREST)
        return [str(found.id) for found in answer.points]

    def size(self) -> float:
        return sum(file.stat().st_blocks * 512 for file in self.folder.rglob("*"))

    def close(self) -> None:
        self.shut()
        shutil.rmtree(self.folder)


def question(terms: Sparse) -> Sparse:
    """Six words of a passage."""
    return Sparse(terms.indices[:6], [1.0] * len(terms.indices[:6]))


def timed(work: Callable[[], None]) -> tuple[float, float]:
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def each(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return 1_000 * (time.perf_counter() - started)


def show(ours: Measured, local: Measured, points: int, few: int) -> None:
    smaller = "" if few == points else f"; local mode with {few:,} only, which flatters it"
    print(f"{points:,} points of {DIMENSION} components with terms, payload and payload indexes{smaller}\n")
    print("| | ours | qdrant-client local mode | ratio | goal |\n|---|---|---|---|---|")
    rates = [[measured.count / seconds for seconds in measured.upsert] for measured in (ours, local)]
    line("durable upsert, points/s", *(f"{clock:,.0f} ({cpu:,.0f})" for clock, cpu in rates), rates[0][0] / rates[1][0], "22")
    cpu = rates[0][1] / rates[1][1]
    line("... per second of the processor", f"{rates[0][1]:,.0f}", f"{rates[1][1]:,.0f}", cpu, "22")
    line("then a graph, s", f"{ours.prepared[0]:.1f} ({ours.prepared[1]:.1f})", "has none", None, "")
    line("query p50, ms", *(f"{p50(m.queries):.2f}" for m in (ours, local)), p50(local.queries) / p50(ours.queries), "100")
    line("query p99, ms", *(f"{p99(m.queries):.2f}" for m in (ours, local)), p99(local.queries) / p99(ours.queries), "")
    line(f"recall@{NEAREST}", f"{ours.recall:.4f}", f"{local.recall:.4f}", None, "0.995")
    for name, field, goal in (
        ("filtered to 10 %, p50, ms", "filtered", "ours 1 ms"),
        ("as a caller in no group (80 %), p50, ms", "public", ""),
        ("BM25 of six words, p50, ms", "words", ""),
    ):
        mine, theirs = p50(getattr(ours, field)), p50(getattr(local, field))
        line(name, f"{mine:.2f}", f"{theirs:.2f}", theirs / mine, goal)
    line("1 % again, as the next version, s", *(f"{m.again[0]:.2f}" for m in (ours, local)), local.again[0] / ours.again[0], "")
    opened = (f"{m.reopened[0]:.2f} ({m.reopened[1]:.2f})" for m in (ours, local))
    line("open again, s", *opened, local.reopened[0] / ours.reopened[0], "ours 0.3 s")
    line("disk, MB", *(f"{m.megabytes:.0f}" for m in (ours, local)), None, "")


def line(name: str, mine: str, theirs: str, ratio: float | None, goal: str) -> None:
    print(f"| {name} | {mine} | {theirs} | {'' if ratio is None else f'{ratio:.3g}'} | {goal} |")


def p50(milliseconds: list[float]) -> float:
    return statistics.median(milliseconds)


def p99(milliseconds: list[float]) -> float:
    return float(np.quantile(milliseconds, 0.99))


if __name__ == "__main__":
    main()
