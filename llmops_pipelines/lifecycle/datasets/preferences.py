"""The asset preference_pairs: for one prompt a better and a worse answer, for DPO (Rafailov et al. 2023, arXiv 2305.18290).

People's preferences come from feedback; the others are made: a right answer against a plausible wrong one or a refusal.
"""

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llmops_pipelines.config.datasets import Questions
from llmops_pipelines.config.pipeline import Answers, Training
from llmops_pipelines.lifecycle.lake import Lake, Version, digest

from .examples import SOURCE, facts_of, random_of, reason, shown, table_of
from .json_lines import QuestionsError
from .lessons import Lesson, Lessons, Material
from .prompts import Prompt
from .sentences import DATE, NAME, PLAIN_WORD, SCALED, TIME
from .shelf import Passage
from .wording import plain

CODE = "preference_pairs/1"
REFUSE_EVERY = 3  # of so many answered questions one is refused in the worse answer
# What looks like an answer, special first. No span begins or ends inside a number or a word: 31 is none of 2031.
KINDS = tuple(
    re.compile(rf"(?<![\w.,:])(?:{pattern})(?![\w:]|[.,]\d)")
    for pattern in (TIME, DATE, f"{SCALED} {PLAIN_WORD}", SCALED, NAME)
)


@dataclass(frozen=True)
class Preference:
    """One row of the table preference_pairs. `answer` is the chosen one without the form of the prompt."""

    example_id: str
    prompt: str
    chosen: str
    rejected: str
    question: str
    contexts: list[str]
    answer: str
    doc_ids: list[str]
    cluster: str
    origin: str
    feedback_id: str | None
    release: str | None
    teacher: str | None


def preference_pairs(
    lake: Lake,
    documents: Version,
    chunks: Version,
    questions: Questions,
    training: Training,
    answers: Answers,
    project: Path,
    material: Material | None = None,
) -> Version:
    """Asset preference_pairs, origin "feedback" or "made". Raises `QuestionsError` when no row results."""
    material = material or Material()
    lessons = Lessons(lake, documents, chunks, questions, training, answers, project, material)

    def write(draft) -> None:
        learnt = lessons.all()
        made = [row for lesson in learnt for row in _rows(lesson, lessons, material.prompt)]
        rows = list({row.example_id: row for row in made}.values())
        if not rows:
            raise QuestionsError(
                f"no preference pair results from {len(learnt)} lessons; lower questions.held_out, raise "
                "training.pairs_per_document, or collect feedback"
            )
        draft.table("preference_pairs", table_of(rows, ("prompt", "chosen", "rejected")))
        draft.facts |= facts_of(rows, len(made), lessons)

    return lake.once("preference_pairs", code=CODE, config=lessons.config, parents=lessons.parents, write=write)


def _rows(lesson: Lesson, lessons: Lessons, prompt: Prompt) -> Iterator[Preference]:
    rng = random_of(f"preference/{lesson.key}")
    passages = shown(lessons.shelf, rng, lesson, lessons.answers.passages)
    if lesson.given is not None:
        worse, origin = lesson.given, "feedback"
    elif lesson.answerable and rng.randrange(REFUSE_EVERY) == 0:
        worse, origin = lessons.answers.refusal, "made"
    else:
        worse, origin = wrong_answer(lesson, passages, rng) or lessons.answers.refusal, "made"
    if not worse.strip() or plain(worse) == plain(lesson.answer):
        lessons.dropped["no_plausible_wrong_answer"] += 1
        return
    contexts = [passage.text for passage in passages]
    text = prompt.render(contexts, lesson.question)
    why = reason(lesson) if prompt.words.chain_of_thought else ""  # the same before both, so that the answers decide
    chosen, rejected = prompt.completion(lesson.answer, why), prompt.completion(worse, why)
    doc_ids = sorted({passage.doc_id for passage in passages})
    source = (getattr(lesson, name) for name in SOURCE)
    name = digest([origin, text, chosen, rejected])[:32]
    yield Preference(
        name, text, chosen, rejected, lesson.question, contexts, lesson.answer, doc_ids, lesson.gold.cluster, origin, *source
    )


def wrong_answer(lesson: Lesson, passages: Iterable[Passage], rng: random.Random) -> str | None:
    """A span of the passages that looks like the answer and is none: of its kind (a time, a date, a measure, a number, a
    name), from the right passage if it has one, and not named by the question. None when there is no such span."""
    known = [*map(plain, lesson.known), plain(lesson.question)]
    like = next((kind for kind in KINDS if kind.search(lesson.answer)), None) if lesson.answerable else None
    for passage in sorted(passages, key=lambda passage: passage != lesson.gold):
        for kind in [like] if like else KINDS:
            spans = sorted({found.group().rstrip(",") for found in kind.finditer(passage.text)})
            wrong = [span for span in spans if not any(plain(span) in text or text in plain(span) for text in known)]
            if wrong:
                return rng.choice(wrong)
    return None
