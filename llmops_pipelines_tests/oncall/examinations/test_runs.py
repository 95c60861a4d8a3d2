"""Stuck, late, waiting and killed runs are told apart, and runs of other pipelines are left out."""

import json
import os

import dagster as dg

from llmops_pipelines.oncall.examinations import runs
from llmops_pipelines.resources.instance import PROCESS, this_process
from llmops_pipelines_tests.oncall.ward import Ward, a_dead_process, said


def test_a_run_whose_process_is_gone_is_wrong_and_the_next_run_mends_it(sick: Ward):
    run = sick.run(**{PROCESS: a_dead_process()})
    found = said(sick.look(runs.examine), f"run {run.run_id[:8]}")
    assert (found.severity, found.fix) == ("wrong", "llmops run quickstart --job reindex")
    assert "its process is gone" in found.sentence
    assert not sick.instance.get_run_by_id(run.run_id).is_finished, "the doctor changes nothing"


def test_a_run_that_works_is_fine(sick: Ward):
    run = sick.run(**{PROCESS: this_process()})
    assert said(sick.look(runs.examine), f"run {run.run_id[:8]}").severity == "fine"


def test_a_run_may_take_as_long_as_its_tag_says(sick: Ward):
    run = sick.run(**{PROCESS: this_process(), "dagster/max_runtime": "3600"})
    assert said(sick.look(runs.examine), "run").severity == "fine"
    found = said(sick.look(runs.examine, later=3_700), "run")
    assert found.severity == "wrong" and "longer than the 1 h" in found.sentence
    assert found.fix.endswith(f"/runs/{run.run_id}")


def test_a_run_that_waits_for_half_an_hour_is_wrong(sick: Ward):
    sick.run(started=False)
    assert said(sick.look(runs.examine), "run").severity == "fine"
    assert "it has waited 33 min to start" in said(sick.look(runs.examine, later=2_000), "run").sentence


def test_a_run_of_another_pipeline_is_not_told(sick: Ward):
    sick.run(job="shop__reindex_job", **{PROCESS: a_dead_process()})
    (found,) = sick.look(runs.examine)
    assert (found.severity, found.about) == ("fine", "runs")


def test_a_killed_newest_run_is_told_until_one_succeeds(sick: Ward):
    run = sick.run()
    sick.instance.report_run_failed(sick.instance.get_run_by_id(run.run_id))
    found = said(sick.look(runs.examine), "quickstart__reindex_job")
    assert found.severity == "wrong" and "died" in found.sentence
    after = sick.run()
    sick.instance.handle_run_event(after.run_id, dg.DagsterEvent("PIPELINE_SUCCESS", after.job_name))
    assert [each.severity for each in sick.look(runs.examine)] == ["fine"]


def test_a_clean_up_that_failed_is_told(sick: Ward):
    @dg.op(name="quickstart__cleanup")
    def breaks():
        raise OSError("read-only file system")

    @dg.job(name="quickstart__cleanup_job")
    def cleanup():
        breaks()

    cleanup.execute_in_process(instance=sick.instance, raise_on_error=False)
    found = said(sick.look(runs.examine), "quickstart__cleanup_job")
    assert found.severity == "wrong" and "failed at quickstart__cleanup, " in found.sentence and "/runs/" in found.fix


def test_the_newest_alert_is_settled_by_a_later_success(sick: Ward):
    run = sick.run()
    sick.instance.report_run_failed(sick.instance.get_run_by_id(run.run_id))
    folder = sick.home.folder / "alerts" / "quickstart"
    folder.mkdir(parents=True)
    for name, text, age in (("old", "older", 100), (run.run_id, "disk full", 10)):
        (folder / f"{name}.json").write_text(json.dumps({"owner": "me", "text": text, "run_id": run.run_id}))
        os.utime(folder / f"{name}.json", (sick.now - age, sick.now - age))
    assert said(sick.look(runs.examine), "alerts").sentence == "the newest of 2, 10 s ago: disk full"
    after = sick.run()
    sick.instance.handle_run_event(after.run_id, dg.DagsterEvent("PIPELINE_SUCCESS", after.job_name))
    settled = said(sick.look(runs.examine), "alerts")
    assert settled.severity == "fine" and "a later run of that job succeeded" in settled.sentence


def test_a_run_that_the_daemon_started_is_worth_a_look_when_the_daemon_is_silent(sick: Ward):
    sick.heartbeat(ago=10)
    sick.run()
    assert said(sick.look(runs.examine), "run").severity == "fine"
    sick.heartbeat(ago=900)
    found = said(sick.look(runs.examine), "run")
    assert found.severity == "look" and "the daemon beside it is silent" in found.sentence
