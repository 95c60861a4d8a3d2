"""Pools: slots that are held for runs that have ended, and steps that wait for a slot."""

from collections.abc import Iterator

from .case import Case
from .findings import UI, Finding, ago

WAITED_LONG = 3_600  # seconds
FIX = f"llmops ui (its daemon frees them within a minute), or {UI}/deployment/concurrency"


def examine(case: Case) -> Iterator[Finding]:
    """Findings about pools; they are shared by all pipelines of a home."""
    if case.instance is None or not case.instance.event_log_storage.supports_global_concurrency_limits:
        return
    storage = case.instance.event_log_storage
    found = False
    for pool in sorted(storage.get_concurrency_keys()):
        info = storage.get_concurrency_info(pool)
        for run in sorted({slot.run_id for slot in info.claimed_slots}):
            if ended := _ended(case, run):
                found = True
                held = f"a slot of {info.slot_count} is held for run {run[:8]}, {ended}; steps that need the pool wait for ever"
                yield Finding("wrong", f"pool {pool}", held, FIX)
        waiting = [step for step in info.pending_steps if step.assigned_timestamp is None]
        longest = max((case.now - step.enqueued_timestamp.timestamp() for step in waiting), default=0.0)
        if longest > WAITED_LONG:
            found = True
            sentence = f"{len(waiting)} steps wait for a slot, the first for {ago(longest)}"
            yield Finding("look", f"pool {pool}", sentence, f"llmops ui, then {UI}/deployment/concurrency")
    if not found:
        yield Finding("fine", "pools", "no ended run holds a slot")


def _ended(case: Case, run: str) -> str:
    """What became of a run, empty while it goes on."""
    known = case.instance.get_run_by_id(run)
    if known is None:
        return "which is gone"
    return f"which ended ({known.status.value.lower()})" if known.is_finished else ""
