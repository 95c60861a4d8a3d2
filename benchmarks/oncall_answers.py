"""What the candidates of the large lake say to its questions, and their scores by the product's own metrics.

Answers are drawn, not generated: a tuned candidate is right in about 72 % of the questions, and from one release on in 60 %.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from oncall_corpus import Held, Scale, Words, doc_id_of, is_broken, is_copy, value

from llmops_pipelines.lifecycle.datasets.prompts import PRODUCT
from llmops_pipelines.lifecycle.datasets.splits import side
from llmops_pipelines.lifecycle.evaluation import slices, text_metrics
from llmops_pipelines.lifecycle.evaluation.models import Request
from llmops_pipelines.lifecycle.evaluation.ragas_metrics import text_outcomes
from llmops_pipelines.lifecycle.evaluation.retrieval_metrics import retrieval_scores
from llmops_pipelines.lifecycle.evaluation.rows import Row, Score, Scores, by_row, rows_of, scored
from llmops_pipelines.lifecycle.evaluation.scores import RETRIEVAL, TEXT
from llmops_pipelines.lifecycle.lake import Draft, Version

REFUSAL = "not in the documents"
FOUND = 10  # passages of each question
BEFORE, AFTER, UNTUNED = 0.72, 0.60, 0.25  # share of right answers
NOISE = 0.05  # of a question's difficulty from release to release


@dataclass(frozen=True)
class Questions:
    """The evaluation set: a document's number and the row of each question. They are written once and never corrected."""

    rows: list[tuple[int, dict[str, Any]]]
    difficulty: np.ndarray
    words: Words

    @classmethod
    def drawn(cls, words: Words) -> "Questions":
        scale = words.weeks.scale
        draw = np.random.default_rng([scale.seed, 1_000_003])
        rows: list[tuple[int, dict[str, Any]]] = []
        for number in draw.permutation(scale.documents).tolist():
            if len(rows) == scale.questions:
                break
            if not (is_broken(number) or is_copy(number)) and side(doc_id_of(number), 0.5) == "held_out":
                rows.append((number, _question(words, number, answerable=len(rows) % 10 != 9)))
        return cls(rows, draw.random(len(rows)), words)


def _question(words: Words, number: int, *, answerable: bool) -> dict[str, Any]:
    ordinal, doc_id = number % words.length(number), doc_id_of(number)
    asked = f"Which form applies by rule {number}-{ordinal}?" if answerable else f"Who wrote rule {number}-{ordinal}?"
    answers = [value(number, ordinal, 0)] if answerable else []
    said = {"id": f"q-{number:08d}", "question": asked, "answers": answers, "documents": [doc_id], "answerable": answerable}
    said |= {"cluster": doc_id, "topic": ("forms", "rules", "people")[number % 3], "language": None, "author": None}
    return said | {"reviewed_by": None, "supersedes": None}


@dataclass(frozen=True)
class Answers:
    """One candidate's answers; `epoch` 0 is the untuned one."""

    questions: Questions
    scale: Scale
    epoch: int
    week: int

    @property
    def skill(self) -> float:
        return UNTUNED if not self.epoch else BEFORE if self.epoch < self.scale.falls_at else AFTER

    def write(self, draft: Draft, asked: Version, held: Held) -> None:
        """Tables `answers` and `timings` in the form of the stage."""
        there = set(asked.table(columns=["id"]).column(0).to_pylist())
        draws = np.random.default_rng([self.scale.seed, self.epoch, self.week])
        noise = draws.normal(0.0, NOISE, len(self.questions.rows))
        good = self.questions.difficulty + noise < self.skill
        rows, timings = [], []
        for place, (number, question) in enumerate(self.questions.rows):
            if question["id"] not in there:
                continue
            found = _found(self.questions.words, held, number, self.scale.seed)
            said = _said(question, bool(good[place]), place)
            rows.append(_row(question, said, found, self._passage(found)))
            took = {"question_id": question["id"], "tokens_in": 90, "tokens_out": 5, "cost": 0.0}
            timings.append(took | {"step": "answer", "milliseconds": 40.0 + place % 7})
        draft.table("answers", pa.Table.from_pylist(rows, _answer_schema()))
        draft.table("timings", pa.Table.from_pylist(timings, _timing_schema()), data=False)
        draft.facts |= {"questions": len(rows), "failed": 0, "refused": sum(row["refused"] for row in rows), "megabytes": 7.2}

    def _passage(self, found: "Found") -> str:
        words = self.questions.words
        return words.passage(found.number, found.ordinal, words.revision(found.number, found.ordinal, self.week))


@dataclass(frozen=True)
class Found:
    """The chunks and documents of a search, best first; the first one's place in the corpus."""

    chunks: list[str]
    documents: list[str]
    number: int
    ordinal: int


def _found(words: Words, held: Held, number: int, seed: int) -> Found:
    """The right chunk mostly first, among chunks that the question always brings up while their documents are there."""
    if number in held.found:
        return held.found[number]
    draw = np.random.default_rng([seed, number])
    others = draw.integers(0, words.weeks.scale.documents, 2 * FOUND)
    rank = int(draw.choice([0, 1, 4, FOUND], p=[0.85, 0.06, 0.04, 0.05]))
    first, count = held.rows_of(np.concatenate([[number], others]))
    rows = [int(row + draw.integers(0, many)) for row, many in zip(first[1:], count[1:], strict=True) if many][:FOUND]
    if count[0]:
        rows.insert(rank, int(first[0] + min(number % words.length(number), count[0] - 1)))
    table = held.chunks.select(["chunk_id", "doc_id", "number", "ordinal"]).take(pa.array(rows[:FOUND])).to_pydict()
    held.found[number] = Found(table["chunk_id"], table["doc_id"], table["number"][0], table["ordinal"][0])
    return held.found[number]


