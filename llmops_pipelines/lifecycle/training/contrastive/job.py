"""The job file of an embedder's tuning: all that its process needs to know, resolved and absolute. It reads nothing else."""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ....config.embedder_recipe import EmbedderRecipe
from ....config.pipeline import Embeddings
from ...lake import files
from ..job import Tracking

PATHS = ("work", "base", "pairs", "passages", "negatives", "resume_from")


@dataclass(frozen=True)
class Job:
    """One tuning. `base` is the folder of the embedding model, the three tables are Parquet files (`negatives` may be None)."""

    fingerprint: str
    work: Path
    base: Path
    pairs: Path
    passages: Path
    negatives: Path | None
    embeddings: dict[str, Any]
    recipe: dict[str, Any]
    resume_from: Path | None
    notes: tuple[str, ...]
    tracking: Tracking | None

    @property
    def checkpoints(self) -> Path:
        return self.work / "checkpoints"

    @property
    def result(self) -> Path:
        """Appears when tuning is complete: model/, ranks.json, training_log.json, outcome.json, sealed."""
        return self.work / "result"

    @property
    def failure(self) -> Path:
        return self.work / "failure.json"

    @property
    def lock(self) -> Path:
        return self.work / "process.lock"

    @property
    def file(self) -> Path:
        return self.work / "job.json"

    @cached_property
    def words(self) -> EmbedderRecipe:
        return EmbedderRecipe.model_validate(self.recipe)

    @cached_property
    def model(self) -> Embeddings:
        """The pipeline's settings of the untuned model, its files named by their folder."""
        return Embeddings.model_validate({**self.embeddings, "model": str(self.base)})

    def save(self) -> None:
        plain = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}
        files.replace(self.file, files.to_json(plain))

    @classmethod
    def read(cls, path: Path) -> "Job":
        plain = json.loads(path.read_text("utf-8"))
        plain |= {key: Path(plain[key]) if plain[key] else None for key in PATHS}
        plain["notes"] = tuple(plain["notes"])
        plain["tracking"] = Tracking(**plain["tracking"]) if plain["tracking"] else None
        return cls(**plain)
