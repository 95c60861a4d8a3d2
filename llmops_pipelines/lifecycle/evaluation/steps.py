"""The steps from a question to an answer: rewrite, retrieve, rerank, answer, verify. Each works on many questions at once and
notes the time, tokens and money that each question took.

Which steps there are is said by the candidate; putting them in a row is `chain.py`.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from llmops_pipelines.config.candidates import Step
from llmops_pipelines.lifecycle.index import Hit, Where

from .candidates import Spec
from .extractive import extract, terms
from .models import Request, Said, Speaks
from .text_metrics import normalised

CODE = "steps/1"
LONGEST_QUESTION = 400  # characters; a model that rewrites to more has begun to answer
SUPPORTED = 0.6  # share of an answer's words that one passage must hold
YES = re.compile(r"\W*yes\b", re.IGNORECASE)


class Retrieves(Protocol):
    """Whatever finds passages for questions; `index.Retriever` in the product."""

    def search(self, questions: Sequence[str], k: int, where: Where) -> list[list[Hit]]: ...


class Judges(Protocol):
    """Whatever says how well passages answer the questions beside them, more is better; a cross-encoder in the product."""

    def scores(self, questions: Sequence[str], passages: Sequence[str]) -> Sequence[float]: ...


@dataclass(frozen=True)
class Took:
    """What one step took for one question. Of a step that worked on many at once, its share of the time."""

    step: str
    milliseconds: float | None
    tokens_in: int | None = 0
    tokens_out: int | None = 0
    cost: float | None = 0.0


@dataclass
class Asked:
    """A question, and what has become of it so far; the steps fill it in.

    `searched` is what was looked for, `read` what the model saw of the best `hits`, `withdrawn` an answer that the passages
    did not support. A question with an `error` has no answer, and later steps leave it alone; `hits` is None until searched.
    """

    question: str
    searched: str
    hits: list[Hit] | None = None
    read: list[str] = field(default_factory=list)
    prompt_digest: str | None = None
    answer: str | None = None
    refused: bool = False
    withdrawn: str | None = None
    error: str | None = None
    took: list[Took] = field(default_factory=list)

    @property
    def milliseconds(self) -> float:
        """Of all steps that came to an end."""
        return sum(took.milliseconds or 0.0 for took in self.took)


@dataclass(frozen=True)
class Tools:
    """What the steps of one candidate work with; what none of them uses is None. `judged` is how many the judge reads."""

    spec: Spec
    model: Speaks | None
    finder: Retrieves | None
    judge: Judges | None
    judged: int = 0


def rewrite(tools: Tools, rows: list[Asked], where: Where, k: int) -> None:
    """The model words the question so that its passage is found. What is no question stays as it was."""
    for row, said in _say("rewrite", tools, rows, [Request(tools.spec.rewrite, (), row.question) for row in rows]):
        better = " ".join(tools.spec.rewrite.answer_of(said.text).split())
        row.searched = better if 0 < len(better) <= LONGEST_QUESTION else row.question


def retrieve(tools: Tools, rows: list[Asked], where: Where, k: int) -> None:
    """The `k` best passages, or as many as a judge wants to choose from."""

    def search() -> None:
        found = tools.finder.search([row.searched for row in rows], max(k, tools.judged), where)
        for row, hits in zip(rows, found, strict=True):
            row.hits = hits
            row.read = _read(hits, tools.spec)

    _timed("retrieve", rows, search)


def rerank(tools: Tools, rows: list[Asked], where: Where, k: int) -> None:
    """The judge puts the passages into a better order; the `k` best are kept."""

    def order() -> None:
        pairs = [(row.searched, _titled(hit)) for row in rows for hit in row.hits]
        scores = iter(tools.judge.scores([question for question, _ in pairs], [text for _, text in pairs]))
        for row in rows:
            judged = [replace(hit, score=float(next(scores))) for hit in row.hits]
            row.hits = sorted(judged, key=lambda hit: (-hit.score, hit.chunk_id))[:k]
            row.read = _read(row.hits, tools.spec)

    _timed("rerank", rows, order)


def answer(tools: Tools, rows: list[Asked], where: Where, k: int) -> None:
    """A model's answer, or a phrase of the passages. Where passages are wanted and none was found, a refusal."""
    spec = tools.spec
    reading = [row for row in rows if row.read or not spec.retrieves]
    for row in rows:
        if not row.read and spec.retrieves:
            _refuse(row, spec)
    if tools.model is None:
        _timed("answer", reading, lambda: [_extract(row, spec) for row in reading])
        return
    requests = [Request(spec.prompt, tuple(row.read), row.question) for row in reading]
    for row, request in zip(reading, requests, strict=True):
        row.prompt_digest = request.digest
    for row, said in _say("answer", tools, reading, requests):
        row.answer = spec.prompt.answer_of(said.text)
        row.refused = normalised(row.answer) == normalised(spec.refusal)


