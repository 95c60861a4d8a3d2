"""What is known about a candidate when it is judged: its scores, what it costs, how it compares with its base and the champion.

All of it goes into the record, so that "on what evidence?" has an answer when the tables are gone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from llmops_pipelines.config.gate import Gate
from llmops_pipelines.lifecycle.evaluation.comparison import Report, difference
from llmops_pipelines.lifecycle.evaluation.spending import spent
from llmops_pipelines.lifecycle.lake import Version

from .gate import Against, Comparison, Measured, Verdict

MEMBERS = "members.parquet"  # eval_scores of earlier versions do not have it


@dataclass(frozen=True)
class NotCompared:
    """No comparison, and why."""

    reason: str
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


def against(before: Version | None, after: Version) -> Against:
    """How `after` differs from `before`, both eval_scores; `before` is None when it is gone."""
    if before is None or not before.has(MEMBERS):
        nothing = NotCompared("its scores are gone" if before is None else "an earlier version scored it in another way")
        return lambda metric, within: nothing
    old, new = Report.read(before), Report.read(after)
    return cache(lambda metric, within: difference(old, new, metric, within))


def measured(parts: Mapping[str, Version], retrieves: bool, base: Against | None, champion: Against | None) -> Measured:
    """The measurements of a candidate from its parts, by role."""
    scores, took = parts["eval_scores"], spent(parts.get("answers"))
    return Measured(
        summary=scores.json("summary"),
        slices=scores.table("slices").to_pylist() if scores.has("slices.parquet") else (),
        retrieves=retrieves,
        against_base=base,
        against_champion=champion,
        milliseconds_p95=took.milliseconds_p95,
        megabytes=_megabytes(parts.get("comparison"), scores),
        cost_per_question=took.cost_per_question,
    )


def recorded(gate: Gate, found: Measured, verdict: Verdict, parts: Mapping[str, Version]) -> dict[str, Any]:
    """What the record says of all this."""
    asked = [gate.metric, *gate.floors, *gate.margins, *(rule.metric or gate.metric for rule in gate.slices)]
    names = list(dict.fromkeys(asked))
    return {
        "verdict": verdict.outcome,
        "findings": [asdict(finding) for finding in verdict.findings],
        "summary": found.summary,
        "slices": [dict(row) for row in found.slices if row["metric"] in names],
        "spent": asdict(spent(parts.get("answers"))) | {"megabytes": found.megabytes},
        "against_base": _compared(found.against_base, [gate.metric]),
        "against_champion": _compared(found.against_champion, names),
        "choice": choice.json("choice") if (choice := parts.get("comparison")) else {},
        "training": training.facts if (training := parts.get("checkpoint")) else {},
        "examples": examples.facts if (examples := parts.get("training_examples")) else {},
        "questions": parts["eval_scores"].facts.get("questions"),
    }


def headline(found: Measured, gate: Gate, base: Version | None) -> dict[str, float]:
    """The few scores that stand beside a release everywhere."""
    means = {name: found.summary.get(name, {}).get("mean") for name in dict.fromkeys([gate.metric, *gate.floors, "hit_at_5"])}
    if base is not None:
        means[f"base_{gate.metric}"] = base.json("summary").get(gate.metric, {}).get("mean")
    return {name: mean for name, mean in means.items() if mean is not None}


def _compared(with_whom: Against | None, metrics: Iterable[str]) -> dict[str, dict[str, Any]]:
    return {metric: _plain(with_whom(metric, None)) for metric in metrics} if with_whom else {}


def _plain(found: Comparison) -> dict[str, Any]:
    return {name: getattr(found, name) for name in ("mean", "low", "high", "n", "reason")}


def _megabytes(comparison: Version | None, scores: Version) -> float | None:
    """The size of the candidate's model as the comparison of all candidates has it."""
    name = scores.asset.rpartition("/")[2]
    rows = comparison.table("candidates").to_pylist() if comparison else []
    return next((row["megabytes"] for row in rows if row["candidate"] == name), None)
