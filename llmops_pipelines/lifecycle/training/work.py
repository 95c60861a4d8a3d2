"""What every training process has: a work folder with its job file, checkpoints, result and failure, and quiet libraries.

What a run of a language model or of an embedding model needs besides is in `job.py` and `contrastive/job.py`.
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from ..compute.cores import usable
from ..lake import files
from . import checkpoints


@dataclass(frozen=True)
class Tracking:
    """Where metrics go while training runs: an MLflow tracking URI and a run that exists there."""

    uri: str
    run_id: str


@dataclass(frozen=True, kw_only=True)
class Work:
    """A job file: all that a training process needs to know, resolved and absolute. It reads nothing else.

    `resume_from` is a checked checkpoint or None; `notes` are told at the start.
    """

    fingerprint: str
    work: Path
    recipe: dict[str, Any]
    resume_from: Path | None
    notes: tuple[str, ...]
    tracking: Tracking | None

    @property
    def checkpoints(self) -> Path:
        return self.work / "checkpoints"

    @property
    def result(self) -> Path:
        """Appears, sealed, when training is complete."""
        return self.work / "result"

    @property
    def failure(self) -> Path:
        """Written by the training process when it refuses: one sentence."""
        return self.work / "failure.json"

    @property
    def file(self) -> Path:
        return self.work / "job.json"

    def lock(self, node: int = 0) -> Path:
        """Held by the process that started those of this machine."""
        return self.work / ("process.lock" if node == 0 else f"process-{node}.lock")

    def save(self) -> Path:
        plain = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}
        files.replace(self.file, files.to_json(plain))
        return self.file

    @classmethod
    def read(cls, path: Path) -> Self:
        plain = json.loads(path.read_text("utf-8"))
        for field in fields(cls):
            if field.type in (Path, Path | None) and plain[field.name] is not None:
                plain[field.name] = Path(plain[field.name])
        plain["notes"] = tuple(plain["notes"])
        plain["tracking"] = Tracking(**plain["tracking"]) if plain["tracking"] else None
        return cls(**plain)

    def said(self, error: Exception) -> tuple[bool, str]:
        """Whether the process refused, and its sentence; else what is known of how it failed."""
        code = getattr(error, "returncode", None)
        if not self.failure.is_file():
            return False, str(error) if code is None else f"exit status {code}"
        failure = json.loads(self.failure.read_text("utf-8"))
        return failure["refused"], failure["sentence"]

    def newest_step(self) -> int:
        """The step after which the next run resumes, as far as sealed checkpoints tell; 0 without one."""
        sealed = self.checkpoints.glob(f"checkpoint-*/{checkpoints.MANIFEST}")
        return max((checkpoints.step_of(path.parent) for path in sealed), default=0)


def variables(processes: int) -> dict[str, str]:
    """What training processes get on top of the environment: their threads, and no network for libraries."""
    return {
        "OMP_NUM_THREADS": str(max(1, usable() // processes)),
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin while they wait made steps 20 times slower on a busy machine
        "TOKENIZERS_PARALLELISM": "true" if processes == 1 else "false",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # repeatable sums on GPUs
    }
