"""Runs: those whose process is gone, that take or wait too long, that failed before any step, and the newest alert."""

import json
from collections.abc import Iterator
from itertools import islice

import dagster as dg

from llmops_pipelines.resources.instance import PROCESS, process_is_gone

from .case import Case
from .findings import Finding, ago, page_of_run
from .ticks import SILENT, silence

MAX_RUNTIME = "dagster/max_runtime"
WAITED_LONG = 1_800  # seconds
UNENDED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
WAITING = UNENDED[:3]
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def examine(case: Case) -> Iterator[Finding]:
    """Findings about runs, and the newest alert."""
    if case.instance is None:
        yield Finding("fine", "runs", "nothing was ever run in this home", f"llmops run {case.name}")
        return
    going = list(_unended(case))
    yield from going
    ended = list(_failed(case))
    yield from ended
    yield from _alerts(case)
    if not going and not ended:
        yield Finding("fine", "runs", "no run is stuck, and the newest run of each job did not die")


def _unended(case: Case) -> Iterator[Finding]:
    records = case.instance.get_run_records(dg.RunsFilter(statuses=UNENDED), limit=500)
    for record in (each for each in records if case.owns(each.dagster_run)):
        run = record.dagster_run
        about = f"run {run.run_id[:8]} of {run.job_name}"
        began = record.start_time or record.create_timestamp.timestamp()
        took, most = case.now - began, _limit(case, run)
        again = f"llmops run {case.name}{_job(case, run)}"
        if process_is_gone(run.tags.get(PROCESS)):
            dead = f"it counts as {run.status.value.lower()}, and its process is gone; the next run ends it and goes on"
            yield Finding("wrong", about, dead, again)
        elif run.status not in WAITING and PROCESS not in run.tags and silence(case) > SILENT:
            alone = f"it counts as {run.status.value.lower()}, but the daemon beside it is silent; look, and terminate it"
            yield Finding("look", about, alone, page_of_run(run.run_id))
        elif run.status in WAITING and took > WAITED_LONG:
            waits = f"it has waited {ago(took)} to start; runs start only while the daemon works and a slot is free"
            yield Finding("wrong", about, waits, page_of_run(run.run_id))
        elif run.status not in WAITING and most and took > most:
            late = f"it has run for {ago(took)}, longer than the {ago(most)} that it may; terminate it"
            yield Finding("wrong", about, late, page_of_run(run.run_id))
        else:
            yield Finding("fine", about, f"{run.status.value.lower()} for {ago(max(0, took))}", page_of_run(run.run_id))


def _limit(case: Case, run: dg.DagsterRun) -> float:
    said = run.tags.get(MAX_RUNTIME, "")
    return float(said) if said.isdigit() else float(case.instance.run_monitoring_max_runtime_seconds or 0)


def _job(case: Case, run: dg.DagsterRun) -> str:
    job = run.job_name.removeprefix(f"{case.name}__").removesuffix("_job")
    return f" --job {job}" if job in ("reindex", "retrain") else ""


def newest(case: Case, job: str) -> "dg.RunRecord | None":
    """The newest ended run of a job."""
    asked = dg.RunsFilter(job_name=job, statuses=ENDED)
    return next(iter(case.instance.get_run_records(asked, limit=1)), None)


def _failed(case: Case) -> Iterator[Finding]:
    """Jobs whose newest run failed, but at no asset: a killed one, one whose process never came up, or a clean-up."""
    made = tuple(key.to_python_identifier() for key in case.assets.get_all_asset_keys())
    for job in case.definitions.jobs:
        record = newest(case, job.name)
        if record is None or not record.dagster_run.is_failure:
            continue
        run = record.dagster_run
        steps = case.instance.get_run_step_stats(run.run_id)
        failed = [step.step_key for step in steps if step.status.value == "FAILURE"]
        if not any(step.startswith(made) for step in failed):  # assets and their checks are told elsewhere
            where = f"failed at {failed[0]}" if failed else "died before a step could fail"
            since = ago(max(0, case.now - (record.end_time or case.now)))
            again = f"llmops run {case.name}{_job(case, run)}" if _job(case, run) else page_of_run(run.run_id)
            yield Finding("wrong", job.name, f"the newest run ({run.run_id[:8]}) {where}, {since} ago", again)


def _alerts(case: Case) -> Iterator[Finding]:
    folder = case.home.folder / "alerts" / case.name
    kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
    for path in islice(reversed(kept), 1):
        try:
            alert = json.loads(path.read_text("utf-8"))
            text, run = str(alert["text"]), str(alert["run_id"])
        except (ValueError, KeyError, OSError):
            yield Finding("look", "alerts", f"{path} cannot be read", f"read {path}")
            return
        since = ago(case.now - path.stat().st_mtime)
        settled = _settled(case, run)
        told = f"the newest of {len(kept)}, {since} ago: {text}" + ("; a later run of that job succeeded" if settled else "")
        yield Finding("fine" if settled else "look", "alerts", told, page_of_run(run))


def _settled(case: Case, run: str) -> bool:
    record = case.instance.get_run_record_by_id(run)
    last = newest(case, record.dagster_run.job_name) if record else None
    return last is not None and last.dagster_run.is_success
