"""The job file of a language model's training."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .work import Work


@dataclass(frozen=True, kw_only=True)
class Job(Work):
    """One training run. `recipe` is the recipe without its base; `resume_from` was saved by `resume_ranks` processes. The
    result holds adapter/ or model/, training_log.json and outcome.json."""

    base_folder: Path
    base_files: dict[str, str]
    examples: Path
    deepspeed: dict[str, Any]
    resume_ranks: int | None

    @property
    def kind(self) -> Literal["adapter", "model"]:
        """What the result holds, and the name of its folder."""
        return "model" if self.recipe["method"] == "full" else "adapter"

    @property
    def world(self) -> int:
        return self.recipe["ranks"] * self.recipe["nodes"]
