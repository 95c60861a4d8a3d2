"""Releases: what is live and since when, whether it can answer, what is unfinished or waits, and whether MLflow agrees."""

from collections.abc import Iterator
from datetime import datetime

from llmops_pipelines.config.gate import STAGES
from llmops_pipelines.lifecycle.lake import DamagedVersion, Refusal
from llmops_pipelines.lifecycle.release.history import Release
from llmops_pipelines.lifecycle.release.moves import Moves
from llmops_pipelines.lifecycle.release.registry import Registry
from llmops_pipelines.resources.tracking import Tracking

from .case import Case
from .findings import Finding, ago


def examine(case: Case) -> Iterator[Finding]:
    """Findings about the history of releases and its projection in MLflow."""
    tracking = Tracking.from_environment(case.home)
    moves = Moves(case.lake, case.history, lambda: Registry(tracking.client(), case.name))
    yield from _live(case, moves)
    yield from _unfinished(case)
    yield from _newest_candidate(case)
    yield from _projected(case, moves, tracking)


def _live(case: Case, moves: Moves) -> Iterator[Finding]:
    if case.live is None:
        yield Finding("look", "release", "there is none in production yet", f"llmops run {case.name}")
        return
    about, age = f"release {case.live.epoch}", _age(case, case.live)
    if gone := moves.missing(case.live):
        yield Finding("wrong", about, f"it is live and cannot answer: {gone}", _way_back(case, moves))
    else:
        yield Finding("fine", about, f"it is live{age}, and every part of it is there")
    if case.live.kind == "rollback":
        why = case.live.why or "no reason given"
        yield Finding("look", about, f"it is a rollback to release {case.live.moves} by {case.live.actor or 'somebody'}: {why}")


def _way_back(case: Case, moves: Moves) -> str:
    """A rollback to the newest release that can still answer; without one, a new release."""
    for each in reversed(case.history.releases("production")):
        if each.bundle != case.live.bundle and not moves.missing(each):
            return f'llmops release rollback {case.name} --to {each.epoch} --why "release {case.live.epoch} is damaged" --yes'
    return f"llmops run {case.name}"


def _unfinished(case: Case) -> Iterator[Finding]:
    for each in case.history.unfinished():
        about = f"release {each.epoch}"
        if each.phase == "awaiting approval":
            waits = f"it passed the gate of {each.stage} and waits for a person{_since(case, each.prepared_at)}"
            yield Finding("look", about, waits, f"llmops release approve {case.name} {each.epoch}")
        else:
            stuck = f"it is {each.phase} in {each.stage} and goes no further{_since(case, each.prepared_at)}"
            yield Finding("wrong", about, stuck, f"llmops release recover {case.name} --yes")


def _newest_candidate(case: Case) -> Iterator[Finding]:
    try:
        decision = case.lake.current("release")
    except DamagedVersion as damage:
        yield Finding("wrong", "release", f"the newest decision is damaged: {damage}", f"llmops run {case.name} --job retrain")
        return
    if decision is None or decision.facts["outcome"] in ("promoted", "awaiting approval"):
        return
    bad = [reason for reason in decision.facts["reasons"] if not reason.startswith("pass: ")]
    said = f"the newest candidate was not promoted ({decision.facts['outcome']}): {'; '.join(bad[:2])}"
    yield Finding("look", "release", said, f"llmops status {case.name}")


def _projected(case: Case, moves: Moves, tracking: Tracking) -> Iterator[Finding]:
    """The alias against the record. MLflow is opened only when a stage has a release."""
    if not any(case.history.live(stage) for stage in STAGES):
        return
    mend = f"llmops release recover {case.name} --yes"
    if not (tracking.server or (tracking.folder / "ready").is_file()):
        gone = f"its database is gone from {tracking.folder}; answers do not need it, and the history is whole"
        yield Finding("wrong", "MLflow", gone, f"restore {tracking.folder} from a backup, then {mend}")
        return
    try:
        differences = moves.differences()
    except Refusal as error:
        yield Finding("wrong", "MLflow", str(error), mend)
    except Exception as error:  # a server of any kind, in any state
        reason = (str(error).splitlines() or [""])[0][:200]
        said = f"it cannot be asked whether it follows the history ({type(error).__name__}: {reason}); answers do not need it"
        yield Finding("wrong", "MLflow", said, f"llmops mlflow, then {mend}")
    else:
        yield from (Finding("wrong", "MLflow", difference, mend) for difference in differences)
        if not differences:
            yield Finding("fine", "MLflow", "its aliases name the releases that the history says are live")


def _age(case: Case, release: Release) -> str:
    return _since(case, release.promoted_at)


def _since(case: Case, at: str) -> str:
    return f" since {ago(max(0, case.now - datetime.fromisoformat(at).timestamp()))}" if at else ""
