"""What is scored: each evaluation question beside what one candidate made of it, and the scores that come of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from llmops_pipelines.lifecycle.lake import Version, digest

from .candidates import EvaluationError

Outcome = float | str  # a score, or what went wrong
NO_ANSWER = "no answer was recorded"


@dataclass(frozen=True)
class Row:
    """A question and its answer. `references` are the accepted answers, of an unanswerable question the refusal; `found` the
    documents of the retrieved chunks in order, None when the search was not reached; `read` the passages that the model saw.
    `answer` is None where there is none, and `problem` says why."""

    id: str
    question: str
    references: tuple[str, ...]
    documents: tuple[str, ...]
    answerable: bool
    topic: str | None
    language: str | None
    answer: str | None
    refused: bool
    found: tuple[str, ...] | None
    read: tuple[str, ...]
    problem: str

    @property
    def asked(self) -> str:
        """Identity of the question with its answers: a corrected question is another one."""
        return digest([self.question, self.references, self.documents, self.answerable])[:16]


@dataclass(frozen=True)
class Score:
    """One measurement. Exactly one of `score` (finite) and `error` is set."""

    question_id: str
    metric: str
    score: float | None
    error: str | None


Scores = dict[str, list[Score]]  # metric -> scores in question order


def rows_of(eval_questions: Version, answers: Version, refusal: str) -> list[Row]:
    """One row per question, answered or not. Raises `EvaluationError` when the answers are to other questions."""
    told = answers.parents.get(eval_questions.asset, eval_questions.digest)
    if told != eval_questions.digest:
        raise EvaluationError(
            f"{answers.asset} answers questions {told[:12]}, the evaluation set is {eval_questions.digest[:12]}; "
            "materialize the answers again"
        )
    said = {row["question_id"]: row for row in answers.table().to_pylist()}
    return [_row(question, said.get(question["id"]), refusal) for question in eval_questions.table().to_pylist()]


def _row(question: dict, said: dict | None, refusal: str) -> Row:
    said = said or {}
    return Row(
        id=question["id"],
        question=question["question"],
        references=tuple(question["answers"]) if question["answerable"] else (refusal,),
        documents=tuple(question["documents"]),
        answerable=question["answerable"],
        topic=question.get("topic"),
        language=question.get("language"),
        answer=said.get("answer"),
        refused=bool(said.get("refused")),
        found=None if said.get("documents") is None else tuple(said["documents"]),
        read=tuple(said.get("read") or ()),
        problem=said.get("error") or NO_ANSWER,
    )


def scored(metric: str, rows: Iterable[Row], outcomes: Mapping[str, Outcome]) -> list[Score]:
    """One score per row: the outcome of its id, or why there is none. What is not finite is an error."""
    found = []
    for row in rows:
        outcome = outcomes.get(row.id, row.problem)
        if not isinstance(outcome, str) and not isfinite(outcome):
            outcome = f"the score is {outcome}"
        number, error = (None, outcome) if isinstance(outcome, str) else (float(outcome), None)
        found.append(Score(row.id, metric, number, error))
    return found


def by_row(rows: Sequence[Row], outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    return dict(zip((row.id for row in rows), outcomes, strict=True))
