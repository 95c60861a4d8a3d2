"""The asset eval_scores: one row per question, candidate and metric, a summary with intervals, and a figure.

What a metric is belongs in the metric files; which of them are taken, and how they are summed up, is decided here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from llmops_pipelines.config.pipeline import Answers, Embeddings
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.lake import Draft, Lake, Version

from . import plots, ragas_metrics, text_metrics
from .answers import EvaluationError
from .retrieval_metrics import retrieval_scores
from .similarity import Embeds, similarities
from .statistics import interval, paired_difference

CODE = "eval_scores/1"
ENOUGH = 0.5  # share of the candidate's questions that a comparison with the champion needs
CANDIDATES = ("base", "fine_tuned")
RETRIEVAL = "retrieval"  # stands in the column "candidate" for what both candidates share
NO_ANSWER = "no answer was recorded"


@dataclass(frozen=True)
class Score:
    """One measurement. Exactly one of `score` (finite) and `error` is set."""

    question_id: str
    candidate: str
    metric: str
    score: float | None
    error: str | None


Scores = dict[str, dict[str, list[Score]]]  # candidate -> metric -> scores in question order


def score(
    lake: Lake,
    eval_questions: Version,
    answers: Version,
    documents: Version,
    settings: Answers,
    embeddings: Embeddings,
    secrets: "Callable[[str], str | None] | None" = None,
    embedder: Embeds | None = None,
) -> Version:
    """Asset eval_scores. A question without an answer, and a metric that fails on a row, stay in as rows with an error.

    `embedder` replaces the one of `embeddings`. Raises `EvaluationError` when the candidates did not see the same prompts.
    """

    def write(draft: Draft) -> None:
        questions = eval_questions.table().to_pylist()
        said = _said(answers)
        judge = embedder or index.Embedder.open(embeddings, secrets)
        scores = {name: _scored(name, questions, said[name], settings, judge) for name in CANDIDATES}
        scores[RETRIEVAL] = _retrieval(questions, said, settings.passages)
        found = {doc_id for row in said["base"].values() for doc_id in row["documents"]}
        gone = found - set(documents.table().column("doc_id").to_pylist())  # an index that keeps what was deleted
        draft.facts["retrieved_unknown_documents"] = len(gone)
        _write(draft, scores, len(questions))

    config = {"passages": settings.passages, "refusal": settings.refusal}
    config["embedder"] = embeddings.model_dump(include={"sha256", "precision", "endpoint"})
    return lake.once("eval_scores", code=CODE, config=config, parents=[eval_questions, answers, documents], write=write)


def compare(champion: Version, candidate: Version, metric: str = "token_f1") -> tuple[float, float] | None:
    """95 % interval of (candidate - champion) of two eval_scores, paired over the questions that both have a score for.
    None when those are fewer than half of the candidate's: a few easy ones say nothing about the rest."""
    old, new = _by_question(champion, metric), _by_question(candidate, metric)
    shared = sorted(old.keys() & new.keys())
    if not shared or len(shared) < ENOUGH * len(new):
        return None
    found = paired_difference([new[key] for key in shared], [old[key] for key in shared])
    return found.low, found.high


def _by_question(version: Version, metric: str) -> dict[str, float]:
    rows = version.table().to_pylist()
    wanted = (row for row in rows if row["candidate"] == "fine_tuned" and row["metric"] == metric)
    return {row["question_id"]: row["score"] for row in wanted if row["score"] is not None}


def _said(answers: Version) -> dict[str, dict[str, dict[str, Any]]]:
    """candidate -> question id -> row."""
    said: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in CANDIDATES}
    for row in answers.table().to_pylist():
        said[row["candidate"]][row["question_id"]] = row
    for question_id in said["base"].keys() & said["fine_tuned"].keys():
        if said["base"][question_id]["prompt_digest"] != said["fine_tuned"][question_id]["prompt_digest"]:
            raise EvaluationError(f"question {question_id}: the candidates did not see the same prompt; answer it again")
    return said


def _scored(
    candidate: str, questions: list[dict], said: dict[str, dict], settings: Answers, embedder: Embeds
) -> dict[str, list[Score]]:
    """All text metrics of one candidate."""
    asked = [question for question in questions if question["id"] in said]
    texts = [said[question["id"]]["answer"] for question in asked]
    references = [question["answers"] if question["answerable"] else [settings.refusal] for question in asked]
    pairs = list(zip(texts, references, strict=True))
    refused = zip(texts, asked, strict=True)
    outcomes: dict[str, Sequence[ragas_metrics.Outcome]] = {
        "exact_match": [text_metrics.best(text_metrics.exact_match, *pair) for pair in pairs],
        "token_f1": [text_metrics.best(text_metrics.token_f1, *pair) for pair in pairs],
        "refusal_right": [text_metrics.refusal_right(t, settings.refusal, q["answerable"]) for t, q in refused],
        **ragas_metrics.text_outcomes(texts, references),
        "similarity": similarities(embedder, texts, references),
    }
    return {metric: list(_rows(questions, asked, candidate, metric, found)) for metric, found in outcomes.items()}


