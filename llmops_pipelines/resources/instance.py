"""Dagster's own home below ours: run history, events, schedules. PostgreSQL in production by its dagster.yaml.

Also ends runs of this command whose process was killed: Dagster would keep their pool slots for ever.
"""

import os
import socket
from pathlib import Path

import dagster as dg

from .home import Home

PROCESS = "llmops/process"  # tag: host, process id and its start, of the process that executes a run


def dagster_home(home: Home, project: Path) -> Path:
    """DAGSTER_HOME, prepared: what the environment says, else `dagster/` in our home with the project's local settings."""
    folder = Path(os.environ.get("DAGSTER_HOME") or home.folder / "dagster")
    folder.mkdir(parents=True, exist_ok=True)
    settings, local = folder / "dagster.yaml", project / "configs" / "dagster" / "local.yaml"
    if not settings.exists() and local.is_file():
        settings.write_text(local.read_text("utf-8"), "utf-8")
    os.environ["DAGSTER_HOME"] = str(folder)
    return folder


def this_process() -> str:
    """The value of the tag `PROCESS` for a run that this process executes."""
    import psutil

    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time():.2f}"


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs as failed whose process on this host is gone, and free their pool slots. Returns their ids."""
    dead = []
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])):
        if process_is_gone(run.tags.get(PROCESS)):
            instance.report_run_failed(run, "The process that executed this run was killed.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            dead.append(run.run_id)
    return dead


def process_is_gone(process: str | None) -> bool:
    import psutil

    host, _, rest = (process or "").partition(":")
    if host != socket.gethostname():
        return False  # not ours to judge
    pid, _, started = rest.partition(":")
    try:
        return f"{psutil.Process(int(pid)).create_time():.2f}" != started
    except psutil.NoSuchProcess:
        return True
