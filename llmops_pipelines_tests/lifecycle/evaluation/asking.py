"""Candidates without weights: a shelf that finds passages, a model that says what a function tells it to, and specs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from llmops_pipelines.config.candidates import Candidate, settled
from llmops_pipelines.config.pipeline import Answers, Reranker, Retrieval
from llmops_pipelines.lifecycle.evaluation.candidates import Spec
from llmops_pipelines.lifecycle.evaluation.models import Request, Said
from llmops_pipelines.lifecycle.index import Hit, Where

PROJECT = Path(__file__).parents[3]
ANSWERS = Answers(passages=2, max_new_tokens=6)
TEXTS = ["The Grey Heron sails at 14:30 from Garrow.", "Captain Runa Estby is her master.", "Bees are carried in spring."]


def hit(number: int, text: str) -> Hit:
    return Hit(f"c{number}", f"d/{number}", "Grey Heron", "", text, 1 - number / 10)


@dataclass
class Shelf:
    """Finds the same passages, whatever the question."""

    texts: Sequence[str] = tuple(TEXTS)
    asked: list[tuple[list[str], int, Where]] = field(default_factory=list)

    def search(self, questions: Sequence[str], k: int, where: Where) -> list[list[Hit]]:
        self.asked.append((list(questions), k, where))
        return [[hit(number, text) for number, text in enumerate(self.texts[:k])] for _ in questions]


@dataclass
class Parrot:
    """A model that says what `voice` makes of a request; an exception in it is a failure."""

    voice: Callable[[Request], str]
    asked: list[Request] = field(default_factory=list)

    def say(self, requests: Sequence[Request]) -> list[Said]:
        self.asked += requests
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Said:
        try:
            return Said(self.voice(request), None, 10, 2, 5.0, 0.25)
        except RuntimeError as error:
            return Said(None, str(error), None, None, None, None)


def settled_candidate(
    answers: Answers = ANSWERS, reranker: Reranker | None = None, project: Path = PROJECT, **words: Any
) -> Candidate:
    retrieval, training = Retrieval.model_construct(reranker=reranker), SimpleNamespace(recipe="r.yaml")
    pipeline = SimpleNamespace(answers=answers, retrieval=retrieval, training=training, candidates=[])
    said = Candidate.model_validate({"name": "mine", "model": "base"} | words, context={"project": project})
    return settled(said, pipeline)


def spec_of(answers: Answers = ANSWERS, project: Path = PROJECT, **words: Any) -> Spec:
    return Spec.of(settled_candidate(answers, project=project, **words), answers, project)
