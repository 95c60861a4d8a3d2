"""Whether a question-answer pair that a model wrote may be learnt from: each rule is a reason for rejecting it.

Nothing here asks a model; the round trip is in `written.py`.
"""

import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, ValidationError

from llmops_pipelines.config.words import Words

from .contamination import Runs
from .wording import plain, support, words

MOST_WORDS = 12  # of an answer; longer ones are sentences, not answers
LEAST_WORDS = 4  # of a question; shorter ones ask for anything
POINTING = re.compile(
    r"\b(?:passages?|text|excerpt|paragraph|section above|according to (?:this|it)|mentioned)\b", re.IGNORECASE
)
ARTICLES = {"a", "an", "the"}

Short = Annotated[str, Field(min_length=1, max_length=500)]


class Pair(Words):
    """A pair as the teacher wrote it."""

    question: Short = Field(description="A question that the passage answers")
    answer: Short = Field(description="Its answer, a phrase of the passage")


class Reply(Words):
    """What a teacher is to answer; its JSON Schema is sent along."""

    pairs: list[Pair] = Field(max_length=50, description="The pairs")


def pairs_in(value: Any) -> list[Pair] | None:
    """The pairs of a parsed answer; None when it has another form."""
    try:
        return Reply.model_validate(value, strict=True).pairs
    except ValidationError:
        return None


@dataclass(frozen=True)
class Rules:
    """What a pair is held against: `asked` are plain evaluation questions, `runs` the word runs of evaluation."""

    grounded: float
    asked: Set[str]
    runs: Runs

    def reason_against(self, pair: Pair, passage: str, title: str) -> str | None:
        """Why a pair is rejected, or None."""
        question, answer = plain(pair.question), plain(pair.answer)
        if not 1 <= len(words(pair.answer)) <= MOST_WORDS or answer not in plain(passage):
            return "answer_not_in_passage"
        if len(words(pair.question)) < LEAST_WORDS or not pair.question.strip().endswith("?"):
            return "no_question"
        if answer in question:
            return "answer_in_question"
        if POINTING.search(pair.question):
            return "points_at_the_passage"
        if support(pair.question, f"{title}\n{passage}") < self.grounded:
            return "not_grounded"
        if question in self.asked or any(self.runs.shared_with(text) for text in (pair.question, pair.answer)):
            return "question_in_evaluation"
        return None


def same_answer(one: str, other: str) -> bool:
    """Whether two answers say the same: equal words but for articles, or one within the other and at most twice as long."""
    a, b = ([word for word in words(text) if word not in ARTICLES] for text in (one, other))
    short, long = sorted((a, b), key=len)
    return bool(short) and len(long) <= 2 * len(short) and f" {' '.join(short)} " in f" {' '.join(long)} "
