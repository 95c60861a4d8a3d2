"""Every sensor fires, skips with its numbers, and survives failure; costly steps fire on changed data only."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from llmops_pipelines.assets import automation
from llmops_pipelines.assets.product import on_changed_data
from llmops_pipelines.config.candidates import LADDER
from llmops_pipelines.config.documents import Web
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.resources.alerts import Alerts
from llmops_pipelines.resources.home import Home


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def report(home: Home, outcome: str, why: str) -> Version:
    def write(draft) -> None:
        draft.json("drift_report", {"outcome": outcome, "why": why})
        draft.facts.update(outcome=outcome, why=why)

    lake = home.lake("quickstart")
    version = lake.once("drift_report", code="1", config=why, parents=[], write=write)
    lake.point(version)
    return version


class TestDriftSensor:
    def tick(self, quickstart, home, instance):
        _, retrain = automation.jobs(quickstart)
        sensor = automation.drift_sensor(quickstart, retrain)
        return sensor(dg.build_sensor_context(instance=instance, resources={"home": home}))

    def failed_run(self, instance, request: dg.RunRequest) -> None:
        @dg.job(name="quickstart__retrain_job")
        def retrain():
            pass

        run = instance.create_run_for_job(retrain, tags=dict(request.tags))
        instance.report_run_failed(run)

    def test_it_fires_when_the_report_says_so(self, quickstart, home, instance):
        drifted = report(home, "drifted", "vocabulary 0.300 >= 0.1")
        request = self.tick(quickstart, home, instance)
        assert isinstance(request, dg.RunRequest)
        assert request.run_key == f"{drifted.digest[:32]}:0"

    def test_it_skips_with_its_numbers(self, quickstart, home, instance):
        report(home, "stable", "vocabulary 0.010 < 0.1")
        assert self.tick(quickstart, home, instance) == dg.SkipReason("stable: vocabulary 0.010 < 0.1")

    def test_without_a_report_it_says_so(self, quickstart, home, instance):
        assert "never materialized" in self.tick(quickstart, home, instance).skip_message

    def test_one_report_starts_one_run(self, quickstart, home, instance):
        report(home, "drifted", "embeddings 0.2 >= 0.1")
        request = self.tick(quickstart, home, instance)

        @dg.job(name="quickstart__retrain_job")
        def retrain():
            pass

        instance.create_run_for_job(retrain, tags=dict(request.tags))
        assert "was started for it" in self.tick(quickstart, home, instance).skip_message

    def test_a_failed_retrain_is_tried_again_and_then_given_up_loudly(self, quickstart, home, instance):
        report(home, "drifted", "embeddings 0.2 >= 0.1")
        keys = []
        for _ in range(automation.ATTEMPTS):
            request = self.tick(quickstart, home, instance)
            keys.append(request.run_key)
            self.failed_run(instance, request)
        assert len(set(keys)) == automation.ATTEMPTS, "a run key is used up by a failed run"
        assert "3 runs for it failed" in self.tick(quickstart, home, instance).skip_message


class TestNewDocumentsSensor:
    @pytest.fixture
    def tick(self, home, instance):
        def tick(product, cursor=None):
            reindex, _ = automation.jobs(product)
            context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"home": home})
            return automation.new_documents_sensor(product, reindex)(context)

        return tick

    def test_it_fires_once_per_source_and_state_of_the_files(self, quickstart, tick, instance):
        first = tick(quickstart)
        assert [request.partition_key for request in first.run_requests] == ["handbook", "notices"]
        assert instance.get_dynamic_partitions("quickstart/sources") == ["handbook", "notices"]
        again = tick(quickstart, cursor=first.cursor)
        assert "the same as at the last look" in again.skip_message

    def test_the_way_back_to_an_old_state_is_news_too(self, quickstart, tick):
        """A run key would be used up: nothing may keep the sensor from asking again."""
        assert tick(quickstart).run_requests[0].run_key is None

    def test_paused_sources_databases_and_web_pages_are_not_looked_at(self, quickstart, tick):
        documents = [
            quickstart.pipeline.documents[0].model_copy(update={"paused": True}),
            quickstart.pipeline.documents[1].model_copy(
                update={"path": None, "web": Web(allow=["x.org"], urls=["http://x.org"])}
            ),
        ]
        words = quickstart.pipeline.model_copy(update={"documents": documents})
        still = type(quickstart)("quickstart", words, quickstart.recipes, quickstart.project)
        assert "0 files" in tick(still).skip_message

    def test_a_touched_file_is_news(self, quickstart, tick, tmp_path):
        pages = tmp_path / "pages"
        pages.mkdir()
        (pages / "a.md").write_text("one")
        source = quickstart.pipeline.documents[0].model_copy(update={"path": str(pages)})
        words = quickstart.pipeline.model_copy(update={"documents": [source]})
        moved = type(quickstart)("quickstart", words, quickstart.recipes, tmp_path)
        first = tick(moved)
        (pages / "a.md").write_text("other")
        assert tick(moved, cursor=first.cursor).run_requests


class TestPartitions:
    def test_they_are_the_sources_and_candidates_of_the_yaml(self, quickstart, home, instance):
        instance.add_dynamic_partitions("quickstart/sources", ["left_the_yaml"])
        sensor = automation.partitions_sensor(quickstart)
        context = dg.build_sensor_context(instance=instance, resources={"home": home})
        assert "handbook, notices" in sensor(context).skip_message
        assert instance.get_dynamic_partitions("quickstart/sources") == ["handbook", "notices"]
        assert sorted(instance.get_dynamic_partitions("quickstart/candidates")) == sorted(LADDER)

    @pytest.mark.parametrize(("night", "partitions"), [(0, "by_source"), (1, "by_candidate")])
    def test_a_nightly_run_is_about_all_of_them(self, quickstart, home, night, partitions):
        nightly = automation.schedules(quickstart, *automation.jobs(quickstart), automation.cleanup_job(quickstart))[night]
        with dg.instance_for_test() as instance:
            with dg.build_schedule_context(instance=instance, resources={"home": home}) as context:
                (request,) = nightly.evaluate_tick(context).run_requests
            ends = [request.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")]
            definition = getattr(quickstart, partitions)
            with dg.partition_loading_context(dynamic_partitions_store=instance):
                asked = definition.get_partition_keys_in_range(dg.PartitionKeyRange(*ends))
            assert sorted(asked) == sorted(instance.get_dynamic_partitions(definition.name))


class TestAlerts:
    def test_an_alert_is_kept_and_posted(self, home):
        posted = []

        class Hook(BaseHTTPRequestHandler):
            def do_POST(self):
                posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        with HTTPServer(("127.0.0.1", 0), Hook) as server:
            threading.Thread(target=server.handle_request, daemon=True).start()
            alerts = Alerts(home=home, url=f"http://127.0.0.1:{server.server_port}")
            alerts.send("shop", "team:docs", "reindex failed", run_id="r1")
        assert posted == [{"text": "team:docs: reindex failed (run r1)"}]
        assert json.loads((home.folder / "alerts" / "shop" / "r1.json").read_text())["owner"] == "team:docs"

    def test_a_hook_that_is_down_is_an_error_and_the_alert_is_kept(self, home):
        with pytest.raises(OSError):
            Alerts(home=home, url="http://127.0.0.1:9").send("shop", "team:docs", "reindex failed", run_id="r2")
        assert (home.folder / "alerts" / "shop" / "r2.json").is_file()


def test_costly_steps_fire_on_changed_data_and_not_on_a_mere_rerun(instance):
    content = ["one"]

    @dg.asset
    def parent() -> dg.MaterializeResult:
        return dg.MaterializeResult(data_version=dg.DataVersion(content[0]))

    @dg.asset
    def another() -> dg.MaterializeResult:
        return dg.MaterializeResult(data_version=dg.DataVersion(content[0]))

    @dg.asset(deps=[parent, another], automation_condition=on_changed_data(dg.AssetKey("parent")))
    def child() -> None:
        pass

    definitions = dg.Definitions([parent, another, child])
    dg.materialize([parent, another, child], instance=instance)
    cursor = dg.evaluate_automation_conditions(definitions, instance).cursor

    dg.materialize([parent], instance=instance)
    rerun = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor)
    assert rerun.total_requested == 0

    content[0] = "two"
    dg.materialize([another], instance=instance)
    beside = dg.evaluate_automation_conditions(definitions, instance, cursor=rerun.cursor)
    assert beside.total_requested == 0, "it follows one parent only"

    dg.materialize([parent], instance=instance)
    changed = dg.evaluate_automation_conditions(definitions, instance, cursor=beside.cursor)
    assert changed.get_num_requested(dg.AssetKey("child")) == 1


@pytest.mark.parametrize(("job", "alerted"), [("quickstart__reindex_job", True), ("shop__reindex_job", False)])
def test_a_failed_run_alerts_its_owner_only(quickstart, home, instance, job, alerted):
    @dg.op
    def breaks():
        raise ValueError("disk full")

    @dg.job(name=job)
    def reindex():
        breaks()

    result = reindex.execute_in_process(instance=instance, raise_on_error=False)
    sensor = automation.failure_sensor(quickstart)
    with dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_failure_event(),
        resources={"alerts": Alerts(home=home)},
    ) as context:
        sensor(context.for_run_failure())
    kept = home.folder / "alerts" / "quickstart" / f"{result.run_id}.json"
    assert kept.is_file() is alerted
    assert not alerted or json.loads(kept.read_text())["text"].startswith("quickstart__reindex_job failed")
