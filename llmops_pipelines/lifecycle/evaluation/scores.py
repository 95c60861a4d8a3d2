"""The asset eval_scores of one candidate: a row per question and metric, a summary with intervals, slices, a figure.

What a metric is belongs in the metric files, what two candidates' scores say about each other in `comparison.py`.
"""

from collections.abc import Callable
from typing import Any

from llmops_pipelines.config.evaluation import Judge
from llmops_pipelines.config.pipeline import Answers, Embeddings
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.lake import Draft, Lake, Version, digest

from . import plots, ragas_metrics, slices, text_metrics
from .judge import judged
from .retrieval_metrics import retrieval_scores
from .rows import Outcome, Row, Score, Scores, by_row, rows_of, scored
from .similarity import Embeds, similarities
from .statistics import Interval, detectable, interval, ratio

CODE = "eval_scores/2"
ATTEMPTS = 5  # times that an unchanged evaluation is done again because the judge failed on some rows
TEXT, RETRIEVAL = "text/2", "retrieval/2"  # how these metrics are measured; scores under different names are not compared


def score(
    lake: Lake,
    candidate: str,
    eval_questions: Version,
    answers: Version,
    documents: Version,
    settings: Answers,
    embeddings: Embeddings,
    secrets: "Callable[[str], str | None] | None" = None,
    embedder: Embeds | None = None,
    *,
    judge: Version | None = None,
    judging: Judge | None = None,
) -> Version:
    """Asset eval_scores/<candidate>. A question without an answer, and a metric that fails on a row, stay in as rows with an
    error.

    `judge` is the examined judge (`examine`) and `judging` its words; `embedder` replaces the one of `embeddings`. Rows on
    which the judge failed are tried again by the next call. Raises `EvaluationError` when the answers are to other questions.
    """
    measuring = {"sha256", "precision", "endpoint"}
    config: dict[str, Any] = {"refusal": settings.refusal}
    config["embedder"] = embeddings.model_dump(mode="json", include=measuring)
    parents = [eval_questions, answers, documents]
    if judge is not None and judging is not None:
        parents.append(judge)
        config["judge"] = judging.metrics

    def write(draft: Draft) -> None:
        rows = rows_of(eval_questions, answers, settings.refusal)
        eyes = embedder or index.Embedder.open(embeddings, secrets)
        measures: dict[str, str] = {}
        found = _text_scores(rows, eyes)
        measures |= dict.fromkeys(found, TEXT) | {"similarity": f"{TEXT} {digest(config['embedder'])[:16]}"}
        does = answers.json("candidate")
        if "retrieve" in does["steps"]:
            found |= (ranks := _retrieval_scores(rows, does["passages"]))
            measures |= dict.fromkeys(ranks, RETRIEVAL)
        if judge is not None and judging is not None:
            opinions = judged(lake, judge, judging, rows, eyes, secrets)
            found |= opinions.scores
            measures |= dict.fromkeys(opinions.scores, opinions.version)
            draft.facts |= opinions.facts
            draft.spent(tokens=opinions.facts["judge_tokens"])
            draft.json("judge", judge.json("judge"))
        _write(draft, candidate, rows, found, documents)
        draft.json("measures", measures)

    for attempt in range(ATTEMPTS):
        config["attempt"] = attempt
        version = lake.once(f"eval_scores/{candidate}", code=CODE, config=config, parents=parents, write=write)
        if not version.reused or not version.facts.get("judge_failures"):
            break
    return version


def _text_scores(rows: list[Row], embedder: Embeds) -> Scores:
    """What the text of the answers is worth; one that is not there has an error."""
    asked = [row for row in rows if row.answer is not None]
    texts, references = [row.answer for row in asked], [row.references for row in asked]
    pairs = list(zip(texts, references, strict=True))
    outcomes: dict[str, list[Outcome]] = {
        "exact_match": [text_metrics.best(text_metrics.exact_match, *pair) for pair in pairs],
        "token_f1": [text_metrics.best(text_metrics.token_f1, *pair) for pair in pairs],
        "refusal_right": [float(row.refused != row.answerable) for row in asked],
        **ragas_metrics.text_outcomes(texts, references),
        "similarity": list(similarities(embedder, texts, references)),
    }
    return {metric: scored(metric, rows, by_row(asked, found)) for metric, found in outcomes.items()}


