"""Since when: the first release after which a metric fell, by binary search over the history with paired comparisons.

Only scores that the releases recorded are read. Which part did it is `blame/`, how this is shown `bisect_page.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import sqrt
from statistics import fmean, stdev
from typing import Literal

from llmops_pipelines.lifecycle.evaluation.comparison import ENOUGH, Comparison, Report, difference
from llmops_pipelines.lifecycle.evaluation.statistics import BOTH_SIDES
from llmops_pipelines.lifecycle.lake import DamagedVersion, Lake, Refusal, Version
from llmops_pipelines.lifecycle.release.history import PRODUCTION, History, Release
from llmops_pipelines.lifecycle.release.moves import part_of

Verdict = Literal["fell", "gradual", "recovered", "none", "incomparable"]
MANY = 100  # questions from which the mean of differences is normal for this purpose
SENSIBLE = 2  # releases below which there is nothing to search
PORTION = 1 / 3  # of the whole fall that a release must have lost: one in forty is certainly below the good one by chance


class BisectError(Refusal):
    """There are no two releases to search between."""


@dataclass(frozen=True)
class Look:
    """One release compared with the good one: interval of (it - the good one) on the questions that both were asked."""

    release: int
    mean: float | None
    low: float | None
    high: float | None
    questions: int
    fell: bool
    reason: str = ""


@dataclass(frozen=True)
class Bisect:
    """Where a metric fell. `first` is the first fallen release and `before` the one before it, 0 where there is none; `step` is
    what changed between these two. `looks` are the comparisons that were made, `means` what every release recorded."""

    verdict: Verdict
    sentence: str
    metric: str
    good: int
    bad: int
    first: int
    before: int
    step: Look | None
    looks: Sequence[Look]
    releases: Sequence[int]
    means: Sequence[float | None]

    @property
    def found_fall(self) -> bool:
        return self.verdict in ("fell", "gradual")


def bisect(
    lake: Lake, history: History, good: int = 0, bad: int = 0, *, metric: str = "token_f1", stage: str = PRODUCTION
) -> Bisect:
    """Search the committed releases of a stage from `good` (0: the oldest) to `bad` (0: what is live).

    Raises `BisectError` when these are no two releases of the stage in this order, or the metric was not measured on them.
    """
    known = history.releases(stage)
    chosen = _between(known, good, bad, stage)
    return _Search(lake, chosen, metric).answer()


def _between(known: Sequence[Release], good: int, bad: int, stage: str) -> list[Release]:
    epochs = [each.epoch for each in known]
    for wanted in (good, bad):
        if wanted and wanted not in epochs:
            last = ", ".join(map(str, epochs[-5:])) or "none yet"
            raise BisectError(f"release {wanted} was never live in {stage}; the newest that were: {last}")
    first, last = good or (epochs[0] if epochs else 0), bad or (epochs[-1] if epochs else 0)
    chosen = [each for each in known if first <= each.epoch <= last]
    if len(chosen) < SENSIBLE:
        raise BisectError(
            f"from release {first} to {last} there are {len(chosen)} releases in {stage}; name an older and a newer one"
        )
    return chosen


@dataclass
class _Search:
    """Places are positions in `releases`, oldest first; the first is the good one."""

    lake: Lake
    releases: Sequence[Release]
    metric: str
    reports: dict[int, Report | str] = field(default_factory=dict)
    looks: dict[int, Look] = field(default_factory=dict)

    def answer(self) -> Bisect:
        start, end = self.report(0), self.report(len(self.releases) - 1)
        for place, found in ((0, start), (-1, end)):
            if isinstance(found, str):
                raise BisectError(f"release {self.releases[place].epoch} cannot be compared: {found}; name another release")
        last = len(self.releases) - 1
        comparable = last if not self.look(last).reason else self._last(lambda place: not self.look(place).reason, last)
        if self.look(comparable).fell if comparable else False:
            return self._fallen(comparable)
        if comparable < last:
            return self._incomparable(comparable)
        return self._unfallen()

    def report(self, place: int) -> Report | str:
        """The scores of a release, or why there are none."""
        if place not in self.reports:
            self.reports[place] = self._read(self.releases[place])
        return self.reports[place]

    def _read(self, release: Release) -> Report | str:
        if "eval_scores" not in release.parts:
            return "it was released without scores"
        try:
            found = scores_of(part_of(self.lake, release, "eval_scores"), self.metric)
        except DamagedVersion as gone:
            return str(gone)
        return found if self.metric in found.measures else f"{self.metric} was not measured"

    def look(self, place: int, against: int = 0) -> Look:
        """A release beside the good one, or beside another."""
        if against == 0 and place in self.looks:
            return self.looks[place]
        a, b = self.report(against), self.report(place)
        reasons = [each for each in (a, b) if isinstance(each, str)]
        found = _look(self.releases[place].epoch, None, reasons[0]) if reasons else self._compared(place, a, b)
        if against == 0:
            self.looks[place] = found
        return found

    def _compared(self, place: int, a: Report, b: Report) -> Look:
        compared = _quickly(a, b, self.metric) or difference(a, b, self.metric)
        return _look(self.releases[place].epoch, compared, compared.reason or "")

    def _last(self, holds: Callable[[int], bool], end: int) -> int:
        """The last place before `end` at which something holds, that holds at 0 and not at `end`."""
        low, high = 0, end
        while high - low > 1:
            middle = self._readable((low + high) // 2, low, high)
            if middle is None:
                break
            low, high = (middle, high) if holds(middle) else (low, middle)
        return low

    def _readable(self, wanted: int, low: int, high: int) -> int | None:
        """The place nearest to `wanted`, strictly between the two, whose scores are there."""
        places = sorted(range(low + 1, high), key=lambda place: abs(place - wanted))
        return next((place for place in places if not isinstance(self.report(place), str)), None)

    def _fallen(self, end: int) -> Bisect:
        whole = self.look(end).mean or 0.0
        before = self._last(lambda place: not _lost(self.look(place), whole), end)
        first = self._next_readable(before, end)
        step = self.look(first, against=before)
        verdict: Verdict = "fell" if step.fell else "gradual"
        a, b = self.releases[before].epoch, self.releases[first].epoch
        overall = self.look(first)
        if verdict == "fell":
            sentence = f"{self.metric} fell with release {b}: {told(step)} against release {a}"
        else:
            sentence = (
                f"{self.metric} fell gradually: release {b} is the first that is certainly below release "
                f"{self.releases[0].epoch} ({told(overall)}), but not below release {a} ({told(step)})"
            )
        return self._bisect(verdict, sentence, first, before, step)

    def _next_readable(self, before: int, end: int) -> int:
        return next(place for place in range(before + 1, end + 1) if not isinstance(self.report(place), str))

    def _incomparable(self, place: int) -> Bisect:
        there = self._next_readable(place, len(self.releases) - 1)
        reason, epoch = self.look(there).reason, self.releases[there].epoch
        sentence = (
            f"no fall of {self.metric} up to release {self.releases[place].epoch}; from release {epoch} on scores cannot be "
            f"compared with release {self.releases[0].epoch}: {reason}"
        )
        return self._bisect("incomparable", sentence, there, place, None)

    def _unfallen(self) -> Bisect:
        """The last release is not below the first; whether one between them was is seen from its lowest mean."""
        last = len(self.releases) - 1
        said = f"release {self.releases[last].epoch} against release {self.releases[0].epoch}: {told(self.look(last))}"
        means = self.means()
        lowest = min(range(1, last + 1), key=lambda place: (means[place] is None, means[place] or 0.0))
        if lowest != last and not isinstance(self.report(lowest), str) and _certainly_fell(self.look(lowest)):
            found = self._fallen(lowest)
            sentence = f"{found.sentence}; it has recovered since: {said}"
            places = {each.epoch: place for place, each in enumerate(self.releases)}
            return self._bisect("recovered", sentence, places[found.first], places[found.before], found.step)
        return self._bisect("none", f"{self.metric} did not fall beyond noise; {said}", 0, 0, None)

    def means(self) -> list[float | None]:
        """What the releases recorded, None for one whose scores are gone."""
        return [self._mean(release) for release in self.releases]

    def _mean(self, release: Release) -> float | None:
        if self.metric in release.scores or "eval_scores" not in release.parts:
            return release.scores.get(self.metric)
        try:
            return part_of(self.lake, release, "eval_scores").json("summary").get(self.metric, {}).get("mean")
        except DamagedVersion:
            return None

    def _bisect(self, verdict: Verdict, sentence: str, first: int, before: int, step: Look | None) -> Bisect:
        return Bisect(
            verdict=verdict,
            sentence=sentence,
            metric=self.metric,
            good=self.releases[0].epoch,
            bad=self.releases[-1].epoch,
            first=self.releases[first].epoch if first else 0,
            before=self.releases[before].epoch if first else 0,
            step=step,
            looks=[self.looks[place] for place in sorted(self.looks) if place],
            releases=[each.epoch for each in self.releases],
            means=self.means(),
        )


def scores_of(version: Version, metric: str) -> Report:
    """One metric of an eval_scores version; no other rows are kept."""
    table = version.table(columns=["question_id", "metric", "score"])  # no filter of pyarrow's: it would import pandas
    rows = zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
    scores = {name: score for name, of, score in rows if of == metric and score is not None}
    judge = version.json("judge") if version.has("judge.json") else {}
    return Report({metric: scores}, version.json("measures"), version.json("asked"), {}, judge)


def metric_of(release: Release) -> str:
    """The metric that the gate asked for when it let a release pass."""
    return release.evidence.get("choice", {}).get("metric") or "token_f1"


def _look(epoch: int, found: Comparison | None, reason: str) -> Look:
    if found is None or found.mean is None:
        return Look(epoch, None, None, None, found.n if found else 0, False, reason)
    return Look(epoch, found.mean, found.low, found.high, found.n, found.high is not None and found.high < 0)


def _quickly(a: Report, b: Report, metric: str) -> Comparison | None:
    """The comparison of two reports on one yardstick with many questions, where the bootstrap would only say more slowly what
    the normal distribution says. None for all others."""
    old, new = a.scores[metric], b.scores[metric]
    changes = [new[name] - old[name] for name in sorted(old.keys() & new.keys())]
    if a.asked != b.asked or a.measures[metric] != b.measures[metric] or len(changes) < max(MANY, ENOUGH * len(new)):
        return None
    mean, half = fmean(changes), BOTH_SIDES * stdev(changes) / sqrt(len(changes))
    return Comparison(metric, mean, mean - half, mean + half, len(changes), None)


def _lost(look: Look, whole: float) -> bool:
    return look.fell and look.mean is not None and look.mean <= PORTION * whole


def _certainly_fell(look: Look) -> bool:
    """Also of the lowest of some hundred releases: below zero by two intervals, not one."""
    return look.mean is not None and look.high is not None and look.mean + 2 * (look.high - look.mean) < 0


def told(look: Look) -> str:
    if look.mean is None:
        return look.reason
    return f"{look.mean:+.3f}, 95 % interval {look.low:+.3f} to {look.high:+.3f}, {look.questions} questions"
