"""Scores of answers in one metric, in memory, by the same functions that the asset eval_scores is made with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from llmops_pipelines.config.evaluation import JUDGED, Judge
from llmops_pipelines.lifecycle.evaluation import ragas_metrics, text_metrics
from llmops_pipelines.lifecycle.evaluation.judge import judged
from llmops_pipelines.lifecycle.evaluation.retrieval_metrics import MEASURES, retrieval_scores
from llmops_pipelines.lifecycle.evaluation.rows import NO_ANSWER, Row
from llmops_pipelines.lifecycle.evaluation.similarity import Embeds, similarities
from llmops_pipelines.lifecycle.lake import Lake, Version

from .bundles import BlameError
from .questions import Question

RANKING = (*MEASURES, "document_precision", "document_recall")
RAGAS = ("rouge_l", "bleu", "chrf", "string_similarity", "contains_reference")
KNOWN = ("token_f1", "exact_match", "refusal_right", "similarity", *RAGAS, *RANKING, *JUDGED)
Scored = dict[str, float]


@dataclass(frozen=True)
class Given:
    """What a product made of one question: `documents` of the chunks that were found in order, None where none were sought,
    `read` what the model saw."""

    answer: str | None
    refused: bool
    documents: tuple[str, ...] | None
    passages: tuple[str, ...]
    read: tuple[str, ...]


def given(answers: Version, texts: Mapping[str, str]) -> dict[str, Given]:
    """The rows of an answers version by the text of the question; `texts` is question id -> text."""
    found = {}
    for row in answers.table().to_pylist():
        if (text := texts.get(row["question_id"])) is not None:
            documents = None if row.get("documents") is None else tuple(row["documents"])
            read, passages = tuple(row.get("read") or ()), tuple(row.get("passages") or ())
            found[text] = Given(row["answer"], bool(row["refused"]), documents, passages, read)
    return found


@dataclass(frozen=True)
class Scorer:
    """Measures one metric. `judge` and its words are needed for judged metrics only, `eyes` for those that embed."""

    lake: Lake
    metric: str
    eyes: Callable[[], Embeds]
    judge: Version | None = None
    words: Judge | None = None
    secrets: Callable[[str], str | None] | None = None

    def __post_init__(self) -> None:
        if self.metric not in KNOWN:
            raise BlameError(f"--metric: {self.metric} is no score per question; blame can explain {', '.join(KNOWN)}")

    def scores(
        self, questions: Mapping[str, Question], said: Mapping[str, Given], refusal: str, passages: int, retrieves: bool
    ) -> Scored:
        """question id -> score; a question without one is left out."""
        rows = [_row(each, said.get(each.question), refusal) for each in questions.values()]
        if self.metric in RANKING and not retrieves:
            return {}
        return {name: score for name, score in self._of(rows, passages).items() if isfinite(score)}

    def _of(self, rows: Sequence[Row], passages: int) -> Scored:
        if self.metric in RANKING:
            asked = [row for row in rows if row.answerable and row.found is not None]
            found = {row.id: row.found for row in asked}
            return retrieval_scores(found, {row.id: row.documents for row in asked}, passages)[self.metric]
        if self.metric in JUDGED:
            return self._judged(rows)
        asked = [row for row in rows if row.answer is not None]
        return dict(zip((row.id for row in asked), self._texts(asked), strict=True))

    def _texts(self, rows: Sequence[Row]) -> list[float]:
        if self.metric == "refusal_right":
            return [float(row.refused != row.answerable) for row in rows]
        texts, references = [row.answer or "" for row in rows], [row.references for row in rows]
        if self.metric == "similarity":
            return similarities(self.eyes(), texts, references)
        if self.metric in RAGAS:
            outcomes = ragas_metrics.text_outcomes(texts, references)[self.metric]
            return [float("nan") if isinstance(each, str) else each for each in outcomes]
        measure = {"token_f1": text_metrics.token_f1, "exact_match": text_metrics.exact_match}[self.metric]
        return [text_metrics.best(measure, *pair) for pair in zip(texts, references, strict=True)]

    def _judged(self, rows: Sequence[Row]) -> Scored:
        if self.judge is None or self.words is None:
            raise BlameError(f"{self.metric} is a judge's, and no judge is configured any more; see evaluation.judge")
        opinions = judged(self.lake, self.judge, self.words, rows, self.eyes(), self.secrets)
        return {each.question_id: each.score for each in opinions.scores.get(self.metric, []) if each.score is not None}


def _row(question: Question, said: Given | None, refusal: str) -> Row:
    return Row(
        id=question.id,
        question=question.question,
        references=question.answers if question.answerable else (refusal,),
        documents=question.documents,
        answerable=question.answerable,
        topic=None,
        language=None,
        answer=said.answer if said else None,
        refused=bool(said and said.refused),
        found=said.documents if said else None,
        read=said.read if said else (),
        problem=NO_ANSWER,
    )
