"""The door to secrets: a pipeline names them, and their values are read here, when they are needed."""

import os
from pathlib import Path

import dagster as dg
from pydantic import Field


class Secrets(dg.ConfigurableResource):
    """Values of what pipelines name, such as SUPPORT_DB_URL. They are never logged, stored or part of a fingerprint."""

    folder: str | None = Field(
        None, description="Folder with one file per secret (Docker, Kubernetes), asked before the environment"
    )

    @classmethod
    def from_environment(cls) -> "Secrets":
        """The folder in LLMOPS_SECRETS."""
        return cls(folder=os.environ.get("LLMOPS_SECRETS"))

    def __call__(self, name: str) -> str | None:
        file = Path(self.folder) / Path(name).name if self.folder else None
        return file.read_text("utf-8").strip() if file and file.is_file() else os.environ.get(name)