def _retrieval_scores(rows: list[Row], passages: int) -> Scores:
    """Ranking metrics and the share of right passages; answerable questions only, since others have no right document."""
    answerable = [row for row in rows if row.answerable]
    found = {row.id: row.found for row in answerable if row.found is not None}
    outcomes = retrieval_scores(found, {row.id: row.documents for row in answerable}, passages)
    return {metric: scored(metric, answerable, each) for metric, each in outcomes.items()}


def _write(draft: Draft, candidate: str, rows: list[Row], scores: Scores, documents: Version) -> None:
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    flat = [vars(each) for found in scores.values() for each in found]
    columns = [("question_id", text), ("metric", text), ("score", number), ("error", text)]
    draft.table("eval_scores", pa.Table.from_pylist(flat, pa.schema(columns)))

    table = documents.table(columns=["doc_id", "source", "language"]).to_pylist()
    corpus = {row["doc_id"]: slices.Origin(row["source"], row["language"]) for row in table}
    members = slices.members(rows, corpus)
    columns = [("question_id", text), ("slice", text), ("value", text)]
    draft.table("members", pa.Table.from_pylist([vars(member) for member in members], pa.schema(columns)))
    columns = [*((name, text) for name in ("slice", "value", "metric")), *((name, number) for name in ("mean", "low", "high"))]
    parts = [vars(part) for part in slices.parts(members, scores)]
    draft.table("slices", pa.Table.from_pylist(parts, pa.schema([*columns, ("n", pa.int64()), ("coverage", number)])))

    summary = {metric: _summed(found) for metric, found in scores.items()} | _refusals(rows)
    draft.json("summary", summary)
    draft.json("asked", {row.id: row.asked for row in rows})
    plots.draw(candidate, summary, draft.file("scores.png", data=False))
    draft.facts |= {
        "questions": len(rows),
        "errors": sum(each["error"] is not None for each in flat),
        "coverage": min(found["coverage"] for found in summary.values()),
        # An index that keeps what was deleted shows here.
        "retrieved_unknown_documents": len({doc_id for row in rows for doc_id in row.found or ()} - corpus.keys()),
        **_facts(summary),
    }


def _summed(found: list[Score]) -> dict[str, Any]:
    """Mean over the scored rows, and which share that is. Without one there is no mean, and no zero in its place."""
    values = [each.score for each in found if each.score is not None]
    coverage = len(values) / len(found) if found else 0.0
    return {**_interval(interval(values) if values else None), "coverage": coverage, "detectable": detectable(values)}


def _interval(found: Interval | None) -> dict[str, Any]:
    return vars(found) if found else {"mean": None, "low": None, "high": None, "n": 0}


def _refusals(rows: list[Row]) -> dict[str, dict[str, Any]]:
    """How well it knows what it cannot answer: precision, recall and F1 of refusing, over the rows with an answer. A part
    that has no questions (nothing refused, nothing unanswerable) has no mean."""
    asked = [row for row in rows if row.answer is not None]
    refused = [float(row.refused) for row in asked]
    needed = [float(not row.answerable) for row in asked]
    right = [a * b for a, b in zip(refused, needed, strict=True)]
    doubled, either = [2 * each for each in right], [a + b for a, b in zip(refused, needed, strict=True)]
    found = {"precision": ratio(right, refused), "recall": ratio(right, needed), "f1": ratio(doubled, either)}
    coverage = len(asked) / len(rows) if rows else 0.0
    return {f"refusal_{name}": {**_interval(each), "coverage": coverage, "detectable": None} for name, each in found.items()}


def _facts(summary: dict[str, dict[str, Any]]) -> dict[str, float]:
    """token_f1, hit_at_5 and so on, and the smallest difference that these questions can show in each text metric."""
    facts = {metric: round(found["mean"], 4) for metric, found in summary.items() if found["mean"] is not None}
    for metric in ("token_f1", "exact_match", "contains_reference", "similarity"):
        if (least := summary[metric]["detectable"]) is not None:
            facts[f"detectable_{metric}"] = round(least, 4)
    return facts
