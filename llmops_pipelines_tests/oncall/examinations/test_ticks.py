"""Silence, the future, and failure of schedules, sensors and the daemon are each told; a quiet night is not."""

import pytest
from dagster._core.scheduler.instigation import TickStatus
from dagster._utils.error import SerializableErrorInfo

from llmops_pipelines.oncall.examinations import ticks
from llmops_pipelines.resources import freeze
from llmops_pipelines_tests.oncall.ward import Ward, said

DRIFT = "quickstart__drift_sensor"


def test_a_sensor_that_ticked_a_minute_ago_is_fine(sick: Ward):
    sick.heartbeat(ago=10)
    sick.sensor("drift", ago=60)
    found = sick.look(ticks.examine)
    assert not [each for each in found if each.severity == "wrong"]
    assert "none is silent" in said(found, "ticks").sentence


@pytest.mark.parametrize(
    ("ago", "words"), [(7_200, "silent: its newest tick is 2 h old"), (-7_200, "2 h in the future"), (None, "never ticked")]
)
def test_a_sensor_that_is_silent_or_ahead_of_time_is_wrong(sick: Ward, ago, words):
    sick.heartbeat(ago=10)
    sick.sensor("drift", ago)
    found = said(sick.look(ticks.examine), DRIFT)
    assert found.severity == "wrong" and words in found.sentence
    assert "/automation" in found.fix


def test_a_failing_tick_says_its_error(sick: Ward):
    sick.heartbeat(ago=10)
    broken = SerializableErrorInfo("OSError: no such mount\nmore", [], "OSError")
    sick.sensor("drift", 60, TickStatus.FAILURE, error=broken)
    assert "its newest tick failed 1 min ago: OSError: no such mount" in said(sick.look(ticks.examine), DRIFT).sentence


def test_a_sensor_that_gave_up_is_worth_a_look(sick: Ward):
    sick.heartbeat(ago=10)
    sick.sensor("drift", 60, TickStatus.SKIPPED, skip_reason="drifted (x), but 3 runs for it failed; start one by hand")
    found = said(sick.look(ticks.examine), DRIFT)
    assert (found.severity, found.fix) == ("look", "llmops run quickstart --job retrain")


def test_what_is_switched_off_is_named_in_one_line(sick: Ward):
    sick.heartbeat(ago=10)
    sick.sensor("drift", ago=60)
    found = said(sick.look(ticks.examine), "automation")
    assert found.severity == "look" and "reindex_nightly_schedule" in found.sentence
    assert "drift_sensor" not in found.sentence and "partitions_sensor" not in found.sentence


@pytest.mark.parametrize(("ago", "severity"), [(10, "fine"), (900, "wrong"), (-900, "wrong")])
def test_the_daemon_is_heard_of_or_not(sick: Ward, ago, severity):
    sick.heartbeat(ago)
    assert said(sick.look(ticks.examine), "daemon").severity == severity


def test_without_any_daemon_it_matters_whether_somebody_switched_something_on(sick: Ward):
    assert said(sick.look(ticks.examine), "daemon").severity == "look"
    sick.sensor("drift", ago=60)
    assert said(sick.look(ticks.examine), "daemon").severity == "wrong"


def test_a_freeze_says_who_and_why_and_how_to_end_it(sick: Ward):
    freeze.freeze(sick.home, "quickstart", "ann", "wrong prices")
    (found,) = [each for each in sick.look(ticks.examine) if "frozen" in each.sentence]
    assert (found.severity, found.fix) == ("look", "llmops unfreeze quickstart")
    assert found.sentence.startswith("frozen by ann: wrong prices (since ")


def test_a_schedule_of_working_days_may_rest_over_the_weekend(quickstart):
    import dagster as dg

    weekly = dg.ScheduleDefinition(name="w", job_name="j", cron_schedule="0 2 * * 1-5")
    assert ticks._interval(weekly) == 3 * 86_400
