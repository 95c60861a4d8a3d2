"""The passages that training examples may quote: chunks of train-side documents, none a copy of held-out text."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from .wording import overlap, plain

TRIES = 40


@dataclass(frozen=True)
class Passage:
    """One chunk: `text` is `[start:end]` of its document's cleaned text."""

    doc_id: str
    cluster: str
    start: int
    end: int
    text: str

    def holds(self, answers: Iterable[str]) -> bool:
        here = plain(self.text)
        return any(plain(answer) in here for answer in answers)


@dataclass
class Shelf:
    passages: list[Passage]
    by_document: dict[str, list[Passage]] = field(init=False)

    def __post_init__(self) -> None:
        self.by_document = {}
        for passage in self.passages:
            self.by_document.setdefault(passage.doc_id, []).append(passage)

    def of(self, doc_ids: Iterable[str]) -> list[Passage]:
        return [passage for doc_id in doc_ids for passage in self.by_document.get(doc_id, ())]

    def covering(self, doc_id: str, start: int, end: int) -> Passage | None:
        """The first passage of a document that holds the characters `start` to `end` whole."""
        return next((p for p in self.of([doc_id]) if p.start <= start and end <= p.end), None)

    def answering(self, doc_ids: Iterable[str], question: str, answers: Iterable[str]) -> Passage | None:
        """Of the documents' passages with an answer the one that shares most words with the question."""
        holding = [passage for passage in self.of(doc_ids) if passage.holds(answers)]
        return max(holding, key=lambda passage: overlap(question, passage.text), default=None)

    def nearest(self, doc_ids: Iterable[str], question: str) -> Passage | None:
        return max(self.of(doc_ids), key=lambda passage: overlap(question, passage.text), default=None)

    def others(self, rng: random.Random, count: int, answers: Iterable[str], near: str, taken: list[Passage]) -> list[Passage]:
        """Up to `count` passages without an answer: by a coin from the document `near`, as a retriever would
        confuse them, or from anywhere. Fewer when the shelf has no more."""
        chosen: list[Passage] = []
        for _ in range(TRIES):
            if len(chosen) == count:
                break
            pool = self.by_document.get(near, []) if rng.random() < 0.5 else self.passages
            passage = rng.choice(pool or self.passages)
            if passage not in chosen and passage not in taken and not passage.holds(answers):
                chosen.append(passage)
        return chosen
