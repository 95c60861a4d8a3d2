"""How often the right passage is found: dense, BM25, their default and their tuned mix, through the index, on real questions.

Run: python benchmarks/retrieval.py --data FOLDER. Takes minutes: it embeds, and builds a graph of 25,390.
"""

import argparse
import json
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.index.embedders.embedder import Embedder
from llmops_pipelines.lifecycle.index.engines.contract import DENSE, EVERYTHING, SPARSE, Point, Reader
from llmops_pipelines.lifecycle.index.engines.edge import EdgeReader, EdgeWriter
from llmops_pipelines.lifecycle.index.search import lexical, tuning
from llmops_pipelines.lifecycle.index.search.fusion import Fusion
from llmops_pipelines.lifecycle.index.search.retrieval import Retriever, Settings
from llmops_pipelines.lifecycle.lake.digests import text_digest

CANDIDATES = 100
TIMED = 200  # questions asked one by one
RESAMPLES = 2_000
NAMESPACE = uuid.UUID("6d1c0f57-54f8-5f0e-8f0e-0f3c4d5b6a70")


@dataclass(frozen=True)
class Questions:
    """Passages with their vectors, and questions with the number of the passage that answers each."""

    passages: list[dict[str, str]]
    texts: list[str]
    vectors: np.ndarray
    questions: list[str]
    asked: np.ndarray
    gold: np.ndarray


class Embedded:
    """Stands in for the embedder: the questions were embedded before the clock runs."""

    def __init__(self, known: Questions) -> None:
        self._vectors = dict(zip(known.questions, known.asked, strict=True))

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([self._vectors[text] for text in texts])


def load(folder: Path, embedded: bool = True) -> Questions:
    """Passages with their title as a line above, and the answerable questions; not `embedded`, for BM25, in no time."""
    passages = [json.loads(line) for line in (folder / "passages.jsonl").read_text("utf-8").splitlines()]
    asked = [json.loads(line) for line in (folder / "questions.jsonl").read_text("utf-8").splitlines()]
    asked = [question for question in asked if question["answers"]]
    place = {passage["id"]: number for number, passage in enumerate(passages)}
    texts = [f"{passage['title'].replace('_', ' ')}\n{passage['text']}" for passage in passages]
    questions = [question["question"] for question in asked]
    embed = Embedder.open(Embeddings()).embed if embedded else lambda rows: np.eye(len(rows), 8, dtype=np.float32)
    gold = np.array([place[question["passage_id"]] for question in asked])
    return Questions(passages, texts, embed(texts), questions, embed(questions), gold)


@contextmanager
def indexed(known: Questions, distractors: int = 0) -> Iterator[EdgeReader]:
    """The passages in an embedded index; `distractors` are vectors between those of the passages, without terms."""
    points = [_point(number, passage) for number, passage in enumerate(known.passages)]
    sparse = lexical.document_vectors(known.texts)
    random = np.random.default_rng(0)
    one, two = (known.vectors[random.integers(len(points), size=distractors)] for _ in range(2))
    between = 0.7 * one + 0.5 * two + random.normal(scale=0.02, size=one.shape)
    vectors = np.concatenate([known.vectors, between / np.linalg.norm(between, axis=1, keepdims=True)]).astype(np.float32)
    points += [_point(len(points) + number, {"id": "none", "title": "", "text": ""}) for number in range(distractors)]
    sparse += lexical.document_vectors([""] * distractors)
    with tempfile.TemporaryDirectory() as folder:
        with closing(EdgeWriter(Path(folder) / "index", vectors.shape[1], None)) as writer:
            for at in range(0, len(points), 5_000):
                some = slice(at, at + 5_000)
                writer.upsert(points[some], vectors[some], sparse[some])
            reader = writer.reader()
        with closing(reader):
            yield reader


