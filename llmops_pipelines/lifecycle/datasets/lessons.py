"""Lessons: each a question, its right answer and the passage that proves it, from people, rules and a teacher model.

What they become is written elsewhere: prompts with completions in `examples.py`, chosen and rejected answers in
`preferences.py`. Every source obeys the same border: only passages of the shelf, no question of evaluation.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmops_pipelines.config.datasets import Decontamination, Feedback, Questions
from llmops_pipelines.config.documents import Cleaning
from llmops_pipelines.config.pipeline import Answers, Training
from llmops_pipelines.lifecycle.corpus.cleaners.cleaning import Preparing, identity
from llmops_pipelines.lifecycle.index import Hit
from llmops_pipelines.lifecycle.lake import Lake, Version

from .border import Border, draw
from .contamination import Embeds, Taught, alike
from .feedback import Line, Privacy, Said, load_feedback, verdicts
from .pairs import pairs
from .prompts import PRODUCT, Prompt
from .question_files import Row, load
from .questions import Placed, Question, texts_of
from .shelf import Passage, Shelf
from .wording import plain, support

BATCH = 256  # documents whose text is in memory at a time
SUPPORTED = 0.6  # share of an answer's telling words in a passage from which people's own wording counts as proven by it


@dataclass(frozen=True)
class Lesson:
    """`key` seeds whatever is drawn for it. `known` are all right answers, and empty when the right answer is the refusal;
    `given` is a worse answer that people saw."""

    key: str
    question: str
    answer: str
    known: tuple[str, ...]
    gold: Passage
    origin: str
    given: str | None = None
    feedback_id: str | None = None
    release: str | None = None
    teacher: str | None = None

    @property
    def answerable(self) -> bool:
        return bool(self.known)


@dataclass(frozen=True)
class People:
    """What people said, and how the passages are found that it is about: best first. `versions` are what `find` reads, index
    and retrieval settings; what holds personal data by `cleaning` is left out."""

    feedback: Feedback
    find: Callable[[list[str], int], Sequence[Sequence[Hit]]]
    versions: tuple[Version, ...]
    cleaning: Cleaning = Cleaning()


@dataclass(frozen=True)
class Material:
    """What training data may be made with besides documents and questions. Without an embedder only words are compared with
    evaluation; `written` is a version of written_pairs."""

    prompt: Prompt = PRODUCT
    people: People | None = None
    written: Version | None = None
    decontamination: Decontamination = Decontamination()
    embedder: Embeds | None = None


@dataclass
class Lessons:
    """All lessons of one corpus. What cannot be one is counted in `dropped`, by reason."""

    lake: Lake
    documents: Version
    chunks: Version
    questions: Questions
    training: Training
    answers: Answers
    project: Path
    material: Material
    dropped: Counter[str] = field(default_factory=Counter)
    shelf: Shelf = field(default_factory=lambda: Shelf([]))

    def __post_init__(self) -> None:
        self.rows: list[Row] = load(self.questions, self.project)
        people = self.material.people
        self.lines: list[Line] = load_feedback(people.feedback, self.project) if people else []

    @property
    def parents(self) -> list[Version]:
        found = [self.documents, self.chunks]
        if self.material.written:
            found.append(self.material.written)
        return [*found, *(self.material.people.versions if self.material.people else ())]

    @property
    def config(self) -> dict[str, Any]:
        """What decides the lessons beside the parents."""
        people, embedder = self.material.people, self.material.embedder
        return {
            "held_out": self.questions.held_out,
            "rows": self.rows,
            "pairs_per_document": self.training.pairs_per_document,
            "passages": self.answers.passages,
            "refusal": self.answers.refusal,
            "prompt": self.material.prompt.digest,
            "feedback": self._heard(people) if people else None,
            "decontamination": self.material.decontamination,
            "embedder": embedder.fingerprint if embedder else None,
        }

    def _heard(self, people: People) -> list[Any]:
        return [self.lines, people.feedback.learn_from, people.feedback.passages, identity(Preparing.of(people.cleaning))]

    def all(self) -> list[Lesson]:
        """Reads the corpus. Holds the passages of the train side in memory."""
        held_out, window = self.questions.held_out, self.material.decontamination.window
        border = draw(self.lake, self.documents, self.chunks, self.rows, held_out, window, self.dropped)
        self.shelf = border.shelf
        found = [*self._of_questions(border.placed), *self._of_rules(), *self._of_teacher(), *self._of_people()]
        return self._unlike_evaluation(found, border)

    def _of_questions(self, placed: Placed) -> Iterator[Lesson]:
        for question in placed.train:
            gold = self._gold(question)
            if gold is None:
                self.dropped["answer_not_in_passage" if question.answerable else "no_passage"] += 1
            elif question.answerable:
                yield self._lesson(question.id, question.question, question.answers, gold, "question")
            else:
                yield self._refused(question.id, question.question, gold, "unanswerable")

    def _gold(self, question: Question) -> Passage | None:
        if question.answerable:
            return self.shelf.answering(question.documents, question.question, question.answers)
        return self.shelf.nearest(question.documents, question.question)

    def _of_rules(self) -> Iterator[Lesson]:
        limit = self.training.pairs_per_document
        titles = dict(zip(*(self.documents.table().column(name).to_pylist() for name in ("doc_id", "title")), strict=True))
        doc_ids = sorted(self.shelf.by_document) if limit else []
        for first in range(0, len(doc_ids), BATCH):
            texts = texts_of(self.lake, self.documents, set(doc_ids[first : first + BATCH]))
            for doc_id in doc_ids[first : first + BATCH]:
                for pair in pairs(texts[doc_id], titles[doc_id] or doc_id, limit):
                    gold = self.shelf.covering(doc_id, pair.start, pair.end)
                    if gold is None or not gold.holds([pair.answer]):
                        self.dropped["answer_not_in_passage"] += 1
                    else:
                        yield self._lesson(f"{doc_id}/{pair.question}", pair.question, (pair.answer,), gold, pair.origin)

    def _of_teacher(self) -> Iterator[Lesson]:
        for row in self.material.written.table().to_pylist() if self.material.written else ():
            gold = self.shelf.by_chunk.get(row["chunk_id"])
            if gold is None or not gold.holds([row["answer"]]):
                self.dropped["written_pair_without_passage"] += 1
                continue
            key = f"written/{row['pair_id']}"
            yield self._lesson(key, row["question"], (row["answer"],), gold, "written", teacher=row["teacher"])

    def _of_people(self) -> Iterator[Lesson]:
        people = self.material.people
        if people is None:
            return
        said, dropped = verdicts(self.lines, people.feedback)
        self.dropped.update({f"feedback_{reason}": count for reason, count in dropped.items()})
        privacy = Privacy(people.cleaning)
        public = [each for each in said if not privacy.concerns(each)]
        self.dropped["feedback_personal_data"] += len(said) - len(public)
        hits = people.find([each.question for each in public], people.feedback.passages) if public else []
        for each, found in zip(public, hits, strict=True):
            lesson = self._of_person(each, found)
            if isinstance(lesson, str):
                self.dropped[f"feedback_{lesson}"] += 1
            else:
                yield lesson

    def _of_person(self, said: Said, hits: Sequence[Hit]) -> Lesson | str:
        """The lesson, or why not. The passages decide the side, and one held-out passage that could be meant is too many."""
        refuses = plain(said.right) == plain(self.answers.refusal)
        proving = hits[:1] if refuses else [hit for hit in hits if support(said.right, hit.text) >= SUPPORTED]
        if not hits or not proving:
            return "answer_not_in_passage"
        meant = [self.shelf.by_chunk.get(hit.chunk_id) for hit in (hits[0], *proving)]
        if any(passage is None for passage in meant):
            return "passage_not_on_the_train_side"
        exact = [passage for passage in meant[1:] if passage.holds([said.right])]
        key = f"feedback/{said.feedback_id}/{said.release}"
        source = {"given": said.given, "feedback_id": said.feedback_id, "release": said.release}
        if refuses:
            return self._refused(key, said.question, meant[0], "feedback", **source)
        return Lesson(key, said.question, said.right, (said.right,), (exact or meant[1:])[0], "feedback", **source)

    def _lesson(self, key: str, question: str, known: tuple[str, ...], gold: Passage, origin: str, **source: Any) -> Lesson:
        said = next(answer for answer in known if gold.holds([answer]))
        return Lesson(key, question, said, known, gold, origin, **source)

    def _refused(self, key: str, question: str, gold: Passage, origin: str, **source: Any) -> Lesson:
        return Lesson(key, question, self.answers.refusal, (), gold, origin, **source)

    def _unlike_evaluation(self, found: list[Lesson], border: Border) -> list[Lesson]:
        """Without the lessons that evaluation asks for: in the same words, in a run of words, or in others."""
        kept = []
        for lesson in found:
            if plain(lesson.question) in border.asked:
                self.dropped["question_in_evaluation"] += 1
            elif any(border.runs.shared_with(text) for text in (lesson.question, lesson.answer)):
                self.dropped["words_of_an_evaluation_question"] += 1
            else:
                kept.append(lesson)
        if self.material.embedder is None:
            return kept
        taught = [Taught(lesson.question, lesson.answer) for lesson in kept]
        limit = self.material.decontamination.similarity
        same = alike(taught, border.placed.held_out, self.material.embedder, limit)
        self.dropped["taught_in_other_words"] += len(same)
        return [lesson for at, lesson in enumerate(kept) if at not in same]
