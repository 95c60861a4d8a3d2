"""The gate: what a candidate must show before it may answer users. Written positively; what was not measured never passes."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from llmops_pipelines.config.pipeline import Gate

Outcome = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True)
class Finding:
    """One requirement, what was measured, and what follows from it."""

    requirement: str
    measured: str
    outcome: Outcome

    def __str__(self) -> str:
        return f"{self.outcome}: {self.requirement} (measured {self.measured})"


@dataclass(frozen=True)
class Verdict:
    """All findings. `outcome` is pass only when every finding passes; a fail outweighs inconclusive."""

    findings: tuple[Finding, ...]

    @property
    def outcome(self) -> Outcome:
        outcomes = {finding.outcome for finding in self.findings}
        if outcomes == {"pass"}:
            return "pass"
        return "fail" if "fail" in outcomes else "inconclusive"

    @property
    def reasons(self) -> list[str]:
        return [str(finding) for finding in self.findings]


def decide(
    gate: Gate,
    scores: Mapping[str, Any],
    against_champion: tuple[float, float] | None,
    champion_exists: bool,
) -> Verdict:
    """Judge the fine-tuned candidate.

    `scores` is the summary of the eval report: {"fine_tuned": {metric: {"mean", "coverage", ...}}, "difference":
    {metric: {"low", ...}}, "retrieval": {"hit_at_5": {"mean", ...}}}. `against_champion` is the 95 % interval of
    (candidate - champion) on the questions that both answered, None if it could not be measured.
    """
    metric = gate.metric
    candidate = scores.get("fine_tuned", {}).get(metric, {})
    difference = scores.get("difference", {}).get(metric, {})
    found = scores.get("retrieval", {}).get("hit_at_5", {})
    findings = [
        _at_least(f"{metric} of the candidate is at least {gate.minimum:g}", candidate.get("mean"), gate.minimum),
        _at_least(f"at least {gate.coverage:.0%} of the questions were scored", candidate.get("coverage"), gate.coverage),
        _above(f"it beats its base by more than {gate.beat_base_by:g} in {metric}", difference.get("low"), gate.beat_base_by),
        _at_least(f"hit@5 of the retrieval is at least {gate.minimum_hit_at_5:g}", found.get("mean"), gate.minimum_hit_at_5),
    ]
    if champion_exists:
        allowed = -gate.not_worse_than_champion_by
        low = None if against_champion is None else against_champion[0]
        findings.append(_at_least(f"it is not worse than the champion by more than {-allowed:g} in {metric}", low, allowed))
    return Verdict(tuple(findings))


def _measured(value: Any) -> bool:
    return isinstance(value, int | float) and isfinite(value)


def _at_least(requirement: str, value: Any, threshold: float) -> Finding:
    if not _measured(value):
        return Finding(requirement, "nothing", "inconclusive")
    return Finding(requirement, f"{value:.3f}", "pass" if value >= threshold else "fail")


def _above(requirement: str, value: Any, threshold: float) -> Finding:
    if not _measured(value):
        return Finding(requirement, "nothing", "inconclusive")
    return Finding(requirement, f"{value:.3f} at the low end of the interval", "pass" if value > threshold else "fail")
