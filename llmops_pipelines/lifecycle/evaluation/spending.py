"""What an answer takes: time, tokens and money per question, from the timings that answering left behind."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from llmops_pipelines.lifecycle.lake import Version

from .answers import ALONE


@dataclass(frozen=True)
class Spent:
    """Per question; None where it was not measured. `cost_per_question` is in the currency of the endpoint's prices."""

    milliseconds_p50: float | None
    milliseconds_p95: float | None
    tokens_per_question: float | None
    cost_per_question: float | None


def spent(answers: Version | None) -> Spent:
    """Medians and means over the table `timings` (question_id, step, milliseconds, tokens_in, tokens_out, cost).

    Times are those of questions asked alone, where there are any: a share of a batch is no waiting time."""
    if answers is None or not answers.has("timings.parquet"):
        return Spent(None, None, None, None)
    rows = answers.table("timings").to_pylist()
    steps = [row for row in rows if row["step"] != ALONE]
    alone = [row["milliseconds"] for row in rows if row["step"] == ALONE and row["milliseconds"] is not None]
    waited = alone or _by_question((row["question_id"], row["milliseconds"]) for row in steps)
    read = _by_question((row["question_id"], row["tokens_in"]) for row in steps)
    written = _by_question((row["question_id"], row["tokens_out"]) for row in steps)
    paid = _by_question((row["question_id"], row["cost"]) for row in steps)
    return Spent(
        milliseconds_p50=_quantile(waited, 0.5),
        milliseconds_p95=_quantile(waited, 0.95),
        tokens_per_question=(sum(read) + sum(written)) / max(len(read), len(written)) if read or written else None,
        cost_per_question=sum(paid) / len(paid) if paid else None,
    )


def _by_question(measured: Iterable[tuple[str, float | None]]) -> list[float]:
    """The sum of each question over its steps; nothing when a number is missing in any of them, which would count as zero."""
    sums: dict[str, float] = defaultdict(float)
    unknown = set()
    for question, number in measured:
        if number is None:
            unknown.add(question)
        else:
            sums[question] += number
    return [total for question, total in sums.items() if question not in unknown]


def _quantile(values: list[float], share: float) -> float | None:
    import numpy as np

    return float(np.quantile(values, share)) if values else None
