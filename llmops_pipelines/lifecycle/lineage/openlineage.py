"""The graph of a release as OpenLineage events (https://openlineage.io/docs/spec): one completed run per step, for a file or a
server that collects lineage of several systems.

Equal records make equal events, run ids included: sending them again changes nothing at the receiver.
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from llmops_pipelines.lifecycle.lake import Lake, Refusal, Version, files

from .graph import Graph, Node

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset, RunEvent

    from llmops_pipelines.lifecycle.release.history import Release

PRODUCER = "urn:llmops-pipelines:lineage"
FACET = "urn:llmops-pipelines:facets:version"  # where our own facet is described: docs/lineage.md
ENDPOINT = "api/v1/lineage"  # of a server whose URL has no path
NAMESPACE = uuid.UUID("0b1c2a55-6a4e-5d0e-8f0b-3a9d5f1e7c21")  # of run ids; a new one would make every run another one
RUN_OF = "llmops_version"


class NotEmitted(Refusal):
    """The events could not be written or sent."""


def events(lake: Lake, release: "Release", graph: Graph) -> "list[RunEvent]":
    """A COMPLETE event for each step that is still there, parents first, and one for the release itself."""
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
    from openlineage.client.generated.base import set_producer

    set_producer(PRODUCER)
    told = [node for node in graph.nodes if node.version]
    place = {node.key: node for node in graph.nodes}
    made = [
        RunEvent(
            eventTime=_time(node.version),
            eventType=RunState.COMPLETE,
            run=Run(run_id(node.version), _run_facets(node.version, release.code)),
            job=Job(lake.pipeline, node.asset, _job_facets()),
            inputs=[_input(lake, place[key]) for key in node.parents.items() if key in place],
            outputs=[_output(lake, node)],
            producer=PRODUCER,
        )
        for node in told
    ]
    return [*made, _released(lake, release, graph)]


def run_id(version: Version) -> str:
    """The UUID of the run that made a version: from its seal, and for one without a seal from its fingerprint."""
    return str(uuid.uuid5(NAMESPACE, f"{version.pipeline} {version.asset} {version.seal or version.fingerprint}"))


def emit(found: "Sequence[RunEvent]", target: str) -> None:
    """Write the events to a file, one JSON object per line, or send them to an http(s) URL in order. Raises `NotEmitted`."""
    parts = urlsplit(target)
    if parts.scheme in ("http", "https"):
        _send(found, f"{parts.scheme}://{parts.netloc}", parts.path.strip("/") or ENDPOINT)
    elif "://" in target:
        raise NotEmitted(
            f"--openlineage: {target} is neither a file nor an http(s) URL; write events.ndjson or http://host:5000"
        )
    else:
        _write(found, Path(target))


def _write(found: "Sequence[RunEvent]", path: Path) -> None:
    from openlineage.client.serde import Serde

    lines = "".join(f"{Serde.to_json(event)}\n" for event in found)
    try:
        files.replace(path, lines.encode("utf-8"))
    except OSError as error:
        raise NotEmitted(
            f"--openlineage: {path} cannot be written ({error.strerror}); name a file in a folder of yours"
        ) from error


def _send(found: "Sequence[RunEvent]", url: str, endpoint: str) -> None:
    import requests
    from openlineage.client.transport.http import HttpConfig, HttpTransport

    transport = HttpTransport(HttpConfig(url=url, endpoint=endpoint, retry={"total": 2, "backoff_factor": 0.2}))
    sent = 0
    try:
        for event in found:
            transport.emit(event)
            sent += 1
    except requests.RequestException as error:
        raise NotEmitted(
            f"--openlineage: {url}/{endpoint} took {sent} of {len(found)} events and then failed ({_reason(error)}); "
            "send them again when it answers: the same events have the same run ids"
        ) from error
    finally:
        transport.close()


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _released(lake: Lake, release: "Release", graph: Graph) -> "RunEvent":
    """The release as a step of its own: what answers users, from the parts that it pins."""
    from openlineage.client.event_v2 import Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.generated.base import DatasetFacet
    from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet

    name = f"{lake.pipeline} release {release.epoch} {release.seal or release.bundle}"
    said = {"release": release.epoch, "stage": release.stage, "phase": release.phase, "bundle": release.bundle}
    about = DatasetFacet().with_additional_properties(**said, code=release.code, mlflow_run=release.run)
    facets = {"version": DatasetVersionDatasetFacet(release.bundle), "llmops_release": about}
    return RunEvent(
        eventTime=release.promoted_at or release.prepared_at or _long_ago(),
        eventType={"committed": RunState.COMPLETE, "aborted": RunState.ABORT}.get(release.phase, RunState.RUNNING),
        run=Run(str(uuid.uuid5(NAMESPACE, name))),
        job=Job(lake.pipeline, "release", _job_facets()),
        inputs=[_input(lake, node) for node in graph.nodes if node.role],
        outputs=[OutputDataset(_namespace(lake), f"{lake.pipeline}/release", facets=facets)],
        producer=PRODUCER,
    )


def _run_facets(version: Version, code: str) -> dict[str, Any]:
    from openlineage.client.generated.base import RunFacet
    from openlineage.client.generated.nominal_time_run import NominalTimeRunFacet
    from openlineage.client.generated.processing_engine_run import ProcessingEngineRunFacet

    made = version.made
    own = {"fingerprint": version.fingerprint, "digest": version.digest, "seal": version.seal, "code": version.manifest["code"]}
    own |= {"dagster_run": made.get("run", "")} | {name: made[name] for name in made if name not in ("at", "run")}
    facets: dict[str, Any] = {
        RUN_OF: RunFacet().with_additional_properties(**own),
        "processing_engine": ProcessingEngineRunFacet(version=code or "unknown", name="llmops-pipelines"),
    }
    if made.get("at"):
        facets["nominalTime"] = NominalTimeRunFacet(nominalStartTime=made["at"])
    return facets


def _job_facets() -> dict[str, Any]:
    from openlineage.client.generated.job_type_job import JobTypeJobFacet

    return {"jobType": JobTypeJobFacet(processingType="BATCH", integration="LLMOPS", jobType="ASSET")}


def _namespace(lake: Lake) -> str:
    return f"file://{lake.root.resolve().as_posix()}"


def _input(lake: Lake, node: Node) -> "InputDataset":
    from openlineage.client.event_v2 import InputDataset

    return InputDataset(_namespace(lake), f"{lake.pipeline}/{node.asset}", facets=_facets(lake, node))


def _output(lake: Lake, node: Node) -> "OutputDataset":
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.generated.output_statistics_output_dataset import OutputStatisticsOutputDatasetFacet

    count = OutputStatisticsOutputDatasetFacet(rowCount=_rows(node.version), fileCount=len(node.version.manifest["files"]))
    about = {"outputStatistics": count}
    return OutputDataset(_namespace(lake), f"{lake.pipeline}/{node.asset}", facets=_facets(lake, node), outputFacets=about)


def _facets(lake: Lake, node: Node) -> dict[str, Any]:
    """Which content it is, where it lies, and its columns where it is a table."""
    from openlineage.client.generated.base import DatasetFacet
    from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet
    from openlineage.client.generated.datasource_dataset import DatasourceDatasetFacet

    place = node.version.path if node.version else lake.root
    facets: dict[str, Any] = {
        "version": DatasetVersionDatasetFacet(node.digest),
        "dataSource": DatasourceDatasetFacet(name=f"{lake.pipeline} lake", uri=place.resolve().as_uri()),
    }
    facets[RUN_OF] = DatasetFacet().with_additional_properties(
        digest=node.digest, fingerprint=node.fingerprint, role=node.role, gone=node.reason if node.version is None else ""
    )
    if schema := _schema(node.version):
        facets["schema"] = schema
    return facets


def _schema(version: Version | None) -> Any:
    from openlineage.client.generated.schema_dataset import SchemaDatasetFacet, SchemaDatasetFacetFields

    name = f"{version.noun}.parquet" if version else ""
    if version is None or not version.has(name) or not version.file(name).is_file():
        return None
    import pyarrow.parquet as pq

    columns = pq.read_schema(version.file(name))
    return SchemaDatasetFacet(fields=[SchemaDatasetFacetFields(name=each.name, type=str(each.type)) for each in columns])


def _rows(version: Version) -> int | None:
    name = f"{version.noun}.parquet"
    return version.rows() if version.has(name) and version.file(name).is_file() else None


def _time(version: Version) -> str:
    """When it was made; versions of earlier releases say it only by their file."""
    if at := version.made.get("at"):
        return at
    written = (version.path / "manifest.json").stat().st_mtime
    return datetime.fromtimestamp(written, UTC).isoformat(timespec="seconds")


def _long_ago() -> str:
    return datetime.fromtimestamp(0, UTC).isoformat()
