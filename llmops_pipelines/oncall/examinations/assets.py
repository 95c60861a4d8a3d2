"""Assets: those whose newest attempt failed and checks that do not hold, by how much of the graph waits for them."""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from llmops_pipelines.assets.automation import REINDEX
from llmops_pipelines.running import cause

from .case import Case
from .findings import UI, Finding, ago

NEWEST = 50  # failed runs of all pipelines that are looked into
ELSEWHERE = ("automation_is_not_frozen", "mlflow_follows_the_history", "the_candidate_passed_the_gate")
"""Checks about what other examinations ask now, and not when the release was last materialized."""


def examine(case: Case) -> Iterator[Finding]:
    """Findings about assets and their checks."""
    if case.instance is None:
        return
    odd = [*_failed(case), *_unsound(case)]
    yield from odd
    if not odd:
        yield Finding("fine", "assets", "no asset failed at its newest attempt, and every check holds")


@dataclass(frozen=True)
class Failure:
    """A failed step: of which run, when it ended (seconds since 1970)."""

    run: str
    step: str
    at: float


def _failed(case: Case) -> Iterator[Finding]:
    made = {key: _made_at(case, key) for key in case.assets.get_all_asset_keys()}
    by_step = {key.to_python_identifier(): key for key in made}
    for step, failure in _failures(case).items():
        key = by_step.get(step)
        if key is None or made[key] > failure.at:
            continue  # a check's step, or the asset was made since
        since = ago(max(0, case.now - failure.at))
        said = f"it failed {since} ago (run {failure.run[:8]}): {_reason(case, failure)}"
        yield _about(case, key, "wrong", said, _again(case, key.path[-1]))
    yield from _alone(case)


def _failures(case: Case) -> dict[str, Failure]:
    """The newest failure of each step."""
    records = case.instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=NEWEST)
    found: dict[str, Failure] = {}
    for record in (each for each in records if case.owns(each.dagster_run)):
        run = record.dagster_run.run_id
        for step in case.instance.get_run_step_stats(run):
            if step.status.value == "FAILURE":
                found.setdefault(step.step_key, Failure(run, step.step_key, step.end_time or record.end_time or 0.0))
    return found


def _made_at(case: Case, key: dg.AssetKey) -> float:
    event = case.instance.get_latest_materialization_event(key)
    return event.timestamp if event else 0.0


def _reason(case: Case, failure: Failure) -> str:
    events = case.instance.all_logs(failure.run, of_type=dg.DagsterEventType.STEP_FAILURE)
    errors = [entry.dagster_event.step_failure_data.error for entry in events if entry.step_key == failure.step]
    return cause(errors[-1]) if errors and errors[-1] else "its log does not say why"


def _alone(case: Case) -> Iterator[Finding]:
    """What only a candidate needs may fail without failing the run; then its newest materialization says so."""
    for asset in sorted(case.product.optional):
        event = case.instance.get_latest_materialization_event(case.product.key(asset))
        entry = event.asset_materialization.metadata.get("work") if event and event.asset_materialization else None
        if entry and str(entry.value).startswith("failed: "):
            sentence = f"it failed alone: {str(entry.value).removeprefix('failed: ')}"
            yield _about(case, case.product.key(asset), "look", sentence, _again(case, asset))


def _unsound(case: Case) -> Iterator[Finding]:
    keys = [key for key in case.assets.asset_check_keys if key.name not in ELSEWHERE]
    newest = case.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    for key, record in sorted(newest.items(), key=lambda item: item[0].name):
        if record.status.value not in ("FAILED", "EXECUTION_FAILED"):
            continue
        asset, event = key.asset_key.path[-1], record.event.dagster_event if record.event else None
        done = event.asset_check_evaluation_data if event and event.event_type_value == "ASSET_CHECK_EVALUATION" else None
        warns = done is not None and done.severity is dg.AssetCheckSeverity.WARN
        why = (
            "; ".join(f"{name}: {' '.join(str(entry.value).split())}" for name, entry in done.metadata.items()) if done else ""
        )
        sentence = f"its check {key.name} does not hold{f' ({why[:300]})' if why else ', and failed itself'}"
        yield _about(case, key.asset_key, "look" if warns else "wrong", sentence, _page(case, asset))


def _about(case: Case, key: dg.AssetKey, severity, sentence: str, fix: str) -> Finding:
    below = case.downstream(key)
    reach = f"; {len(below)} assets are made from it" if below else ""
    blocks = ", the release among them: no new one comes" if "release" in below and severity == "wrong" else ""
    stands = case.stands_on(key.path[-1])
    live = f"; the live release {case.live.epoch} stands on this very version" if stands else ""
    return Finding(severity, key.path[-1], f"{sentence}{reach}{blocks}{live}", fix, len(below))


def _again(case: Case, asset: str) -> str:
    return f"llmops run {case.name} --job {'reindex' if asset in REINDEX else 'retrain'}"


def _page(case: Case, asset: str) -> str:
    return f"llmops ui, then {UI}/assets/{case.name}/{asset}?view=checks"
