"""While a pipeline is frozen every tick skips and says who and why, and what automation started releases nothing."""

import time

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import ScheduleExecutionErrorSnap, SensorExecutionErrorSnap
from dagster._grpc.impl import get_external_schedule_execution, get_external_sensor_execution

from llmops_pipelines.assets import automation, release
from llmops_pipelines.definitions import graph, resources
from llmops_pipelines.resources import freeze
from llmops_pipelines_tests.oncall.ward import CODE


@pytest.fixture(scope="module")
def stored():
    """Where a code server finds Dagster's storage."""
    with dg.instance_for_test() as instance:
        ref = instance.get_ref()
        yield ref


class TestFrozen:
    """Ticks as the code server evaluates them for the daemon."""

    SENSORS = ("changed_data", "drift", "new_documents", "partitions")
    SCHEDULES = ("reindex_nightly", "retrain_nightly", "cleanup_weekly")

    @pytest.fixture
    def tick(self, quickstart, home, stored):
        repository = graph([quickstart], {**resources(quickstart.project), "home": home}).get_repository_def()

        def tick(name: str, cursor: str | None = None):
            where = (repository, CODE, stored)
            if name in self.SENSORS:
                found = get_external_sensor_execution(*where, f"quickstart__{name}_sensor", None, None, cursor, None, None)
            else:
                name = f"quickstart__{name}_schedule"
                found = get_external_schedule_execution(repository, stored, name, time.time(), "UTC", None)
            assert not isinstance(found, SensorExecutionErrorSnap | ScheduleExecutionErrorSnap), found
            return found

        return tick

    @pytest.mark.parametrize("name", [*SENSORS, *SCHEDULES])
    def test_every_tick_says_who_froze_the_pipeline_and_why(self, home, tick, name):
        freeze.freeze(home, "quickstart", "ann", "wrong prices")
        frozen = tick(name)
        assert frozen.skip_message == "frozen by ann: wrong prices" and not frozen.run_requests
        freeze.unfreeze(home, "quickstart", "ann")
        assert "frozen" not in (tick(name).skip_message or "")

    def test_what_changed_meanwhile_is_asked_for_afterwards(self, home, tick):
        before = tick("changed_data").cursor
        freeze.freeze(home, "quickstart", "ann", "wrong prices")
        assert tick("changed_data", before).cursor == before

    def test_another_pipeline_goes_on(self, home, tick):
        freeze.freeze(home, "shop", "ann", "wrong prices")
        assert "frozen" not in (tick("drift").skip_message or "")

    def test_alerts_go_on(self, quickstart):
        """A failed run is news for on-call people, who froze the pipeline themselves."""
        assert "home" not in automation.failure_sensor(quickstart).required_resource_keys


def test_a_copy_of_the_changed_data_sensor_still_heeds_a_freeze():
    copy = automation.ChangedDataSensor("shop").with_attributes(metadata={"a": 1})
    assert isinstance(copy, automation.ChangedDataSensor) and copy.name == "shop__changed_data_sensor"


@pytest.mark.parametrize(
    ("tags", "stopped"), [({}, False), ({"dagster/schedule_name": "n"}, True), ({"dagster/sensor_name": "s"}, True)]
)
def test_what_a_schedule_started_is_not_released_while_frozen(quickstart, home, tags, stopped):
    assert release._frozen(quickstart, home, tags) == []
    freeze.freeze(home, "quickstart", "ann", "wrong prices")
    said = release._frozen(quickstart, home, tags)
    assert bool(said) is stopped
    assert not stopped or said[0].startswith("frozen by ann: wrong prices; ")