def _point(number: int, passage: dict[str, str]) -> Point:
    digest = text_digest(passage["text"])
    said = {"title": passage["title"], "heading": "", "text": passage["text"], "language": "en", "licence": "CC-BY-SA-4.0"}
    place = {"doc_id": f"squad/{passage['id']}", "source": "squad", "text_hash": digest, "content_hash": digest}
    return Point(str(uuid.uuid5(NAMESPACE, str(number))), **place, ordinal=number, page=0, **said, trust="trusted", access=())


def retriever(known: Questions, reader: Reader, fusion: Fusion) -> Retriever:
    return Retriever(Embedded(known), reader, Settings(fusion), {"languages": {"en": 1}, "chunker": ""})  # type: ignore[arg-type]


Search = Callable[[list[str]], list[list[str]]]  # questions to the ten best documents of each


def ranks_of(known: Questions, search: Search) -> np.ndarray:
    """Rank of the right passage among ten, inf when it is not there."""
    wanted = [f"squad/{known.passages[number]['id']}" for number in known.gold]
    answers = zip(search(known.questions), wanted, strict=True)
    return np.array([row.index(doc) + 1 if doc in row else np.inf for row, doc in answers])


def milliseconds_of(known: Questions, search: Search) -> float:
    """Median of one question."""
    taken = []
    for question in known.questions[:TIMED]:
        started = time.perf_counter()
        search([question])
        taken.append(time.perf_counter() - started)
    return 1000 * float(np.median(taken))


def ours(known: Questions, reader: Reader, fusion: Fusion) -> Search:
    finder = retriever(known, reader, fusion)
    return lambda asked: [[hit.doc_id for hit in row] for row in finder.search(asked, 10)]


def engine_fusion(known: Questions, reader: EdgeReader, way: Any) -> Search:
    """Both rankings fused by the engine itself."""
    from qdrant_edge import Prefetch, Query, QueryRequest, SparseVector

    shard, embedded = reader._shard, Embedded(known)

    def search(asked: list[str]) -> list[list[str]]:
        answers = []
        for vector, terms in zip(embedded.embed(asked).tolist(), lexical.question_vectors(asked), strict=True):
            both = [Query.Nearest(vector, using=DENSE), Query.Nearest(SparseVector(terms.indices, terms.values), using=SPARSE)]
            parts = [Prefetch(limit=CANDIDATES, query=query) for query in both]
            request = QueryRequest(prefetches=parts, query=way, limit=10, with_payload=["doc_id"])
            answers.append([point.payload["doc_id"] for point in shard.query(request)])
        return answers

    return search


def peer_bm25(known: Questions) -> Iterator[tuple[str, Search]]:
    """Other BM25 libraries with their own tokenizers and defaults, those that are installed."""
    names = [f"squad/{passage['id']}" for passage in known.passages]
    if find_spec("bm25s"):
        import bm25s

        made = bm25s.BM25()
        made.index(bm25s.tokenize(known.texts, stopwords="en", show_progress=False), show_progress=False)

        def search(asked: list[str]) -> list[list[str]]:
            tokens = bm25s.tokenize(asked, stopwords="en", show_progress=False)
            found, _ = made.retrieve(tokens, k=10, show_progress=False)
            return [[names[number] for number in row] for row in found.tolist()]

        yield "bm25s, its defaults", search
    if find_spec("rank_bm25"):
        from rank_bm25 import BM25Okapi

        plain = BM25Okapi([text.lower().split() for text in known.texts])
        yield (
            "rank-bm25, split at spaces",
            lambda asked: [plain.get_top_n(text.lower().split(), names, 10) for text in asked],
        )


def tuned(known: Questions, reader: Reader) -> tuple[Fusion, np.ndarray]:
    """The settings that tuning chooses, and ranks under a choice made without the articles that a question is about."""
    finder = retriever(known, reader, Fusion(candidates=CANDIDATES))
    rows = zip(known.questions, (known.passages[number] for number in known.gold), strict=True)
    asked = [tuning.TuningQuestion(text, frozenset([f"squad/{p['id']}"]), p["title"]) for text, p in rows]
    pool, right = tuning.candidates_of(finder, asked, CANDIDATES)
    measured = tuning.measure(pool, right, tuning.folds_of([each.cluster for each in asked]))
    chosen, _ = tuning.choose(measured, measured.folds >= 0)
    return measured.grid[chosen], tuning.cross_validated(measured)


