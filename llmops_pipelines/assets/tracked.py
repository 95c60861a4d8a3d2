"""How steps that train or score appear in MLflow: tags that lead back to Dagster, datasets with their digests."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import dagster as dg

from llmops_pipelines.lifecycle.lake import Version

if TYPE_CHECKING:
    from mlflow import MlflowClient


def tags(context: dg.AssetExecutionContext) -> dict[str, str]:
    """Tags that name the Dagster run and asset of a step."""
    asset = context.assets_def.key.to_user_string()
    return {"dagster/run_id": context.run_id, "dagster/asset_key": asset, "dagster/job": context.job_name}


def dataset(version: Version, role: str, *files: str) -> "Callable[[MlflowClient, str], None]":
    """Log `version` as an MLflow dataset in the role "training" or "evaluation"; `files` of no interest to it are ignored."""

    def fill(client: "MlflowClient", run: str) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        known = Dataset(
            name=f"{version.pipeline}/{version.asset}",
            digest=version.digest[:36],
            source_type="local",
            source=f'{{"uri": "{version.path.as_uri()}"}}',
            profile=f'{{"num_rows": {version.rows() or 0}}}',
        )
        client.log_inputs(run, datasets=[DatasetInput(known, tags=[InputTag("mlflow.data.context", role)])])

    return fill
