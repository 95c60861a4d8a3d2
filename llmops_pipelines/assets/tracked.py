"""How steps that train or score appear in MLflow: tags that lead back to Dagster, datasets with their digests."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from llmops_pipelines.config.words import Words
from llmops_pipelines.lifecycle.lake import Version

if TYPE_CHECKING:
    from mlflow import MlflowClient

Fill = Callable[["MlflowClient", str], None]


def tags(context: dg.AssetExecutionContext) -> dict[str, str]:
    """Tags that name the Dagster run and asset of a step."""
    asset = context.assets_def.key.to_user_string()
    return {"dagster/run_id": context.run_id, "dagster/asset_key": asset, "dagster/job": context.job_name}


def dataset(version: Version, role: str) -> Fill:
    """Log `version` as an MLflow dataset in the role "training" or "evaluation", by its digest and place."""

    def fill(client: "MlflowClient", run: str) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        known = Dataset(
            name=f"{version.pipeline}/{version.asset}",
            digest=version.digest[:36],  # MLflow's limit
            source_type="local",
            source=json.dumps({"uri": version.path.as_uri()}),
            profile=json.dumps({"num_rows": seen.rows if (seen := version.outline()) else 0}),
        )
        client.log_inputs(run, datasets=[DatasetInput(known, tags=[InputTag("mlflow.data.context", role)])])

    return fill


def parameters(**sections: Words) -> Fill:
    """Log every setting of each section as a parameter, nested ones with dots: `recipe.lora.rank`."""

    def fill(client: "MlflowClient", run: str) -> None:
        from mlflow.entities import Param

        said = {name: words.model_dump(mode="json") for name, words in sections.items()}
        client.log_batch(run, params=[Param(name, str(value)[:500]) for name, value in _flat(said)])

    return fill


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        elif value is not None:
            yield f"{above}{name}", value


def artifacts(version: Version, *names: str) -> Fill:
    """Log files of `version` as artifacts of its run; those that it does not have are left out."""

    def fill(client: "MlflowClient", run: str) -> None:
        for name in names:
            if version.file(name).exists():
                client.log_artifact(run, str(version.file(name)))

    return fill


def everything(*fills: Fill) -> Fill:
    def fill(client: "MlflowClient", run: str) -> None:
        for each in fills:
            each(client, run)

    return fill
