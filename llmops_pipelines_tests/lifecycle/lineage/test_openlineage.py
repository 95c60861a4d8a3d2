"""A release as OpenLineage events: every step, as the package's own classes read them, in a file or at a server."""

import json
import shutil
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet
from openlineage.client.generated.datasource_dataset import DatasourceDatasetFacet
from openlineage.client.generated.job_type_job import JobTypeJobFacet
from openlineage.client.generated.nominal_time_run import NominalTimeRunFacet
from openlineage.client.generated.output_statistics_output_dataset import OutputStatisticsOutputDatasetFacet
from openlineage.client.generated.processing_engine_run import ProcessingEngineRunFacet
from openlineage.client.generated.schema_dataset import SchemaDatasetFacet

from llmops_pipelines.lifecycle.lineage import openlineage
from llmops_pipelines.lifecycle.lineage.graph import Graph

from .small_product import Product, whole

FACETS = {
    "version": DatasetVersionDatasetFacet,
    "dataSource": DatasourceDatasetFacet,
    "schema": SchemaDatasetFacet,
    "jobType": JobTypeJobFacet,
    "nominalTime": NominalTimeRunFacet,
    "outputStatistics": OutputStatisticsOutputDatasetFacet,
    "processing_engine": ProcessingEngineRunFacet,
}
FACET = {"type": "object", "required": ["_producer", "_schemaURL"], "properties": {"_producer": {"format": "uri"}}}
NAMED = {
    "type": "object",
    "required": ["namespace", "name"],
    "properties": {"namespace": {"type": "string"}, "name": {"type": "string"}}
    | {name: {"type": "object", "additionalProperties": FACET} for name in ("facets", "inputFacets", "outputFacets")},
}
RUN = {"type": "object", "required": ["runId"], "properties": {"runId": {"type": "string", "format": "uuid"}}}
EVENT = {  # what the specification asks of a run event
    "type": "object",
    "required": ["eventTime", "producer", "schemaURL", "run", "job"],
    "properties": {
        "eventTime": {"type": "string", "format": "date-time"},
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "producer": {"type": "string", "format": "uri"},
        "run": RUN,
        "job": NAMED,
        "inputs": {"type": "array", "items": NAMED},
        "outputs": {"type": "array", "items": NAMED},
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Product:
    return whole(tmp_path_factory.mktemp("made"))


def events(product: Product) -> list[RunEvent]:
    release = product.history.live()
    return openlineage.events(product.lake, release, Graph.of(product.lake, release))


def written(product: Product, path) -> list[dict]:
    openlineage.emit(events(product), str(path))
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_each_step_is_a_completed_run_of_a_job_with_what_it_read_and_made(made, tmp_path):
    told = {event["job"]["name"]: event for event in written(made, tmp_path / "events.ndjson")}
    assert told.keys() == {version.asset for version in made.made.values()} | {"release"}
    chunks = told["chunks"]
    assert (chunks["eventType"], chunks["job"]["namespace"]) == ("COMPLETE", "isles")
    assert [each["name"] for each in chunks["inputs"]] == ["isles/documents"]
    (output,) = chunks["outputs"]
    assert output["facets"]["version"]["datasetVersion"] == made.made["chunks"].digest
    assert {"name": "chunk_id", "type": "string"}.items() <= output["facets"]["schema"]["fields"][0].items()
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 4
    about = chunks["run"]["facets"]["llmops_version"]
    assert about["fingerprint"] == made.made["chunks"].fingerprint and about["dagster_run"] == "run-1"
    assert {each["name"] for each in told["release"]["inputs"]} >= {"isles/index", "isles/checkpoint"}


def test_every_event_has_what_the_specification_asks(made, tmp_path):
    check = Draft202012Validator(EVENT, format_checker=FormatChecker())
    for event in written(made, tmp_path / "events.ndjson"):
        check.validate(event)
    assert not check.is_valid(event | {"run": {"runId": "seven"}})


def test_every_event_is_read_by_the_classes_of_the_package(made, tmp_path):
    for event in written(made, tmp_path / "events.ndjson"):
        read = RunEvent(
            eventTime=event["eventTime"],
            eventType=RunState(event["eventType"]),
            run=Run(event["run"]["runId"], _read(event["run"]["facets"])),
            job=Job(event["job"]["namespace"], event["job"]["name"], _read(event["job"]["facets"])),
            inputs=[InputDataset(each["namespace"], each["name"], facets=_read(each["facets"])) for each in event["inputs"]],
            outputs=[OutputDataset(each["namespace"], each["name"], facets=_read(each["facets"])) for each in event["outputs"]],
            producer=event["producer"],
        )
        assert read.schemaURL == event["schemaURL"]


def test_the_output_of_a_step_is_the_input_of_the_next(made):
    told = events(made)
    outputs = {(each.namespace, each.name, each.facets["version"].datasetVersion) for event in told for each in event.outputs}
    inputs = {(each.namespace, each.name, each.facets["version"].datasetVersion) for event in told for each in event.inputs}
    assert inputs and inputs <= outputs


def test_equal_records_have_equal_runs_and_another_seal_another_run(made):
    first, again = (openlineage.run_id(made.made["chunks"]) for _ in range(2))
    assert first == again == str(uuid.UUID(first))
    ids = [event.run.runId for event in events(made)]
    assert len(set(ids)) == len(ids)


def test_what_is_gone_is_an_input_that_says_so_and_no_run(made, tmp_path):
    product = made.copied(tmp_path / "home")
    shutil.rmtree(product.made["raw_documents/handbook"].path)
    told = {event.job.name: event for event in events(product)}
    assert "raw_documents/handbook" not in told
    (source,) = told["parsed_documents/handbook"].inputs
    assert "no version" in source.facets["llmops_version"].gone


@pytest.mark.parametrize("target", ["ftp://somewhere/events", "s3://bucket/events"])
def test_another_kind_of_target_is_refused(made, target):
    with pytest.raises(openlineage.NotEmitted, match="neither a file nor an http"):
        openlineage.emit(events(made), target)


def test_a_file_that_cannot_be_written_is_named(made, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(openlineage.NotEmitted, match="events.ndjson cannot be written"):
        openlineage.emit(events(made), str(tmp_path / "file" / "events.ndjson"))


@pytest.fixture
def collector() -> Iterator[tuple[str, list, list[int]]]:
    """A server that keeps what it is sent: (its URL, the requests as (path, event), answers to give before 201)."""
    got: list[tuple[str, dict]] = []
    answers: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = answers.pop(0) if answers else 201
            if status == 201:
                got.append((self.path, event))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got, answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_gets_all_events_in_order(made, collector):
    url, got, _ = collector
    openlineage.emit(events(made), url)
    assert [event["job"]["name"] for _, event in got] == [event.job.name for event in events(made)]
    assert {path for path, _ in got} == {"/api/v1/lineage"}


def test_a_url_with_a_path_is_taken_as_it_is(made, collector):
    url, got, _ = collector
    openlineage.emit(events(made), f"{url}/collect/here")
    assert {path for path, _ in got} == {"/collect/here"}


def test_a_server_that_refuses_is_told_with_how_far_it_came(made, collector):
    url, got, answers = collector
    answers += [201, 403]
    with pytest.raises(openlineage.NotEmitted, match="took 1 of .* events and then failed .*403"):
        openlineage.emit(events(made), url)
    assert len(got) == 1


def _read(facets: dict) -> dict:
    """The facets that the package knows, made by its classes; they refuse a name that is none of theirs."""
    own = {name: {key: value for key, value in said.items() if not key.startswith("_")} for name, said in facets.items()}
    return {name: FACETS[name](**said) for name, said in own.items() if not name.startswith("llmops_")}
