"""The asset training_examples: prompts and completions made of lessons, and the rows that teach to refuse.

Which lessons there are is decided in `lessons.py`, what a prompt looks like in `prompts.py`, made-up questions in `pairs.py`.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmops_pipelines.config.datasets import Questions
from llmops_pipelines.config.pipeline import Answers, Training
from llmops_pipelines.lifecycle.lake import Draft, Lake, Version, digest

from .json_lines import QuestionsError
from .lessons import Lesson, Lessons, Material
from .prompts import Prompt
from .sentences import sentences
from .shelf import Passage, Shelf
from .wording import plain

CODE = "training_examples/3"
DRAWS = 2  # rows per written question, each with other passages beside the right one
WRONG_EVERY = 12  # of so many answered rows one is asked again with wrong passages, to be refused
SOURCE = ("feedback_id", "release", "teacher")  # whose words a row holds; null for rules and question files


@dataclass(frozen=True)
class Example:
    """One row of the table training_examples. `contexts` are the passages of the prompt, in its order."""

    example_id: str
    prompt: str
    completion: str
    question: str
    contexts: list[str]
    answer: str
    doc_ids: list[str]
    cluster: str
    origin: str
    feedback_id: str | None
    release: str | None
    teacher: str | None


@dataclass
class Maker:
    """Turns lessons into rows. Each row draws from a generator of its own, so that rows do not depend on each other."""

    shelf: Shelf
    prompt: Prompt
    passages: int
    refusal: str

    def rows(self, lesson: Lesson) -> Iterator[Example]:
        if lesson.origin == "question" and lesson.answerable:
            for draw in range(DRAWS):
                yield from self._answered(f"{lesson.key}/{draw}", lesson)
        elif lesson.answerable:
            yield from self._answered(lesson.key, lesson)
        else:
            rng = random_of(lesson.key)
            yield self._row(shown(self.shelf, rng, lesson, self.passages), lesson, lesson.answer, lesson.origin)

    def _answered(self, key: str, lesson: Lesson) -> Iterator[Example]:
        """The row with the right passage, and for some questions a second one without it."""
        rng = random_of(key)
        yield self._row(shown(self.shelf, rng, lesson, self.passages), lesson, lesson.answer, lesson.origin)
        if rng.randrange(WRONG_EVERY) == 0:
            wrong = self.shelf.others(rng, self.passages, lesson.known, lesson.gold.doc_id, [lesson.gold])
            if wrong:
                rng.shuffle(wrong)
                yield self._row(wrong, lesson, self.refusal, "wrong_passages")

    def _row(self, passages: list[Passage], lesson: Lesson, said: str, origin: str) -> Example:
        contexts = [passage.text for passage in passages]
        reasoning = reason(lesson) if self.prompt.words.chain_of_thought and said == lesson.answer else ""
        text, completion = self.prompt.render(contexts, lesson.question), self.prompt.completion(said, reasoning)
        doc_ids = sorted({passage.doc_id for passage in passages})
        source = (getattr(lesson, name) for name in SOURCE)
        name = digest([origin, text, completion])[:32]
        return Example(name, text, completion, lesson.question, contexts, said, doc_ids, lesson.gold.cluster, origin, *source)


def training_examples(
    lake: Lake,
    documents: Version,
    chunks: Version,
    questions: Questions,
    training: Training,
    answers: Answers,
    project: Path,
    material: Material | None = None,
) -> Version:
    """Asset training_examples. Holds the chunks of the train side in memory. Raises `QuestionsError` when no row results."""
    material = material or Material()
    lessons = Lessons(lake, documents, chunks, questions, training, answers, project, material)

    def write(draft: Draft) -> None:
        learnt = lessons.all()
        maker = Maker(lessons.shelf, material.prompt, answers.passages, answers.refusal)
        made = [row for lesson in learnt for row in maker.rows(lesson)]
        _write(draft, made, lessons)

    return lake.once("training_examples", code=CODE, config=lessons.config, parents=lessons.parents, write=write)


def shown(shelf: Shelf, rng: random.Random, lesson: Lesson, count: int) -> list[Passage]:
    """The right passage among others without the answer, in any order."""
    passages = [lesson.gold, *shelf.others(rng, count - 1, lesson.known, lesson.gold.doc_id, [lesson.gold])]
    rng.shuffle(passages)
    return passages


def reason(lesson: Lesson) -> str:
    """The sentence of the right passage that holds the answer: what a model that reasons first is to say first."""
    found = (sentence.text for sentence in sentences(lesson.gold.text))
    return next((text for text in found if plain(lesson.answer) in plain(text)), "")


def random_of(key: str) -> random.Random:
    return random.Random(hashlib.sha256(key.encode("utf-8")).digest())


def table_of(rows: list[Any], texts: tuple[str, ...]) -> Any:
    """Rows of training_examples or preference_pairs as a `pyarrow.Table`; `texts` are their first columns."""
    import pyarrow as pa

    names = pa.list_(pa.string())
    kinds = [(name, pa.string()) for name in ("example_id", *texts, "question")]
    kinds += [("contexts", names), ("answer", pa.string()), ("doc_ids", names)]
    kinds += [(name, pa.string()) for name in ("cluster", "origin", *SOURCE)]
    return pa.Table.from_pylist([vars(row) for row in rows], pa.schema(kinds))


def facts_of(rows: list[Any], made: int, lessons: Lessons) -> dict[str, Any]:
    lessons.dropped["repeated_row"] += made - len(rows)
    return {
        "examples": len(rows),
        "documents": len({doc_id for row in rows for doc_id in row.doc_ids}),
        "clusters": len({row.cluster for row in rows}),
        "prompt": lessons.material.prompt.digest[:12],
        **{f"origin_{origin}": count for origin, count in sorted(Counter(row.origin for row in rows).items())},
        **{f"dropped_{reason}": count for reason, count in sorted(lessons.dropped.items()) if count},
    }


def _write(draft: Draft, made: list[Example], lessons: Lessons) -> None:
    rows = list({row.example_id: row for row in made}.values())
    if not rows:
        raise QuestionsError(
            f"no training example results from {len(lessons.shelf.passages)} passages on the train side; "
            "lower questions.held_out, or raise training.pairs_per_document"
        )
    draft.table("training_examples", table_of(rows, ("prompt", "completion")))
    draft.facts |= facts_of(rows, len(made), lessons)
    draft.facts["refusals"] = sum(row.answer == lessons.answers.refusal for row in rows)
