"""The MLflow model registry as a projection of the release history: versions are registered once, the alias follows."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .history import Release

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALIAS = "champion"


@dataclass(frozen=True)
class Registry:
    """The registered model of one pipeline, through an `MlflowClient`."""

    client: "MlflowClient"
    name: str
    run: str = ""

    def register(self, bundle: str, adapter: Path, tags: dict[str, str]) -> str:
        """Register the adapter of a bundle, as trained in MLflow run `run`, and return its model version. Once per bundle."""
        self._ensure()
        marks = {**tags, "llmops/bundle": bundle}
        if known := [v for v in self._versions() if v.tags.get("llmops/bundle") == bundle]:
            return str(known[0].version)
        experiment = self.client.get_run(self.run).info.experiment_id
        model = self.client.create_logged_model(
            experiment, name=self.name, source_run_id=self.run, tags=marks, model_type="peft"
        )
        self.client.log_model_artifacts(model.model_id, str(adapter))
        self.client.finalize_logged_model(model.model_id, "READY")
        source = f"models:/{model.model_id}"
        created = self.client.create_model_version(self.name, source, run_id=self.run, tags=marks, model_id=model.model_id)
        return str(created.version)

    def champion(self) -> str | None:
        """The model version that the alias names, None if it names none."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.get_model_version_by_alias(self.name, ALIAS).version)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def align(self, live: Release | None) -> None:
        """Make the alias say what the history says, and read it back. Raises RuntimeError if it does not stick."""
        if live is None or self.champion() == live.model_version:
            return
        self.client.set_registered_model_alias(self.name, ALIAS, live.model_version)
        if (now := self.champion()) != live.model_version:
            raise RuntimeError(
                f"MLflow alias {self.name}@{ALIAS} reads {now} after it was set to {live.model_version}; release {live.epoch} "
                f"answers users all the same; materialize {live.pipeline}/release again to set the alias once more"
            )

    def _ensure(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _versions(self):
        return self.client.search_model_versions(f"name = '{self.name}'")
