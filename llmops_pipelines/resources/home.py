"""The one folder that holds all state: lake, run history, MLflow database, releases. Read from LLMOPS_HOME, once, here."""

import os
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.release import History


class Home(dg.ConfigurableResource):
    """Everything that this project writes lies below `path`."""

    path: str
    _run: str = PrivateAttr(default="")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        self._run = context.run.run_id if context.run else ""  # a sensor has none

    @classmethod
    def from_environment(cls, project: Path) -> "Home":
        """LLMOPS_HOME, else `.llmops` in the project folder."""
        return cls(path=str(Path(os.environ.get("LLMOPS_HOME") or project / ".llmops").resolve()))

    @property
    def folder(self) -> Path:
        return Path(self.path)

    def lake(self, pipeline: str) -> Lake:
        return Lake(self.folder / "lake", pipeline, self._run)

    def history(self, pipeline: str) -> History:
        return History(self.folder / "releases" / pipeline)
