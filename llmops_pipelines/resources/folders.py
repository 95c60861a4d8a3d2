"""Where the state of a project lies: one folder, from LLMOPS_HOME. Known without Dagster, whose import takes a second."""

import os
from dataclasses import dataclass
from pathlib import Path

from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.release.history import History


@dataclass(frozen=True)
class Folders:
    """Everything that this project writes lies below `home`."""

    home: Path

    @classmethod
    def from_environment(cls, project: Path) -> "Folders":
        """LLMOPS_HOME, else `.llmops` in the project folder."""
        return cls(Path(os.environ.get("LLMOPS_HOME") or project / ".llmops").resolve())

    def lake(self, pipeline: str, run: str = "") -> Lake:
        """`run` is the Dagster run that writes."""
        return Lake(self.home / "lake", pipeline, run)

    def history(self, pipeline: str) -> History:
        return History(self.home / "releases" / pipeline)