def verify(tools: Tools, rows: list[Asked], where: Where, k: int) -> None:
    """An answer that the passages do not support is withdrawn; what could not be verified is no answer."""
    spec = tools.spec
    given = [row for row in rows if not row.refused]
    if spec.verify is None:
        _timed("verify", given, lambda: [_withdraw(row, spec) for row in given if not supported(row.answer, row.read)])
        return
    requests = [Request(spec.verify, tuple(row.read), row.question, row.answer) for row in given]
    for row, said in _say("verify", tools, given, requests):
        if not YES.match(spec.verify.answer_of(said.text)):
            _withdraw(row, spec)


STEPS: dict[Step, Callable[[Tools, list[Asked], Where, int], None]] = {
    "rewrite": rewrite,
    "retrieve": retrieve,
    "rerank": rerank,
    "answer": answer,
    "verify": verify,
}


def supported(said: str, passages: Sequence[str]) -> bool:
    """Whether one passage holds most words of an answer, and all of its numbers. An answer without words has no support."""
    wanted = terms(said)
    numbers = {term for term in wanted if any(letter.isdigit() for letter in term)}
    held = [terms(passage) for passage in passages]
    return bool(wanted) and any(numbers <= each and len(wanted & each) >= SUPPORTED * len(wanted) for each in held)


def _say(step: str, tools: Tools, rows: list[Asked], requests: list[Request]) -> list[tuple[Asked, Said]]:
    """The rows for which the model said something; the others have their error."""
    spoken = []
    for row, said in zip(rows, tools.model.say(requests) if requests else [], strict=True):
        row.took.append(Took(step, said.milliseconds, said.tokens_in, said.tokens_out, said.cost))
        if said.text is None:
            row.answer, row.error = None, f"{step}: {said.error}"
        else:
            spoken.append((row, said))
    return spoken


def _timed(step: str, rows: list[Asked], work: Callable[[], object]) -> None:
    began = time.perf_counter()
    work()
    each = 1000 * (time.perf_counter() - began) / max(1, len(rows))
    for row in rows:
        row.took.append(Took(step, each))


def _read(hits: list[Hit], spec: Spec) -> list[str]:
    return [hit.context or hit.text for hit in hits[: spec.passages]]


def _titled(hit: Hit) -> str:
    """What a judge reads of a passage: with its title and headings, as `index.Retriever` shows it to one."""
    path = [hit.title, *(hit.heading.split(" > ") if hit.heading else [])]
    return "\n".join([" > ".join(part for part in dict.fromkeys(path) if part), hit.text]).strip()


def _extract(row: Asked, spec: Spec) -> None:
    about = [f"{hit.title} {hit.heading}" for hit in row.hits[: spec.passages]]
    row.answer = extract(row.question, row.read, about)
    if row.answer is None:
        _refuse(row, spec)


def _withdraw(row: Asked, spec: Spec) -> None:
    row.withdrawn = row.answer
    _refuse(row, spec)


def _refuse(row: Asked, spec: Spec) -> None:
    row.answer, row.refused = spec.refusal, True
