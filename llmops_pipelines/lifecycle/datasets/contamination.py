"""Decontamination: training rows that share a run of words with an evaluation question, or mean the same as one.

The same comparison drops such rows while they are made, and proves on the finished tables that none is left.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from llmops_pipelines.config.datasets import Decontamination
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lake.digests import text_digest

from .json_lines import QuestionsError
from .leaks import sentence
from .questions import Question, read
from .wording import plain, windows, words

if TYPE_CHECKING:
    import numpy as np

SHORTEST = 8  # words; a run of fewer is no evidence of copying (Brown et al. 2020, arXiv 2005.14165, appendix C)
BLOCK = 1_024  # training questions compared at once


class Embeds(Protocol):
    """Texts to unit vectors; `index.Embedder` in the product."""

    @property
    def fingerprint(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> "np.ndarray": ...


@dataclass(frozen=True)
class Remembering:
    """An embedder that keeps its vectors in the lake: a question is embedded once, however often it is compared."""

    lake: Lake
    embedder: Embeds

    @property
    def fingerprint(self) -> str:
        return self.embedder.fingerprint

    def embed(self, texts: Sequence[str]) -> "np.ndarray":
        import numpy as np
        import pyarrow as pa

        store = self.lake.store("question_vectors", self.fingerprint, "text_hash")
        by_hash = {text_digest(text): text for text in texts}
        if new := store.missing(by_hash):
            made = np.asarray(self.embedder.embed([by_hash[name] for name in new]), np.float32)
            store.append(pa.table({"text_hash": new, "vector": list(made)}))
        names = [text_digest(text) for text in texts]
        rows = store.take(names, ["vector"])
        vectors = rows.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(rows.num_rows, -1)
        place = {name: at for at, name in enumerate(rows.column("text_hash").to_pylist())}
        return vectors[[place[name] for name in names]].astype(np.float32)


@dataclass(frozen=True)
class Taught:
    """What a training row teaches, as far as evaluation could ask for it."""

    question: str
    answer: str


class Runs:
    """The word runs of evaluation questions and of their longer answers."""

    def __init__(self, asked: Iterable[Question], window: int) -> None:
        self._by_size: dict[int, dict[int, str]] = {}
        for question in asked:
            for text in (question.question, *question.answers):
                if (size := min(window, len(words(text)))) >= min(SHORTEST, window):
                    self._by_size.setdefault(size, {}).update(dict.fromkeys(windows(text, size), question.id))

    def shared_with(self, text: str) -> str | None:
        """The id of a question with which `text` shares a run: `window` words, or all words of a shorter text."""
        for size, known in self._by_size.items():
            for run in windows(text, size):
                if run in known:
                    return known[run]
        return None


def alike(taught: Sequence[Taught], asked: Sequence[Question], embedder: Embeds, similarity: float) -> dict[int, str]:
    """Place in `taught` -> id of the evaluation question that it gives away: a question whose vector is as near as
    `similarity` (cosine), with the same answer. Two questions of one form about two things have near vectors, too."""
    import numpy as np

    held = [question for question in asked if question.answerable]
    if not held or not taught:
        return {}
    theirs = _sound(embedder.embed([question.question for question in held]))
    answers = [{plain(answer) for answer in question.answers} for question in held]
    distinct = sorted({each.question for each in taught})
    near: dict[str, list[int]] = {}
    for first in range(0, len(distinct), BLOCK):
        some = distinct[first : first + BLOCK]
        cosines = _sound(embedder.embed(some)) @ theirs.T
        for row, column in np.argwhere(cosines >= similarity).tolist():
            near.setdefault(some[row], []).append(column)
    return {
        place: held[column].id
        for place, each in enumerate(taught)
        for column in near.get(each.question, ())
        if any(plain(each.answer) in answer or answer in plain(each.answer) for answer in answers[column])
    }


def _sound(vectors: "np.ndarray") -> "np.ndarray":
    """float32, refused unless of unit length: a comparison with NaN or zeros would find nothing alike, and pass."""
    import numpy as np

    vectors = np.asarray(vectors, np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        sound = np.abs(np.linalg.norm(vectors, axis=1) - 1) < 0.01
    if not sound.all():
        raise QuestionsError(
            f"decontamination: {np.count_nonzero(~sound)} of {len(sound)} questions have a vector that is not of unit length, "
            "so that nothing can be compared; check embeddings"
        )
    return vectors


def contaminated(
    eval_questions: Version, training_examples: Version, embedder: Embeds | None, settings: Decontamination
) -> list[str]:
    """One sentence per kind of contamination, empty when clean. Without an embedder only words are compared."""
    asked = list(read(eval_questions))
    rows = training_examples.table(columns=["question", "contexts", "answer"]).to_pylist()
    runs = Runs(asked, settings.window)
    texts = {text for row in rows for text in (row["question"], row["answer"], *row["contexts"])}
    found = {f"evaluation questions share {settings.window} words or all of theirs with training": _shared(runs, texts)}
    if embedder is not None:
        taught = [Taught(row["question"], row["answer"]) for row in rows]
        same = set(alike(taught, asked, embedder, settings.similarity).values())
        found["evaluation questions are taught in other words, with their answer"] = same
    return [sentence(what, names) for what, names in found.items() if names]


def _shared(runs: Runs, texts: Iterable[str]) -> set[str]:
    return {found for text in texts if (found := runs.shared_with(text))}
