"""A killed run does not hold its pool slot for ever, and a living one is left alone."""

import subprocess
import sys

import dagster as dg
import pytest

from llmops_pipelines.resources.instance import PROCESS, dagster_home, end_dead_runs, this_process


@dg.job
def work():
    pass


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def started(instance, **tags: str) -> dg.DagsterRun:
    run = instance.create_run_for_job(work, tags=tags)
    instance.handle_run_event(run.run_id, dg.DagsterEvent("PIPELINE_START", "work"))
    return instance.get_run_by_id(run.run_id)


def a_dead_process() -> str:
    code = "from llmops_pipelines.resources.instance import this_process; print(this_process())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_a_run_of_a_dead_process_is_ended(instance):
    run = started(instance, **{PROCESS: a_dead_process()})
    assert end_dead_runs(instance) == [run.run_id]
    assert instance.get_run_by_id(run.run_id).is_failure
    assert end_dead_runs(instance) == []


@pytest.mark.parametrize("tags", [{}, {PROCESS: this_process()}, {PROCESS: "another-host:1:0"}])
def test_other_runs_are_left_alone(instance, tags):
    run = started(instance, **tags)
    assert end_dead_runs(instance) == []
    assert not instance.get_run_by_id(run.run_id).is_finished


def test_the_home_gets_the_local_settings_once(home, project, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")  # `dagster_home` sets it; this puts it back
    folder = dagster_home(home, project)
    assert "pools" in (folder / "dagster.yaml").read_text()
    (folder / "dagster.yaml").write_text("mine: true\n")
    assert dagster_home(home, project) == folder
    assert (folder / "dagster.yaml").read_text() == "mine: true\n"
