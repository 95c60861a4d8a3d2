"""A home in which things can go wrong: Dagster's real storage, a lake and a history, and ways to break each of them."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import dagster as dg
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat

from llmops_pipelines.assets.product import Product
from llmops_pipelines.oncall.examinations import Case, Finding
from llmops_pipelines.oncall.examinations.case import opened
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.instance import dagster_home

CODE = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(executable_path="python", module_name="d"), "d")


@dataclass(frozen=True)
class Ward:
    """One home with the quickstart in it. `instance` is its Dagster storage, as runs and the daemon write it."""

    home: Home
    product: Product
    instance: dg.DagsterInstance

    @cached_property
    def now(self) -> float:
        return time.time()

    def look(self, examine, later: float = 0.0) -> list[Finding]:
        """What an examination finds, through storage of its own, some seconds from now."""
        with opened(self.home) as instance:
            return list(examine(Case(self.product, self.home, instance, self.now + later)))

    def run(self, job: str = "quickstart__reindex_job", started: bool = True, **tags: str) -> dg.DagsterRun:
        """A run that was created, and started unless told otherwise."""

        @dg.job(name=job)
        def work():
            pass

        run = self.instance.create_run_for_job(work, tags=tags)
        if started:
            self.instance.handle_run_event(run.run_id, dg.DagsterEvent("PIPELINE_START", job))
        return run

    def heartbeat(self, ago: float) -> None:
        self.instance.add_daemon_heartbeat(DaemonHeartbeat(self.now - ago, "SENSOR", "d1"))

    def sensor(self, name: str, ago: float | None, status: TickStatus = TickStatus.SKIPPED, **said) -> None:
        """A sensor that is switched on since yesterday, with its newest tick some seconds ago."""
        origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(CODE, "__repository__"), f"quickstart__{name}_sensor")
        data = SensorInstigatorData(last_sensor_start_timestamp=self.now - 86_400)
        state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
        self.instance.add_instigator_state(state)
        if ago is not None:
            where = (state.instigator_origin_id, state.name, InstigatorType.SENSOR)
            tick = TickData(*where, status=status, timestamp=self.now - ago, selector_id=state.selector_id, **said)
            self.instance.create_tick(tick)


@contextmanager
def ward(folder: Path, product: Product) -> Iterator[Ward]:
    """A ward in a folder that `template` has prepared."""
    home = Home(path=str(folder))
    with dg.DagsterInstance.from_config(str(folder / "dagster")) as instance:
        yield Ward(home, product, instance)


def template(folder: Path, project: Path) -> Path:
    """An empty home whose databases exist: making their tables takes seconds, copying them none."""
    dagster_home(Home(path=str(folder)), project)
    with dg.DagsterInstance.from_config(str(folder / "dagster")) as instance:
        instance.get_runs(limit=1)
        instance.all_instigator_state()
        instance.event_log_storage.get_concurrency_keys()
    return folder


def copied(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target))


def a_dead_process() -> str:
    """The mark of a process of this host that has ended."""
    code = "from llmops_pipelines.resources.instance import this_process; print(this_process())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def said(found: list[Finding], about: str) -> Finding:
    """The one finding about something."""
    (only,) = [each for each in found if each.about.startswith(about)]
    return only
