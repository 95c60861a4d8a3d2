"""The passages that training examples may quote: chunks of train-side documents, none a copy of held-out text."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.lake import Lake, Version

from .splits import Place, trainable
from .wording import overlap, plain

TRIES = 40


@dataclass(frozen=True)
class Passage:
    """One chunk: `text` is `[start:end]` of its document's cleaned text."""

    chunk_id: str
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
    by_chunk: dict[str, Passage] = field(init=False)

    def __post_init__(self) -> None:
        self.by_document, self.by_chunk = {}, {passage.chunk_id: passage for passage in self.passages}
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


def stocked(
    lake: Lake,
    documents: Version,
    chunks: Version,
    places: Mapping[str, Place],
    copied: Callable[[str], bool],
    dropped: Counter[str],
) -> Shelf:
    """All passages that may be learnt from, in the order of chunks. `copied` says whether a text quotes the evaluation side;
    what was left out of the train side is counted in `dropped`, by reason."""
    known = documents.table(columns=["doc_id", "cluster", "consent", "trust"]).to_pylist()
    cluster = {row["doc_id"]: row["cluster"] for row in known}
    may_be_learnt = {row["doc_id"] for row in known if trainable(row["consent"], row["trust"])}
    rows = chunks.table(columns=["chunk_id", "doc_id", "start", "end"]).to_pylist()
    found = []
    for row, text in zip(rows, index.passages(lake, chunks), strict=True):
        place = places[row["doc_id"]]
        if place == "held_out":
            continue
        if place == "neither":
            dropped["document_like_a_held_out_one"] += 1
        elif row["doc_id"] not in may_be_learnt:
            dropped["no_consent_or_trust"] += 1
        elif copied(text):
            dropped["passage_like_held_out_text"] += 1
        else:
            found.append(Passage(cluster=cluster[row["doc_id"]], text=text, **row))
    return Shelf(found)