def _retrieval(questions: list[dict], said: dict[str, dict[str, dict]], passages: int) -> dict[str, list[Score]]:
    """Ranking metrics and the share of right passages; answerable questions only, since others have no right document."""
    answerable = [question for question in questions if question["answerable"]]
    found = said["fine_tuned"] | said["base"]
    asked = [question for question in answerable if question["id"] in found]
    ranked = [found[question["id"]]["documents"] for question in asked]
    ranks = [retrieval_scores(docs, set(question["documents"])) for docs, question in zip(ranked, asked, strict=True)]
    outcomes = {metric: [each[metric] for each in ranks] for metric in retrieval_scores([], {"any"})}
    given = [docs[:passages] for docs in ranked]
    outcomes |= ragas_metrics.context_outcomes(given, [question["documents"] for question in asked])
    return {metric: list(_rows(answerable, asked, RETRIEVAL, metric, got)) for metric, got in outcomes.items()}


def _rows(
    questions: list[dict], asked: list[dict], candidate: str, metric: str, outcomes: Sequence[ragas_metrics.Outcome]
) -> Iterator[Score]:
    found = dict(zip((question["id"] for question in asked), outcomes, strict=True))
    for question in questions:
        outcome = found.get(question["id"], NO_ANSWER)
        if isinstance(outcome, float) and not isfinite(outcome):
            outcome = f"the score is {outcome}"
        number, error = (None, outcome) if isinstance(outcome, str) else (outcome, None)
        yield Score(question["id"], candidate, metric, number, error)


def _summary(scores: Scores) -> dict[str, dict[str, dict[str, Any]]]:
    summary = {name: {metric: _mean(rows) for metric, rows in found.items()} for name, found in scores.items()}
    base, tuned = scores["base"], scores["fine_tuned"]
    summary["difference"] = {metric: _difference(tuned[metric], base[metric]) for metric in tuned}
    return summary


def _mean(rows: list[Score]) -> dict[str, Any]:
    """Mean over the scored rows, and which share that is. Without one there is no mean, and no zero in its place."""
    values = [row.score for row in rows if row.score is not None]
    coverage = len(values) / len(rows) if rows else 0.0
    found = vars(interval(values)) if values else {"mean": None, "low": None, "high": None, "n": 0}
    return {**found, "coverage": coverage}


def _difference(tuned: list[Score], base: list[Score]) -> dict[str, Any]:
    pairs = [(a.score, b.score) for a, b in zip(tuned, base, strict=True) if a.score is not None and b.score is not None]
    if not pairs:
        return {"mean": None, "low": None, "high": None, "n": 0}
    return vars(paired_difference([a for a, _ in pairs], [b for _, b in pairs]))


def _write(draft: Draft, scores: Scores, questions: int) -> None:
    import pyarrow as pa

    rows = [row for found in scores.values() for each in found.values() for row in each]
    names = [(name, pa.string()) for name in ("question_id", "candidate", "metric")]
    schema = pa.schema([*names, ("score", pa.float64()), ("error", pa.string())])
    draft.table("eval_scores", pa.Table.from_pylist([vars(row) for row in rows], schema))
    summary = _summary(scores)
    draft.json("summary", summary)
    plots.draw(summary, draft.file("scores.png", data=False))
    measured = [found for name, metrics in summary.items() if name != "difference" for found in metrics.values()]
    draft.facts |= {
        "questions": questions,
        "errors": sum(row.error is not None for row in rows),
        "coverage": min(found["coverage"] for found in measured),
        **_flat(summary),
    }


def _flat(summary: dict[str, dict[str, dict[str, Any]]]) -> dict[str, float]:
    """fine_tuned_token_f1, difference_token_f1_low, hit_at_5 and so on; what has no mean is left out."""
    facts = {}
    for name, metrics in summary.items():
        for metric, found in metrics.items():
            key = metric if name == RETRIEVAL else f"{name}_{metric}"
            parts = {key: "mean"} | ({f"{key}_low": "low", f"{key}_high": "high"} if name == "difference" else {})
            facts |= {fact: round(found[part], 4) for fact, part in parts.items() if found[part] is not None}
    return facts
