"""What runs by itself: jobs, nightly schedules, and sensors for new documents, drift, changed data and failed runs.

While a person has frozen the pipeline, every tick skips and says so; only alerts about failed runs go on.
"""

import json
import warnings
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import dagster as dg

from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.lifecycle.release.cleanup import clean, unneeded
from llmops_pipelines.resources import freeze
from llmops_pipelines.resources.alerts import Alerts
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.vector_store import VectorStore

from .product import Product
from .showing import check_result

REINDEX = ("raw_documents", "parsed_documents", "documents", "chunks", "embeddings", "index", "corpus_profile", "drift_report")
ATTEMPTS = 3  # a run key is used up even by a failed run, so each attempt has a key of its own
LIMIT = {"dagster/max_runtime": 6 * 3600}  # seconds; a run that lost its worker gives its slots back after this


def build(product: Product) -> list:
    """Every job, schedule and sensor of one pipeline."""
    reindex, retrain = jobs(product)
    cleanup = cleanup_job(product)
    return [
        reindex,
        retrain,
        cleanup,
        *schedules(product, reindex, retrain, cleanup),
        partitions_sensor(product),
        new_documents_sensor(product, reindex),
        drift_sensor(product, retrain),
        ChangedDataSensor(product.name),
        failure_sensor(product),
        _frozen_check(product),
    ]


def jobs(product: Product) -> list:
    """`__reindex_job` (documents to index) and `__retrain_job` (datasets to release). Two, because a run has one kind of
    partition: sources or candidates."""
    reindex = dg.AssetSelection.assets(*(product.key(asset) for asset in REINDEX))
    said = {
        "reindex": (reindex, "From documents to a verified index version, with profile and drift report."),
        "retrain": (product.selection - reindex, "From questions and training examples to a release that passed the gate."),
    }
    return [
        dg.define_asset_job(f"{product.name}__{name}_job", selection, tags=LIMIT, description=words)
        for name, (selection, words) in said.items()
    ]


def cleanup_job(product: Product) -> dg.JobDefinition:
    """`__cleanup_job`: removes what `retention` does not keep, as `llmops clean` does."""

    words, describe = product.pipeline, "Remove versions, bytes of sources and leftovers that nobody needs."

    @dg.op(name=f"{product.name}__cleanup", description=describe, pool="vector_store")
    def cleanup(context: dg.OpExecutionContext, home: Home, vector_store: VectorStore) -> None:
        lake = home.lake(product.name)
        found = unneeded(lake, home.history(product.name), words.retention, home.folder / "training")
        for each in found:
            context.log.info(f"{each.path}: {each.why}")
        freed = clean(lake, found, vector_store.connector(words.index))
        context.log.info(f"{len(found)} removed, {freed:,} bytes are free again")

    @dg.job(name=f"{product.name}__cleanup_job", description="Removes what `retention` does not keep.", tags=LIMIT)
    def job() -> None:
        cleanup()

    return job


def schedules(product: Product, reindex, retrain, cleanup) -> list[dg.ScheduleDefinition]:
    """Nightly reindex and retrain, weekly clean-up, at the times of the YAML; all do nothing when nothing changed."""
    words = product.pipeline.automation

    def at(name: str, job, cron: str, tags: Callable[[dg.DagsterInstance], dict[str, str]]) -> dg.ScheduleDefinition:
        name = f"{product.name}__{name}_schedule"

        @dg.schedule(name=name, job=job, cron_schedule=cron, execution_timezone=words.timezone)
        def asked(context: dg.ScheduleEvaluationContext, home: Home) -> dg.RunRequest | dg.SkipReason:
            return freeze.skip(home, product.name) or dg.RunRequest(tags=tags(context.instance))

        return asked

    return [
        at("reindex_nightly", reindex, words.reindex, product.every_source),
        at("retrain_nightly", retrain, words.retrain, product.every_candidate),
        at("cleanup_weekly", cleanup, words.cleanup, lambda _: {}),
    ]


