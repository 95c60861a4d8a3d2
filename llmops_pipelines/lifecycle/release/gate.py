"""The gate: what a candidate must show before it may answer users. Written positively; what was not measured never passes.

What is measured is gathered in `evidence.py`; licences and approved models are in `terms.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, Protocol

from llmops_pipelines.config.gate import Gate, SliceRule

Outcome = Literal["pass", "fail", "inconclusive"]
Decision = Literal["promote", "reject", "inconclusive"]


class Comparison(Protocol):
    """Mean and 95 % interval of a paired difference over `n` questions; `low` is None, with a `reason`, if there is none."""

    mean: float | None
    low: float | None
    high: float | None
    n: int
    reason: str | None


Against = Callable[[str, tuple[str, str] | None], Comparison]
"""(metric, slice and value or None for all questions) -> the difference between the candidate and somebody."""


@dataclass(frozen=True)
class Measured:
    """What is known about a candidate. `against_base` is None for one that has no base to beat, `against_champion` when
    there is no champion to defend."""

    summary: Mapping[str, Mapping[str, Any]]
    slices: Sequence[Mapping[str, Any]] = ()
    retrieves: bool = True
    against_base: Against | None = None
    against_champion: Against | None = None
    milliseconds_p95: float | None = None
    megabytes: float | None = None
    cost_per_question: float | None = None


@dataclass(frozen=True)
class Finding:
    """One rule, what was measured, and what follows from it."""

    requirement: str
    measured: str
    outcome: Outcome

    def __str__(self) -> str:
        return f"{self.outcome}: {self.requirement} (measured {self.measured})"


@dataclass(frozen=True)
class Verdict:
    """All findings. `outcome` is promote only when every finding passes; a fail outweighs inconclusive."""

    findings: tuple[Finding, ...]

    @property
    def outcome(self) -> Decision:
        outcomes = {finding.outcome for finding in self.findings}
        if outcomes == {"pass"}:
            return "promote"
        return "reject" if "fail" in outcomes else "inconclusive"

    @property
    def reasons(self) -> list[str]:
        return [str(finding) for finding in self.findings]


def decide(gate: Gate, measured: Measured) -> Verdict:
    """Judge a candidate by the rules of one stage."""
    rules = (_floors, _coverage, _base, _retrieval, _champion, _slices, _limits)
    return Verdict(tuple(finding for rule in rules for finding in rule(gate, measured)))


def _floors(gate: Gate, measured: Measured) -> Iterator[Finding]:
    for metric, floor in gate.floors.items():
        yield at_least(f"{metric} of the candidate is at least {floor:g}", _mean(measured, metric), floor)


def _coverage(gate: Gate, measured: Measured) -> Iterator[Finding]:
    for metric in dict.fromkeys([gate.metric, *gate.floors, *gate.margins]):
        covered = measured.summary.get(metric, {}).get("coverage")
        yield at_least(f"at least {gate.coverage:.0%} of the questions have a {metric}", covered, gate.coverage)


def _base(gate: Gate, measured: Measured) -> Iterator[Finding]:
    if measured.against_base is not None:
        found = measured.against_base(gate.metric, None)
        rule = f"it beats its base by more than {gate.beat_base_by:g} in {gate.metric}"
        yield _judged(rule, found, found.low, lambda low: low > gate.beat_base_by)


def _retrieval(gate: Gate, measured: Measured) -> Iterator[Finding]:
    if measured.retrieves:
        rule = f"hit@5 of the retrieval is at least {gate.minimum_hit_at_5:g}"
        yield at_least(rule, _mean(measured, "hit_at_5"), gate.minimum_hit_at_5)


def _champion(gate: Gate, measured: Measured) -> Iterator[Finding]:
    if measured.against_champion is not None:
        for metric, margin in gate.margins.items():
            found = measured.against_champion(metric, None)
            rule = f"it is not worse than the champion by more than {margin:g} in {metric}"
            yield _judged(rule, found, found.low, lambda low, margin=margin: low >= -margin)


def _slices(gate: Gate, measured: Measured) -> Iterator[Finding]:
    for rule in gate.slices:
        metric = rule.metric or gate.metric
        rows = [row for row in measured.slices if (row["slice"], row["metric"]) == (rule.slice, metric)]
        rows = [row for row in rows if rule.value in (None, row["value"])]
        if not rows:
            where = f"{rule.slice} {rule.value}" if rule.value else f"any {rule.slice}"
            yield Finding(f"{metric} of {where} was measured", "nothing", "inconclusive")
        for row in rows:
            if row["n"] < gate.coverage * _asked(row):
                where = f"{rule.slice} {row['value']}"
                yield Finding(
                    f"{metric} of {where} was scored for {gate.coverage:.0%}", f"{row['coverage']:.0%}", "inconclusive"
                )
            elif row["n"] >= rule.questions or rule.value is not None:
                yield from _slice(rule, metric, row, measured.against_champion)


def _asked(row: Mapping[str, Any]) -> float:
    """How many questions the slice has; one of which nothing was scored has some."""
    return row["n"] / row["coverage"] if row["coverage"] else 1.0


def _slice(rule: SliceRule, metric: str, row: Mapping[str, Any], against: Against | None) -> Iterator[Finding]:
    where = f"{rule.slice} {row['value']}"
    if row["n"] < rule.questions:  # named by the rule, so that it cannot be passed over
        asked = f"{metric} of {where} was measured on at least {rule.questions} questions"
        yield Finding(asked, f"{row['n']}", "inconclusive")
        return
    if rule.minimum is not None:
        yield at_least(f"{metric} of {where} is at least {rule.minimum:g}", row["mean"], rule.minimum)
    if rule.not_worse_than_champion_by is not None and against is not None:
        margin, found = rule.not_worse_than_champion_by, against(metric, (rule.slice, row["value"]))
        asked = f"the mean {metric} of {where} is not below the champion's by more than {margin:g}"
        yield _judged(asked, found, found.mean, lambda mean: mean >= -margin)


def _limits(gate: Gate, measured: Measured) -> Iterator[Finding]:
    limits = (
        ("19 of 20 answers take at most {:g} ms", gate.latency_p95_milliseconds, measured.milliseconds_p95),
        ("the model's files take at most {:g} MB", gate.megabytes, measured.megabytes),
        ("a question costs at most {:g}", gate.cost_per_question, measured.cost_per_question),
    )
    for rule, most, value in limits:
        if most is not None:
            yield _at_most(rule.format(most), value, most)


def at_least(requirement: str, value: Any, threshold: float) -> Finding:
    if not is_number(value):
        return _unmeasured(requirement)
    return Finding(requirement, f"{value:.3f}", "pass" if value >= threshold else "fail")


def _at_most(requirement: str, value: Any, limit: float) -> Finding:
    if not is_number(value):
        return _unmeasured(requirement)
    return Finding(requirement, f"{value:g}", "pass" if value <= limit else "fail")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _judged(requirement: str, found: Comparison, value: float | None, holds: Callable[[float], bool]) -> Finding:
    if not is_number(value) or not is_number(found.low) or not is_number(found.high):
        return Finding(requirement, f"nothing: {found.reason}" if found.reason else "nothing", "inconclusive")
    interval = f"{found.low:+.3f} to {found.high:+.3f} over {found.n} questions"
    return Finding(requirement, interval, "pass" if holds(value) else "fail")


def _unmeasured(requirement: str) -> Finding:
    return Finding(requirement, "nothing", "inconclusive")


def _mean(measured: Measured, metric: str) -> Any:
    return measured.summary.get(metric, {}).get("mean")
