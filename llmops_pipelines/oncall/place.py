"""Where a question of on-call is asked: the project, its lake and its releases. Nothing is loaded that no answer needs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from llmops_pipelines.terminal import complain

if TYPE_CHECKING:
    from llmops_pipelines.lifecycle.lake import Lake
    from llmops_pipelines.lifecycle.release.history import History, Release


@dataclass(frozen=True)
class Place:
    """A pipeline of the nearest project. Its YAML is not read: what was released is answered from records."""

    name: str
    project: Path
    home: Path
    lake: "Lake"
    history: "History"

    @classmethod
    def of(cls, name: str) -> "Place":
        """Ends with exit code 2 when the project has no such pipeline."""
        from llmops_pipelines.config.loader import find_project, pipeline_files
        from llmops_pipelines.config.words import did_you_mean
        from llmops_pipelines.resources.folders import Folders

        project = find_project(Path.cwd())
        files = pipeline_files(project)
        if name not in files:
            folder, known = project / "configs" / "pipelines", ", ".join(files) or "none"
            complain(f"{folder}: no pipeline {name!r}; expected one of: {known}{did_you_mean(name, list(files))}")
            raise typer.Exit(2)
        folders = Folders.from_environment(project)
        return cls(name, project, folders.home, folders.lake(name), folders.history(name))

    def release(self, epoch: int | None = None, stage: str = "production") -> "Release":
        """The release of that number, without one the live one. Raises `Refusal`."""
        from llmops_pipelines.lifecycle.lake import Refusal

        found = self.history.record(epoch) if epoch else self.history.live(stage)
        if found is None:
            raise Refusal(f"{self.name} has no release in {stage} yet; make one with: llmops run {self.name}")
        return found
