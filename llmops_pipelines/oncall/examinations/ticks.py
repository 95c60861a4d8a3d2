"""Ticks: whether the daemon lives, and whether every schedule and sensor that is on ticked lately and without error."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from llmops_pipelines.resources.freeze import frozen

from .case import Case
from .findings import UI, Finding, ago

if TYPE_CHECKING:
    from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick

    Definition = dg.ScheduleDefinition | dg.SensorDefinition

SILENT = 300  # seconds without a heartbeat; a daemon writes one every 30
INTERVALS = 3  # that may pass without a tick
SLACK = 120  # seconds that a tick may take itself, and clocks may differ
MAIN = "SENSOR"  # the daemon thread that every deployment has


def examine(case: Case) -> Iterator[Finding]:
    """Findings about the daemon, the freeze, schedules and sensors."""
    if stopped := frozen(case.home, case.name):
        since = f" (since {stopped.at})" if stopped.at else ""
        yield Finding("look", "automation", f"{stopped}{since}", f"llmops unfreeze {case.name}")
    if case.instance is None:
        return
    states = _states(case)
    watched = [*case.definitions.schedules, *case.definitions.sensors]
    running = [each for each in watched if _is_on(each, states.get(each.name))]
    yield from _daemon(case, running)
    yield from _off(case, [each for each in watched if each not in running])
    odd = [found for each in running if (found := _ticking(case, each, states.get(each.name)))]
    yield from odd
    heard = sum(_newest(case, states.get(each.name)) is not None for each in running)
    if heard and not odd:
        yield Finding(
            "fine", "ticks", f"{heard} of {len(running)} schedules and sensors that are on have ticked, and none is silent"
        )


def silence(case: Case) -> float:
    """Seconds since the daemon was last heard of; endless when it never was."""
    beats = case.instance.get_daemon_heartbeats() if case.instance else {}
    newest = max((beat.timestamp for beat in beats.values()), default=None)
    return float("inf") if newest is None else case.now - newest


def _states(case: Case) -> "dict[str, InstigatorState]":
    """By name, of several code locations the one that ticked last."""
    known = [each for each in case.instance.all_instigator_state() if each.name.startswith(f"{case.name}__")]
    return {each.name: each for each in sorted(known, key=lambda state: _last_tick_at(case, state))}


def _last_tick_at(case: Case, state: "InstigatorState") -> float:
    tick = _newest(case, state)
    return tick.timestamp if tick else 0.0


def _newest(case: Case, state: "InstigatorState | None") -> "InstigatorTick | None":
    if state is None:
        return None
    return next(iter(case.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)), None)


def _is_on(definition: "Definition", state: "InstigatorState | None") -> bool:
    return state.is_running if state else definition.default_status.value == "RUNNING"


def _daemon(case: Case, running: "list[Definition]") -> Iterator[Finding]:
    quiet, beats = silence(case), case.instance.get_daemon_heartbeats()
    start = "llmops ui (it starts the daemon; or restart the service dagster-daemon)"
    if quiet > SILENT:
        heard = "was never heard of" if quiet == float("inf") else f"was last heard of {ago(quiet)} ago"
        severity = "wrong" if any(_switched_on(each) for each in running) or quiet != float("inf") else "look"
        yield Finding(severity, "daemon", f"it {heard}: no schedule, sensor or queued run starts", start)
    elif quiet < -SLACK:
        yield Finding("wrong", "daemon", f"its heartbeat is {ago(-quiet)} in the future: a clock is wrong", "set the clock")
    else:
        yield Finding("fine", "daemon", f"it was heard of {ago(max(0, quiet))} ago")
    for name, beat in beats.items():
        if beat.errors:
            first = (beat.errors[0].message.strip().splitlines() or [""])[0]
            yield Finding(
                "wrong", "daemon", f"its thread {name.lower()} fails: {first}", f"llmops ui, then {UI}/deployment/daemons"
            )


def _switched_on(definition: "Definition") -> bool:
    """Whether a person has switched it on; some run from the start."""
    return definition.default_status.value != "RUNNING"


def _off(case: Case, definitions: "list[Definition]") -> Iterator[Finding]:
    if definitions:
        names = ", ".join(each.name.removeprefix(f"{case.name}__") for each in definitions)
        yield Finding("look", "automation", f"switched off: {names}", f"llmops ui, then {UI}/automation")


def _ticking(case: Case, definition: "Definition", state: "InstigatorState | None") -> Finding | None:
    """What is odd about the newest tick of a schedule or sensor that is on."""
    tick, most = _newest(case, state), INTERVALS * _interval(definition) + SLACK
    about = definition.name
    where = "schedules" if isinstance(definition, dg.ScheduleDefinition) else "sensors"
    page = f"llmops ui, then {UI}/automation (its ticks; {where} {about})"
    if tick is None:
        began = _began(state)
        if began is None or case.now - began <= most:
            return None  # just switched on, or no daemon has seen it yet, which is told above
        return Finding("wrong", about, f"it is on since {ago(case.now - began)} and never ticked", page)
    age = case.now - tick.timestamp
    if age < -SLACK:
        return Finding("wrong", about, f"its newest tick is {ago(-age)} in the future: it waits for that time", page)
    if age > most:
        return Finding(
            "wrong", about, f"silent: its newest tick is {ago(age)} old, one is due every {ago(most / INTERVALS)}", page
        )
    if tick.status.value == "FAILURE":
        error = (tick.error.message.strip().splitlines() or [""])[0] if tick.error else "no error was kept"
        return Finding("wrong", about, f"its newest tick failed {ago(age)} ago: {error}", page)
    if tick.status.value == "SKIPPED" and "start one by hand" in (tick.skip_reason or ""):
        return Finding("look", about, str(tick.skip_reason), f"llmops run {case.name} --job retrain")
    return None


def _began(state: "InstigatorState | None") -> float | None:
    data = state.instigator_data if state else None
    return getattr(data, "start_timestamp", None) or getattr(data, "last_sensor_start_timestamp", None)


def _interval(definition: "Definition") -> float:
    """Seconds between two ticks: of a schedule the longest in its coming two weeks, since many rest at weekends."""
    if not isinstance(definition, dg.ScheduleDefinition):
        return float(definition.minimum_interval_seconds or 30)
    from itertools import islice, pairwise
    from time import time

    from dagster._utils.schedules import schedule_execution_time_iterator

    zone = definition.execution_timezone or "UTC"
    coming = islice(schedule_execution_time_iterator(time(), definition.cron_schedule, zone), 15)
    return max((later - sooner).total_seconds() for sooner, later in pairwise(coming))
