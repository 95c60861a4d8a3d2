"""The one folder that holds all state, as a Dagster resource: lake, run history, MLflow database, releases."""

from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.release.history import History

from .folders import Folders


class Home(dg.ConfigurableResource):
    """Everything that this project writes lies below `path`; what a run writes says by which run."""

    path: str
    _run: str = PrivateAttr(default="")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        self._run = context.run.run_id if context.run else ""  # a sensor has none

    @classmethod
    def from_environment(cls, project: Path) -> "Home":
        """LLMOPS_HOME, else `.llmops` in the project folder."""
        return cls(path=str(Folders.from_environment(project).home))

    @property
    def folder(self) -> Path:
        return Path(self.path)

    def lake(self, pipeline: str) -> Lake:
        return Folders(self.folder).lake(pipeline, self._run)

    def history(self, pipeline: str) -> History:
        return Folders(self.folder).history(pipeline)
