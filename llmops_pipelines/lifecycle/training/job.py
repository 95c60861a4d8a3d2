"""The job file: all that the training process needs to know, resolved and absolute. The process reads nothing else."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ..lake import files


@dataclass(frozen=True)
class Tracking:
    """Where metrics go while training runs: an MLflow tracking URI and a run that exists there."""

    uri: str
    run_id: str


@dataclass(frozen=True)
class Job:
    """One training run. `recipe` is the recipe without its base; `resume_from` is a checked checkpoint, saved by
    `resume_ranks` processes, or None."""

    fingerprint: str
    work: Path
    base_folder: Path
    base_files: dict[str, str]
    examples: Path
    recipe: dict[str, Any]
    deepspeed: dict[str, Any]
    resume_from: Path | None
    resume_ranks: int | None
    notes: tuple[str, ...]
    tracking: Tracking | None

    @property
    def kind(self) -> Literal["adapter", "model"]:
        """What the result holds, and the name of its folder."""
        return "model" if self.recipe["method"] == "full" else "adapter"

    @property
    def world(self) -> int:
        return self.recipe["ranks"] * self.recipe["nodes"]

    @property
    def checkpoints(self) -> Path:
        return self.work / "checkpoints"

    @property
    def result(self) -> Path:
        """Appears when training is complete: adapter/ or model/, training_log.json, outcome.json, sealed."""
        return self.work / "result"

    @property
    def failure(self) -> Path:
        """Written by the training process when it refuses: one sentence."""
        return self.work / "failure.json"

    @property
    def file(self) -> Path:
        return self.work / "job.json"

    def lock(self, node: int = 0) -> Path:
        """Held by the process that started the ranks of this machine."""
        return self.work / ("process.lock" if node == 0 else f"process-{node}.lock")

    def save(self) -> Path:
        plain = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}
        files.replace(self.file, files.to_json(plain))
        return self.file

    @classmethod
    def read(cls, path: Path) -> "Job":
        plain = json.loads(path.read_text("utf-8"))
        for key in ("work", "base_folder", "examples", "resume_from"):
            plain[key] = Path(plain[key]) if plain[key] else None
        plain["notes"] = tuple(plain["notes"])
        plain["tracking"] = Tracking(**plain["tracking"]) if plain["tracking"] else None
        return cls(**plain)
