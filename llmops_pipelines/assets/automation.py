"""What runs by itself: jobs, nightly schedules, and sensors for new documents, drift, changed data and failed runs."""

import dagster as dg

from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.resources.alerts import Alerts
from llmops_pipelines.resources.home import Home

from .product import Product

REINDEX = ("raw_documents", "documents", "chunks", "embeddings", "index", "corpus_profile", "drift_report")
ATTEMPTS = 3  # a run key is used up even by a failed run, so each attempt has a key of its own
LIMIT = {"dagster/max_runtime": 6 * 3600}  # seconds; a run that lost its worker gives its slots back after this


def build(product: Product) -> list:
    """Every job, schedule and sensor of one pipeline."""
    reindex, retrain, everything = jobs(product)
    return [
        reindex,
        retrain,
        everything,
        *schedules(product, reindex, retrain),
        new_documents_sensor(product, reindex),
        drift_sensor(product, retrain),
        dg.AutomationConditionSensorDefinition(f"{product.name}__changed_data_sensor", target=product.selection),
        failure_sensor(product),
    ]


def jobs(product: Product) -> list:
    """`__reindex_job` (documents to index), `__retrain_job` (datasets to release), `__lifecycle_job` (both)."""
    reindex = dg.AssetSelection.assets(*(product.key(asset) for asset in REINDEX))
    said = {
        "reindex": (reindex, "From documents to a verified index version, with profile and drift report."),
        "retrain": (product.selection - reindex, "From questions and training examples to a release that passed the gate."),
        "lifecycle": (product.selection, f"From documents to the release: {product.pipeline.description}"),
    }
    return [
        dg.define_asset_job(f"{product.name}__{name}_job", selection, tags=LIMIT, description=words)
        for name, (selection, words) in said.items()
    ]


def schedules(product: Product, reindex, retrain) -> list[dg.ScheduleDefinition]:
    """Nightly reindex and nightly retrain, at the times of the YAML; both do nothing when nothing changed."""
    words = product.pipeline.automation
    lines = {"reindex": (reindex, words.reindex), "retrain": (retrain, words.retrain)}
    return [
        dg.ScheduleDefinition(
            f"{product.name}__{name}_nightly_schedule", job=job, cron_schedule=cron, execution_timezone=words.timezone
        )
        for name, (job, cron) in lines.items()
    ]


def new_documents_sensor(product: Product, reindex) -> dg.SensorDefinition:
    """Asks for a reindex when names, sizes or times of the source files differ from the last look."""
    words = product.pipeline

    @dg.sensor(
        name=f"{product.name}__new_documents_sensor",
        job=reindex,
        minimum_interval_seconds=words.automation.look_for_documents_every,
    )
    def new_documents(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        seen = corpus.glance(words.documents, product.project)
        if seen.identity == context.cursor:
            return dg.SkipReason(f"{seen.files} files, the same as at the last look")
        return dg.SensorResult(run_requests=[dg.RunRequest()], cursor=seen.identity)  # a key would forbid a way back

    return new_documents


def drift_sensor(product: Product, retrain) -> dg.SensorDefinition:
    """Asks for a retrain when the drift report says so, at most `ATTEMPTS` times per report; says why it does not."""

    @dg.sensor(name=f"{product.name}__drift_sensor", job=retrain, minimum_interval_seconds=60)
    def drift(context: dg.SensorEvaluationContext, home: Home) -> dg.RunRequest | dg.SkipReason:
        report = home.lake(product.name).current("drift_report")
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
        return dg.RunRequest(run_key=f"{report.digest[:32]}:{len(runs)}", tags=mark)

    return drift


def failure_sensor(product: Product) -> dg.SensorDefinition:
    """Tells the owner of the pipeline about each failed run of its jobs, and of its assets materialized by hand."""

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
