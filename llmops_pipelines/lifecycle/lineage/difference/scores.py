"""Every metric of the two sides with the paired interval of its change, and the slices that changed beyond noise."""

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.evaluation.comparison import ENOUGH, LEAST, Comparison, Report, difference

from .sides import Side, Unknown, reading

if TYPE_CHECKING:
    import numpy as np

OPEN = 1.6  # standard errors from zero below which a slice is not looked at further: its interval holds zero
FEW = 5  # questions below which a slice shows nothing


@dataclass(frozen=True)
class Scored:
    """A metric, of all questions or of one slice. `change` is the paired mean of (after - before) with its 95 % interval over
    the `n` questions that both answered; None where it cannot be compared, and `reason` says why."""

    metric: str
    before: float | None
    after: float | None
    change: float | None
    low: float | None
    high: float | None
    n: int
    beyond_noise: bool
    reason: str | None = None
    slice: str = ""
    value: str = ""


def report(side: Side) -> Report:
    """The scores of a side. Raises `Unknown`, also for scores of earlier versions, which were measured in another way."""
    version = side.part("eval_scores")
    if not version.has("members.parquet"):
        raise Unknown(f"the scores of {side.name} were written by an earlier version and cannot be compared")
    with reading(side, "eval_scores"):
        return Report.read(version)


def summary(side: Side) -> dict[str, dict[str, Any]]:
    return side.said("eval_scores", "summary")


def scores(before: Side, after: Side, old: Report, new: Report) -> tuple[Scored, ...]:
    """Every metric that either side measured."""
    first, second = summary(before), summary(after)
    names = list(dict.fromkeys([*second, *first]))
    ordered = sorted(names, key=lambda name: len(old.scores.get(name, ())))  # metrics of one size are drawn together
    found = {name: _scored(_difference(old, new, name), _mean(first, name), _mean(second, name)) for name in ordered}
    return tuple(found[name] for name in names)


def _difference(old: Report, new: Report, metric: str) -> Comparison:
    """Where every question that can be compared has the score that it had, there is nothing to draw."""
    first, second = old.scores.get(metric, {}), new.scores.get(metric, {})
    shared = [each for each in second if each in first and old.asked[each] == new.asked[each]]
    alike = all(first[each] == second[each] for each in shared)
    enough = len(shared) >= max(LEAST, ENOUGH * len(second))
    if alike and enough and old.measures.get(metric) == new.measures.get(metric):
        return Comparison(metric, 0.0, 0.0, 0.0, len(shared), 0.0)
    return difference(old, new, metric)


def slices(old: Report, new: Report) -> tuple[Scored, ...]:
    """The slices whose change is beyond noise, the largest first. Of a hundred slices without a change five show one."""
    worth = []
    for metric, (ids, before, after) in _paired(old, new).items():
        for within, members in new.members.items():
            chosen = [place for place, each in enumerate(ids) if each in members]
            if _worth_a_look(after[chosen] - before[chosen]):
                means = float(before[chosen].mean()), float(after[chosen].mean())
                worth.append((len(chosen), metric, within, means))
    ordered = sorted(worth)  # slices of one size are drawn together
    found = [_scored(difference(old, new, metric, within), *means, within) for _, metric, within, means in ordered]
    beyond = [each for each in found if each.beyond_noise]
    return tuple(sorted(beyond, key=lambda each: (-abs(each.change or 0), each.metric, each.slice, each.value)))


def _paired(old: Report, new: Report) -> "dict[str, tuple[list[str], np.ndarray, np.ndarray]]":
    """By metric the questions that both sides have a score for, with the scores of before and after."""
    import numpy as np

    found = {}
    for metric, second in new.scores.items():
        first = old.scores.get(metric, {})
        ids = [each for each in second if each in first and old.asked[each] == new.asked[each]]
        found[metric] = ids, np.array([first[each] for each in ids]), np.array([second[each] for each in ids])
    return found


def _worth_a_look(changes: "np.ndarray") -> bool:
    if len(changes) < FEW or not changes.any():
        return False
    return bool(abs(changes.mean()) > OPEN * changes.std(ddof=1) / sqrt(len(changes)))


def _scored(found: Comparison, before: float | None, after: float | None, within: tuple[str, str] = ("", "")) -> Scored:
    beyond = found.low is not None and found.high is not None and (found.low > 0 or found.high < 0)
    return Scored(found.metric, before, after, found.mean, found.low, found.high, found.n, beyond, found.reason, *within)


def _mean(summary: dict[str, dict[str, Any]], metric: str) -> float | None:
    return summary.get(metric, {}).get("mean")