def exact_dense(known: Questions) -> np.ndarray:
    scores = known.asked @ known.vectors.T
    return 1 + (scores > scores[np.arange(len(scores)), known.gold][:, None]).sum(axis=1).astype(float)


def measured(known: Questions, name: str, search: Search) -> None:
    shown(name, ranks_of(known, search), milliseconds_of(known, search))


def shown(name: str, ranks: np.ndarray, milliseconds: float | None = None) -> None:
    numbers = []
    for values in ((ranks <= 1).astype(float), np.where(ranks <= 10, 1 / ranks, 0)):
        picks = np.random.default_rng(0).integers(values.size, size=(RESAMPLES, values.size), dtype=np.int32)
        low, high = np.quantile(values[picks].mean(axis=1), [0.025, 0.975])
        numbers.append(f"{values.mean():.4f} [{low:.3f}, {high:.3f}]")
    print(f"{name:44} {numbers[0]:24} {numbers[1]:24} {'' if milliseconds is None else f'{milliseconds:8.2f}'}", flush=True)


def recall(reader: Reader, vectors: np.ndarray) -> float:
    found, exact = (reader.dense(vectors, 10, EVERYTHING, exact=exact) for exact in (False, True))
    both = zip(found, exact, strict=True)
    return float(np.mean([len({a.chunk_id for a in one} & {b.chunk_id for b in two}) / 10 for one, two in both]))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--data", type=Path, required=True, help="folder of passages.jsonl and questions.jsonl")
    words.add_argument("--distractors", type=int, default=25_000, help="vectors added to measure the graph; 0 leaves it out")
    given = words.parse_args()
    if not (given.data / "passages.jsonl").is_file():
        raise SystemExit(f"--data: {given.data} has no passages.jsonl; name the folder that holds it and questions.jsonl")
    from qdrant_edge import Fusion as EngineFusion

    known = load(given.data)
    print(f"{len(known.passages)} passages, {len(known.questions)} questions; 95 % intervals from {RESAMPLES} resamples\n")
    print(f"{'':44} {'hit@1':24} {'MRR@10':24} {'ms/question':>8}")
    with indexed(known) as reader:
        shown("dense, exact, outside the index", exact_dense(known))
        measured(known, "dense", ours(known, reader, Fusion("dense", 1.0, candidates=CANDIDATES)))
        for name, peer in peer_bm25(known):
            measured(known, name, peer)
        measured(known, "BM25", ours(known, reader, Fusion("bm25", 0.0, candidates=CANDIDATES)))
        measured(known, "Qdrant's reciprocal rank fusion, k 2", engine_fusion(known, reader, EngineFusion.Rrf(k=2)))
        measured(known, "Qdrant's distribution-based fusion", engine_fusion(known, reader, EngineFusion.Dbsf()))
        measured(known, "reciprocal rank fusion, k 60", ours(known, reader, Fusion("rrf", candidates=CANDIDATES)))
        measured(known, "hybrid, even, scaled 0 to 1 (untuned)", ours(known, reader, Fusion(candidates=CANDIDATES)))
        chosen, unseen = tuned(known, reader)
        measured(known, "tuned: chosen on all questions", ours(known, reader, chosen))
        shown("tuned: chosen on other articles (expected)", unseen)
        print(f"\nchosen: {chosen.method}, {chosen.normalisation}, dense weight {chosen.dense_weight}")
        for depth in (20, 50):
            measured(known, f"the same with {depth} candidates", ours(known, reader, replace(chosen, candidates=depth)))
        print(f"\nrecall@10 against exact search: {recall(reader, known.asked):.4f} on {len(known.passages)} passages")
    if given.distractors:
        with indexed(known, given.distractors) as reader:
            points = len(known.passages) + given.distractors
            print(f"recall@10 against exact search: {recall(reader, known.asked):.4f} on {points} points (through the graph)")


if __name__ == "__main__":
    main()