def partitions_sensor(product: Product) -> dg.SensorDefinition:
    """Keeps sources and candidates those of the YAML. It does no work, so it runs from the start."""

    @dg.sensor(
        name=f"{product.name}__partitions_sensor",
        target=dg.AssetSelection.assets(product.key("raw_documents")),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def partitions(context: dg.SensorEvaluationContext, home: Home) -> dg.SkipReason:
        if skipped := freeze.skip(home, product.name):
            return skipped
        product.sync(context.instance)
        sources = ", ".join(source.name for source in product.pipeline.documents)
        return dg.SkipReason(f"sources: {sources}; candidates: {', '.join(product.candidates)}")

    return partitions


def new_documents_sensor(product: Product, reindex) -> dg.SensorDefinition:
    """Asks for a reindex of each source whose names, sizes or times differ from the last look.

    Databases and web pages are asked nightly only: a look at them costs their owners something.
    """
    words = product.pipeline
    watched = [source for source in words.documents if not (source.paused or source.sql or source.web)]

    @dg.sensor(
        name=f"{product.name}__new_documents_sensor",
        job=reindex,
        minimum_interval_seconds=words.automation.look_for_documents_every,
    )
    def new_documents(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult | dg.SkipReason:
        if skipped := freeze.skip(home, product.name):
            return skipped
        before = json.loads(context.cursor or "{}")
        with closing(home.lake(product.name)) as lake:
            seen = {source.name: corpus.glance(lake, source, product.project) for source in watched}
        now = {name: glance.identity for name, glance in seen.items()}
        changed = [name for name in now if now[name] != before.get(name)]
        if not changed:
            return dg.SkipReason(f"{sum(glance.files for glance in seen.values())} files, the same as at the last look")
        product.every_source(context.instance)
        requests = [dg.RunRequest(partition_key=name) for name in changed]  # a run key would forbid a way back
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(now))

    return new_documents


def drift_sensor(product: Product, retrain) -> dg.SensorDefinition:
    """Asks for a retrain when the drift report says so, at most `ATTEMPTS` times per report; says why it does not."""

    @dg.sensor(name=f"{product.name}__drift_sensor", job=retrain, minimum_interval_seconds=60)
    def drift(context: dg.SensorEvaluationContext, home: Home) -> dg.RunRequest | dg.SkipReason:
        if skipped := freeze.skip(home, product.name):
            return skipped
        with closing(home.lake(product.name)) as lake:  # the sensor's process lives for weeks
            report = lake.current("drift_report")
        if report is None:
            return dg.SkipReason(f"{product.name}/drift_report was never materialized")
        if report.facts["outcome"] != "drifted":
            return dg.SkipReason(f"{report.facts['outcome']}: {report.facts['why']}")
        mark = {"llmops/drift_report": report.digest[:32]}
        runs = context.instance.get_runs(dg.RunsFilter(job_name=retrain.name, tags=mark))
        if any(not run.is_failure_or_canceled for run in runs):
            return dg.SkipReason(f"drifted ({report.facts['why']}), and run {runs[0].run_id} was started for it")
        if len(runs) >= ATTEMPTS:
            return dg.SkipReason(f"drifted ({report.facts['why']}), but {len(runs)} runs for it failed; start one by hand")
        return dg.RunRequest(run_key=f"{report.digest[:32]}:{len(runs)}", tags=mark | product.every_candidate(context.instance))

    return drift


class ChangedDataSensor(dg.AutomationConditionSensorDefinition):
    """Asks for what follows changed data (`on_changed_data`). It is evaluated in this code location rather than in the daemon,
    because only here it can look whether the pipeline is frozen. Its cursor stands still meanwhile: what changes during a
    freeze is asked for afterwards.
    """

    def __init__(self, pipeline: str, metadata: Mapping[str, Any] | None = None) -> None:
        self._pipeline = pipeline
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)
            super().__init__(
                f"{pipeline}__changed_data_sensor",
                target=dg.AssetSelection.key_prefixes([pipeline]),
                metadata=metadata,
                use_user_code_server=True,
            )

    @property
    def required_resource_keys(self) -> set[str]:
        return {"home"}

    def evaluate_tick(self, context: dg.SensorEvaluationContext):
        """The tick's requests, or "frozen by NAME: WHY"."""
        from dagster._core.definitions.sensor_definition import SensorExecutionData

        if skipped := freeze.skip(context.resources.home, self._pipeline):
            return SensorExecutionData(skip_message=skipped.skip_message, cursor=context.cursor)
        return super().evaluate_tick(context)

    def with_attributes(self, *, jobs=None, metadata: Mapping[str, Any] | None = None) -> "ChangedDataSensor":
        return ChangedDataSensor(self._pipeline, self.metadata if metadata is None else metadata)


def _frozen_check(product: Product) -> dg.AssetChecksDefinition:
    @product.check("release", blocking=False)
    def automation_is_not_frozen(release: Version, home: Home) -> dg.AssetCheckResult:
        """Nobody has stopped the automation of this pipeline (`llmops freeze`, `llmops unfreeze`)."""
        found = freeze.frozen(home, product.name)
        return check_result((found is None, {"frozen": str(found), "since": found.at} if found else {}), warn=True)

    return automation_is_not_frozen


def failure_sensor(product: Product) -> dg.SensorDefinition:
    """Tells the owner of the pipeline about each failed run of its jobs, and of its assets materialized by hand. It starts
    nothing, so a freeze does not silence it."""

    @dg.run_failure_sensor(name=f"{product.name}__run_failure_sensor")
    def run_failure(context: dg.RunFailureSensorContext, alerts: Alerts) -> dg.SkipReason | None:
        run = context.dagster_run
        assets = {key.path[0] for key in run.asset_selection or ()}
        if not run.job_name.startswith(f"{product.name}__") and product.name not in assets:
            return dg.SkipReason(f"run {run.run_id} of {run.job_name} is not one of {product.name}")
        text = f"{run.job_name} failed: {context.failure_event.message}"
        alerts.send(product.name, product.pipeline.owner, text, run_id=run.run_id)
        return None

    return run_failure
