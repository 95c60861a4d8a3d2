"""Do the judge and the experts agree? Ratings of people beside scores of the judge, for the same question and release.

A judge that nobody agrees with measures something, but not what people mean by a good answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from llmops_pipelines.lifecycle.datasets.wording import plain
from llmops_pipelines.lifecycle.lake import Version

FEW = 10  # answers with both below which agreement is chance
GOOD = 0.5  # score from which the judge calls an answer good
Key = tuple[str, str]  # (release, question)


@dataclass(frozen=True)
class Rating:
    """A person's opinion of the answer that a release gave to a question."""

    release: str
    question: str
    good: bool


@dataclass(frozen=True)
class Agreement:
    """Of `n` answers that both judged: rank correlation of score and rating (Spearman), agreement beyond chance of good and
    bad (Cohen's kappa, 1960). None with a `reason` where it cannot be said."""

    metric: str
    n: int
    spearman: float | None
    kappa: float | None
    reason: str | None = None


def judged_answers(release: str, eval_scores: Version, eval_questions: Version, metric: str) -> dict[Key, float]:
    """The judge's scores of one release by question text."""
    texts = {row["id"]: row["question"] for row in eval_questions.table(columns=["id", "question"]).to_pylist()}
    rows = (row for row in eval_scores.table().to_pylist() if row["metric"] == metric and row["score"] is not None)
    return {(release, plain(texts[row["question_id"]])): row["score"] for row in rows if row["question_id"] in texts}


def agreement(metric: str, ratings: Iterable[Rating], judged: Mapping[Key, float]) -> Agreement:
    """Of several ratings of one answer the share of good ones counts; a tie says nothing about good or bad, but has a rank."""
    given: dict[Key, list[bool]] = {}
    for rating in ratings:
        given.setdefault((rating.release, plain(rating.question)), []).append(rating.good)
    both = sorted(given.keys() & judged.keys())
    people, scores = [fmean(given[key]) for key in both], [judged[key] for key in both]
    if len(both) < FEW:
        return Agreement(metric, len(both), None, None, f"only {len(both)} answers have a rating and a score, {FEW} are needed")
    if len(set(people)) == 1 or len(set(scores)) == 1:
        side = "people rated" if len(set(people)) == 1 else "the judge scored"
        return Agreement(metric, len(both), None, None, f"{side} all {len(both)} answers alike")
    from scipy.stats import spearmanr

    sides = [(score >= GOOD, share > 0.5) for score, share in zip(scores, people, strict=True) if share != 0.5]
    return Agreement(metric, len(both), float(spearmanr(people, scores).statistic), _kappa(sides))


def _kappa(sides: Sequence[tuple[bool, bool]]) -> float | None:
    """None when chance alone would agree always: one side calls everything good, and so does the other."""
    if not sides:
        return None
    seen = fmean(a == b for a, b in sides)
    first, second = fmean(a for a, _ in sides), fmean(b for _, b in sides)
    chance = first * second + (1 - first) * (1 - second)
    return None if chance == 1 else (seen - chance) / (1 - chance)
