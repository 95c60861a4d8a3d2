"""Regression: whether what was just released or refused is worse than what it was compared with, and if so, why: one page.

Finding the guilty part is `blame`, what differs `difference`. Neither runs when nothing fell.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from llmops_pipelines.config.gate import Gate
from llmops_pipelines.lifecycle.evaluation.comparison import Comparison, Report, difference
from llmops_pipelines.lifecycle.lake import Draft, Lake, Refusal, Version
from llmops_pipelines.lifecycle.release.candidate import Candidate
from llmops_pipelines.lifecycle.release.history import History

from . import blame as blaming
from .difference import Side, compare, page_of
from .html import render
from .page import Block, Cell, Facts, Page, Table

CODE = "regression/1"
PAGE = "page.html"
Outcome = Literal["regressed", "no regression", "not comparable", "nothing before"]
Blaming = Callable[["Pair", str], blaming.Blame]


class NothingBefore(Refusal):
    """There is no release to be worse than."""


@dataclass(frozen=True)
class Pair:
    """What was decided about (`bad`), and what it would replace or has replaced (`good`)."""

    good: Side
    bad: Side
    candidates: tuple[Candidate, Candidate]
    epochs: tuple[int, int]
    """Their numbers; 0 for a candidate that was not released."""


@dataclass(frozen=True)
class Verdict:
    """What the gate's metrics say: `worse` are those that fell beyond noise, the deciding one first."""

    outcome: Outcome
    why: str
    compared: tuple[Comparison, ...] = ()

    @property
    def worse(self) -> list[str]:
        return [each.metric for each in self.compared if _fell(each)]


def judged(lake: Lake, history: History, decision: Version, gate: Gate, blame: Blaming) -> Version:
    """Asset regression: the verdict about a decision of the gate, explained when it is bad. What fails while it is explained is
    told on the page."""
    metrics = list(dict.fromkeys([gate.metric, *gate.floors, *gate.margins]))
    try:
        pair = _pair(lake, history, decision, gate)
        verdict = _verdict(pair, metrics)
    except NothingBefore as reason:
        return _noted(lake, decision, Verdict("nothing before", str(reason)))
    except Refusal as reason:
        return _noted(lake, decision, Verdict("not comparable", str(reason)))
    if verdict.outcome != "regressed":
        return _noted(lake, decision, verdict)
    try:
        return _explained(lake, decision, pair, verdict, blame)
    except Exception as error:  # whatever it is, what was decided stands
        failure = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        return _unexplained(lake, decision, pair, verdict, failure)


def _pair(lake: Lake, history: History, decision: Version, gate: Gate) -> Pair:
    said = decision.json("release")
    if said["outcome"] == "promoted":
        after = history.record(said["epoch"])
        before = history.record(after.replaces) if after.replaces else None
        bad, later = Side.of(lake, after), Candidate.of(lake, after)
    else:
        before, later = history.live(gate.enters), Candidate.decided(lake, decision)
        bad = Side.of_candidate(lake, later, "the candidate that was not released")
    if before is None:
        raise NothingBefore(f"{lake.pipeline} has no release before it to compare with")
    good = Side.of(lake, before)
    return Pair(good, bad, (Candidate.of(lake, before), later), (before.epoch, bad.record.epoch))


def _verdict(pair: Pair, metrics: list[str]) -> Verdict:
    old, new = (Report.read(candidate.parts["eval_scores"]) for candidate in pair.candidates)
    compared = tuple(difference(old, new, metric) for metric in metrics)
    if worse := [each for each in compared if _fell(each)]:
        told = ", ".join(f"{each.metric} {_told(each)}" for each in worse)
        return Verdict("regressed", f"{pair.bad.name} is worse than {pair.good.name}: {told}", compared)
    if (deciding := compared[0]).low is None:
        return Verdict("not comparable", deciding.reason or f"{deciding.metric} could not be compared", compared)
    why = f"{pair.bad.name} is not worse than {pair.good.name}: {deciding.metric} {_told(deciding)}"
    return Verdict("no regression", why, compared)


def _fell(found: Comparison) -> bool:
    return found.high is not None and found.high < 0


def _told(found: Comparison) -> str:
    return f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f}, {found.n} questions)"


def _noted(lake: Lake, decision: Version, verdict: Verdict) -> Version:
    def write(draft: Draft) -> None:
        _say(draft, verdict)

    return lake.once("regression", code=CODE, config=asdict(verdict), parents=[decision], write=write)


def _explained(lake: Lake, decision: Version, pair: Pair, verdict: Verdict, blame: Blaming) -> Version:
    """Kept for as long as the verdict is the same."""

    def write(draft: Draft) -> None:
        found = blame(pair, verdict.worse[0])
        ranked = [part for part in found.parts if part.share is not None]
        parts = [{key: getattr(part, key) for key in ("name", "share", "low", "high", "guilty", "said")} for part in ranked]
        _say(draft, verdict, found.sentence, parts)
        shown = blaming.page(found, lake.pipeline, pair.epochs if all(pair.epochs) else None)
        _draw(draft, _page(lake.pipeline, pair, verdict, found.sentence, shown.blocks, shown.next))

    config = asdict(verdict) | {"explained": True}
    return lake.once("regression", code=CODE, config=config, parents=[decision], write=write)


def _unexplained(lake: Lake, decision: Version, pair: Pair, verdict: Verdict, failure: str) -> Version:
    """The next materialization tries to explain it again."""

    def write(draft: Draft) -> None:
        _say(draft, verdict, f"which part is to blame could not be found out: {failure}")
        blocks = [Facts("What failed", {"blame": Cell(failure, "bad")})]
        _draw(draft, _page(lake.pipeline, pair, verdict, verdict.why, blocks, ()))

    config = asdict(verdict) | {"explained": False, "failure": failure}
    return lake.once("regression", code=CODE, config=config, parents=[decision], write=write)


def _say(draft: Draft, verdict: Verdict, blamed: str = "", parts: list[Mapping[str, Any]] | None = None) -> None:
    draft.json("regression", {"outcome": verdict.outcome, "why": verdict.why, "blame": blamed, "parts": parts or []})
    draft.facts.update(outcome=verdict.outcome, why=verdict.why)
    if blamed:
        draft.facts["blame"] = blamed


def _draw(draft: Draft, page: Page) -> None:
    draft.file(PAGE, data=False).write_text(render(page), "utf-8")


def _page(name: str, pair: Pair, verdict: Verdict, answer: str, blocks, then) -> Page:
    good, bad = pair.epochs
    steps = [*then, ("stop what runs by itself, while you look", f'llmops freeze {name} --why "{verdict.worse[0]} fell"')]
    if not bad:
        steps.append(("blame it again", f"llmops blame {name} {good} --candidate"))
    title = f"{name}: {pair.bad.name} against {pair.good.name}"
    return Page(title, answer, [_compared(verdict), *blocks, *_differing(pair, verdict.worse[0])], "bad", steps)


def _compared(verdict: Verdict) -> Table:
    rows = [
        (Cell(each.metric, "bad" if _fell(each) else ""), _told(each) if each.low is not None else each.reason)
        for each in verdict.compared
    ]
    return Table("What the gate asks for", ("metric", "change, with 95 % interval"), rows)


def _differing(pair: Pair, metric: str) -> Iterator[Block]:
    try:
        yield from page_of(compare(pair.good, pair.bad, metric)).blocks
    except Exception as error:  # the blame above stands without it
        yield Facts("What differs", {"not found out": Cell(f"{type(error).__name__}: {error}", "bad")})
