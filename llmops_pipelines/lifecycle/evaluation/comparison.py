"""What scores say about each other: one candidate against another, and the asset comparison of all of them.

Two scores of a question are compared only when the question, its answers and the way of measuring are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.lake import Draft, Lake, Version

from . import plots
from .spending import Spent, spent
from .statistics import detectable, paired_difference

if TYPE_CHECKING:
    import pyarrow as pa

CODE = "comparison/2"
ENOUGH = 0.5  # share of the second one's scored questions that both must have a score for
LEAST = 2  # pairs below which there is no spread


@dataclass(frozen=True)
class Comparison:
    """Mean and 95 % interval of (b - a) in one metric over the `n` questions that both have a score for, and the smallest
    difference that these could show. `low` is None when they cannot be compared; `reason` then says why."""

    metric: str
    mean: float | None
    low: float | None
    high: float | None
    n: int
    detectable: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Report:
    """The eval_scores of one candidate in memory: metric -> question -> score, how each is measured, what was asked."""

    scores: Mapping[str, Mapping[str, float]]
    measures: Mapping[str, str]
    asked: Mapping[str, str]
    members: Mapping[tuple[str, str], frozenset[str]]
    judge: Mapping[str, Any]

    @classmethod
    def read(cls, version: Version) -> "Report":
        scores: dict[str, dict[str, float]] = {}
        columns = ["metric", "question_id", "score"]
        table = version.table(columns=columns)
        for metric, question, score in zip(*(table.column(name).to_pylist() for name in columns), strict=True):
            if score is not None:
                scores.setdefault(metric, {})[question] = score
        members: dict[tuple[str, str], set[str]] = {}
        for row in version.table("members").to_pylist():
            members.setdefault((row["slice"], row["value"]), set()).add(row["question_id"])
        judge = version.json("judge") if version.has("judge.json") else {}
        frozen = {key: frozenset(ids) for key, ids in members.items()}
        return cls(scores, version.json("measures"), version.json("asked"), frozen, judge)


def compare(a: Version, b: Version, metric: str = "token_f1", within: tuple[str, str] | None = None) -> Comparison:
    """Two eval_scores, champion and candidate for example: the interval of (b - a). `within` is a slice and its value."""
    return difference(Report.read(a), Report.read(b), metric, within)


def difference(a: Report, b: Report, metric: str, within: tuple[str, str] | None = None) -> Comparison:
    if reason := _measured_differently(a, b, metric):
        return _nothing(metric, reason)
    old, new = a.scores.get(metric, {}), b.scores.get(metric, {})
    if within is not None:
        new = {key: new[key] for key in new.keys() & b.members.get(within, frozenset())}
    shared = sorted(key for key in old.keys() & new.keys() if a.asked[key] == b.asked[key])
    if len(shared) < max(LEAST, ENOUGH * len(new)):
        why = f"only {len(shared)} of {len(new)} scored questions are the same and have a score on both sides"
        return _nothing(metric, f"{why}; score both on one evaluation set", len(shared))
    first, second = [new[key] for key in shared], [old[key] for key in shared]
    found = paired_difference(first, second)
    least = detectable([x - y for x, y in zip(first, second, strict=True)])
    return Comparison(metric, found.mean, found.low, found.high, found.n, least)


def _nothing(metric: str, reason: str, n: int = 0) -> Comparison:
    return Comparison(metric, None, None, None, n, None, reason)


def _measured_differently(a: Report, b: Report, metric: str) -> str | None:
    if metric not in a.measures or metric not in b.measures:
        return f"{metric} was not measured on {'both' if metric not in {*a.measures, *b.measures} else 'one'} of the sides"
    if a.measures[metric] == b.measures[metric]:
        return None
    if not a.judge or not b.judge or metric not in a.judge["metrics"]:
        return f"{metric} was measured in two ways ({a.measures[metric]}, {b.measures[metric]})"
    if a.judge["identity"] != b.judge["identity"]:
        return f"{metric} was judged by two judges ({a.judge['named']}, {b.judge['named']})"
    later = max(a.judge, b.judge, key=lambda judge: judge["epoch"])
    return f"the judge moved between the two: {later['moved']}; score the older answers again to compare"


def compare_candidates(
    lake: Lake,
    scores: Mapping[str, Version],
    answers: Mapping[str, Version],
    metric: str = "token_f1",
    *,
    coverage: float = 0.98,
    failed: Mapping[str, str] | None = None,
) -> Version:
    """Asset comparison: every candidate with its scores, times, tokens, cost and megabytes, and the choice.

    Chosen is the cheapest (cost, then median time, then size) of those whose interval of (it - the best) does not lie below
    zero. One that is not in `scores`, is in `failed` (name -> reason) or has less than `coverage` is shown and never chosen.
    """
    failures = dict(failed or {})
    known = {name: version.facts.get("megabytes") for name, version in answers.items()}
    config = {"metric": metric, "coverage": coverage, "sizes": known, "failed": failures}
    parents = [*scores.values(), *answers.values()]

    def write(draft: Draft) -> None:
        standings = {name: _standing(name, scores, answers, known) for name in sorted({*scores, *answers, *failures})}
        refusals = {name: _refused(name, standings[name], metric, coverage, failures) for name in standings}
        choice = _choose(standings, refusals, metric)
        draft.table("candidates", _table(standings, refusals))
        draft.table("standings", _ranked(standings, choice), data=False)
        draft.json("choice", choice)
        plots.draw_comparison(standings, choice, metric, draft.file("comparison.png", data=False))
        draft.facts |= {"metric": metric, "candidates": len(standings)}
        draft.facts |= {"best": choice["best"] or "none", "chosen": choice["chosen"] or "none", "why": choice["why"]}
        draft.facts |= {f"{name}_{metric}": found.mean(metric) for name, found in standings.items() if found.measured(metric)}

    return lake.once("comparison", code=CODE, config=config, parents=parents, write=write)


@dataclass(frozen=True)
class Standing:
    """A candidate with all that is known about it; `report` is None for one without scores."""

    report: Report | None
    summary: Mapping[str, Mapping[str, Any]]
    spent: Spent
    megabytes: float | None

    def measured(self, metric: str) -> bool:
        return self.summary.get(metric, {}).get("mean") is not None

    def mean(self, metric: str) -> float:
        return self.summary[metric]["mean"]

    @property
    def price(self) -> tuple[float, float, float]:
        """What it is cheap by; what was not measured counts as endless."""
        known = (self.spent.cost_per_question, self.spent.milliseconds_p50, self.megabytes)
        first, second, third = (float("inf") if each is None else each for each in known)
        return first, second, third


def _standing(name: str, scores: Mapping[str, Version], answers: Mapping[str, Version], sizes: Mapping[str, float]) -> Standing:
    report = Report.read(scores[name]) if name in scores else None
    summary = scores[name].json("summary") if name in scores else {}
    return Standing(report, summary, spent(answers.get(name)), sizes.get(name))


def _refused(name: str, found: Standing, metric: str, coverage: float, failures: Mapping[str, str]) -> str | None:
    """Why a candidate cannot be chosen, or None."""
    if name in failures:
        return failures[name]
    if found.report is None:
        return "it was not scored"
    if not found.measured(metric):
        return f"{metric} could not be measured"
    if (had := found.summary[metric]["coverage"]) < coverage:
        return f"{metric} was measured on {had:.0%} of the questions; {coverage:.0%} are needed"
    return None


def _choose(standings: Mapping[str, Standing], refusals: Mapping[str, str | None], metric: str) -> dict[str, Any]:
    able = {name: found for name, found in standings.items() if refusals[name] is None}
    if not able:
        return {"metric": metric, "best": None, "chosen": None, "within_noise": [], "why": "no candidate could be measured"}
    best = min(able, key=lambda name: (-able[name].mean(metric), able[name].price, name))
    near = [name for name in able if name == best or _reaches(able[name], able[best], metric)]
    chosen = min(near, key=lambda name: (able[name].price, name))
    return {"metric": metric, "best": best, "chosen": chosen, "within_noise": near, "why": _why(best, chosen, able, metric)}


def _reaches(found: Standing, best: Standing, metric: str) -> bool:
    """The interval of (it - the best) holds zero or lies above; what cannot be compared does not."""
    compared = difference(best.report, found.report, metric)
    return compared.high is not None and compared.high >= 0


def _why(best: str, chosen: str, able: Mapping[str, Standing], metric: str) -> str:
    top = f"{best} has the best {metric} ({able[best].mean(metric):.3f})"
    if chosen == best:
        return f"{top}, and nothing cheaper comes within the noise of it"
    least = difference(able[best].report, able[chosen].report, metric).detectable
    shown = f" by questions that show differences from {least:.3f} on" if least else ""
    return f"{top}; {chosen} ({able[chosen].mean(metric):.3f}) cannot be told from it{shown}, and is the cheapest of those"


def _table(standings: Mapping[str, Standing], refusals: Mapping[str, str | None]) -> "pa.Table":
    """A row per candidate and metric; a candidate without scores has one row with its reason."""
    import pyarrow as pa

    leaders = _leaders(standings)
    rows = []
    for name, found in standings.items():
        same = {**vars(found.spent), "megabytes": found.megabytes, "candidate": name, "reason": refusals[name]}
        rows += [same | _measured(found, metric, leaders) for metric in found.summary] or [same]
    text, number = pa.string(), pa.float64()
    columns = [("candidate", text), ("metric", text)]
    columns += [(column, number) for column in ("mean", "low", "high", "coverage")]
    columns += [(f"difference_to_best_{end}", number) for end in ("low", "high")]
    columns += [(column, number) for column in (*Spent.__dataclass_fields__, "megabytes")]
    return pa.Table.from_pylist(rows, pa.schema([*columns, ("reason", text)]))


def _ranked(standings: Mapping[str, Standing], choice: Mapping[str, Any]) -> "pa.Table":
    """For people: the deciding metric and what it costs, the best candidate first. Nothing here that is not in `candidates`."""
    import pyarrow as pa

    metric, rows = choice["metric"], []
    for name, found in standings.items():
        marks = [mark for mark in ("best", "chosen") if choice[mark] == name]
        marks += ["within noise"] if name in choice["within_noise"] and not marks else []
        scored = {key: found.summary.get(metric, {}).get(key) for key in ("mean", "low", "high")}
        cost = {"milliseconds_p50": found.spent.milliseconds_p50, "cost_per_question": found.spent.cost_per_question}
        rows.append({"candidate": name, **scored, **cost, "megabytes": found.megabytes, "mark": ", ".join(marks)})
    rows.sort(key=lambda row: (row["mean"] is None, -(row["mean"] or 0.0), row["candidate"]))
    number = dict.fromkeys(("mean", "low", "high", "milliseconds_p50", "cost_per_question", "megabytes"), pa.float64())
    return pa.Table.from_pylist(rows, pa.schema({"candidate": pa.string(), **number, "mark": pa.string()}))


def _leaders(standings: Mapping[str, Standing]) -> dict[str, Standing]:
    """metric -> the candidate with the highest mean."""
    metrics = {metric for found in standings.values() for metric in found.summary if found.measured(metric)}
    return {
        metric: max((found for found in standings.values() if found.measured(metric)), key=lambda found: found.mean(metric))
        for metric in metrics
    }


def _measured(found: Standing, metric: str, leaders: Mapping[str, Standing]) -> dict[str, Any]:
    row = {"metric": metric, **{key: found.summary[metric][key] for key in ("mean", "low", "high", "coverage")}}
    leader = leaders.get(metric)
    if leader is None or leader.report is None or found.report is None:
        return row
    compared = difference(leader.report, found.report, metric)
    return row | {"difference_to_best_low": compared.low, "difference_to_best_high": compared.high}