def _said(question: dict[str, Any], good: bool, place: int) -> str:
    if not question["answerable"]:
        return REFUSAL if good else "the harbour master"
    right = question["answers"][0]
    if good:
        return right if place % 4 else f"{right} applies"
    return REFUSAL if place % 3 == 0 else f"form {99_999 - int(right.split()[1])}"


def _row(question: dict[str, Any], said: str, found: Found, passage: str) -> dict[str, Any]:
    prompt = Request(PRODUCT, (passage,), question["question"])
    row = {"question_id": question["id"], "answer": said, "refused": said == REFUSAL, "passages": found.chunks}
    row |= {"documents": found.documents, "read": [passage], "prompt_digest": prompt.digest}
    return row | {"withdrawn": None, "error": None}


def _answer_schema() -> pa.Schema:
    text, texts = pa.string(), pa.list_(pa.string())
    said = {"question_id": text, "answer": text, "refused": pa.bool_(), "passages": texts, "documents": texts, "read": texts}
    return pa.schema({**said, "prompt_digest": text, "withdrawn": text, "error": text})


def _timing_schema() -> pa.Schema:
    counted = {"tokens_in": pa.int64(), "tokens_out": pa.int64(), "cost": pa.float64()}
    return pa.schema({"question_id": pa.string(), "step": pa.string(), "milliseconds": pa.float64(), **counted})


def report(draft: Draft, asked: Version, answers: Version, documents: Version, refusal: str) -> None:
    """The tables and summaries of eval_scores; intervals are normal ones, as the product's are from 1,000 questions on."""
    rows = rows_of(asked, answers, refusal)
    found = _text_scores(rows)
    measures = dict.fromkeys(found, TEXT)
    does = answers.json("candidate")
    known = {row.id: row.found for row in rows if row.answerable}
    ranks = retrieval_scores(known, {row.id: row.documents for row in rows if row.answerable}, does["passages"])
    able = [row for row in rows if row.answerable]
    found |= {metric: scored(metric, able, each) for metric, each in ranks.items()}
    measures |= dict.fromkeys(ranks, RETRIEVAL)

    flat = [vars(each) for many in found.values() for each in many]
    text, number = pa.string(), pa.float64()
    kinds = [("question_id", text), ("metric", text), ("score", number), ("error", text)]
    draft.table("eval_scores", pa.Table.from_pylist(flat, pa.schema(kinds)))
    members = slices.members(rows, _origins(documents))
    kinds = [("question_id", text), ("slice", text), ("value", text)]
    draft.table("members", pa.Table.from_pylist([vars(each) for each in members], pa.schema(kinds)))
    draft.table("slices", _slices(members, found))
    summary = {metric: _summed([each.score for each in many]) for metric, many in found.items()}
    draft.json("summary", summary)
    draft.json("measures", measures)
    draft.json("asked", {row.id: row.asked for row in rows})
    draft.facts |= {"questions": len(rows), "errors": 0, "coverage": 1.0, "retrieved_unknown_documents": 0}
    draft.facts |= {metric: round(each["mean"], 4) for metric, each in summary.items()}


def _text_scores(rows: list[Row]) -> Scores:
    pairs = [_of_text(row.answer, row.references) for row in rows]
    outcomes: dict[str, list[float]] = {metric: [pair[metric] for pair in pairs] for metric in pairs[0]}
    outcomes["refusal_right"] = [float(row.refused != row.answerable) for row in rows]
    return {metric: scored(metric, rows, by_row(rows, each)) for metric, each in outcomes.items()}


@cache
def _of_text(answer: str, references: tuple[str, ...]) -> dict[str, float]:
    """What the text of an answer is worth; few different answers are given in all the releases."""
    own = {"exact_match": text_metrics.exact_match, "token_f1": text_metrics.token_f1}
    found = {name: text_metrics.best(metric, answer, references) for name, metric in own.items()}
    return found | {name: each[0] for name, each in text_outcomes([answer], [references]).items()}


@cache
def _known(path: str) -> dict[str, slices.Origin]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        table = file.read(["doc_id", "source", "language"]).to_pydict()
    of = {(source, "en"): slices.Origin(source, "en") for source in set(table["source"])}
    return {doc_id: of[source, "en"] for doc_id, source in zip(table["doc_id"], table["source"], strict=True)}


def _origins(documents: Version) -> dict[str, slices.Origin]:
    return _known(str(documents.file("documents.parquet")))


def _summed(values: list[float]) -> dict[str, Any]:
    numbers = np.asarray(values)
    mean, error = float(numbers.mean()), float(numbers.std(ddof=1)) / len(numbers) ** 0.5 if len(numbers) > 1 else 0.0
    interval = {"mean": mean, "low": mean - 1.96 * error, "high": mean + 1.96 * error, "n": len(numbers)}
    return interval | {"coverage": 1.0, "detectable": 2.8 * error}


def _slices(members: Iterable[slices.Member], found: dict[str, list[Score]]) -> pa.Table:
    within: dict[tuple[str, str], set[str]] = {}
    for each in members:
        within.setdefault((each.slice, each.value), set()).add(each.question_id)
    rows = []
    for (name, said), ids in sorted(within.items()):
        for metric, many in found.items():
            if chosen := [each.score for each in many if each.question_id in ids]:
                rows.append({"slice": name, "value": said, "metric": metric, **_summed(chosen)})
    text, number = pa.string(), pa.float64()
    kinds = [*((each, text) for each in ("slice", "value", "metric")), *((each, number) for each in ("mean", "low", "high"))]
    return pa.Table.from_pylist(rows, pa.schema([*kinds, ("n", pa.int64()), ("coverage", number)]))
