"""The stage `train`: turns recipe, base and examples into a job file, runs the training process, publishes its result.

Runs in the process of the asset and imports no torch; what happens inside training belongs in `child.py`.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..lake import Draft, Lake, Version, digest
from ..lake.digests import file_digest
from . import checkpoints, guard, plots
from .job import Job, Tracking
from .refusals import TrainingError
from .weights import weights_digest

if TYPE_CHECKING:
    from ...config.recipe import Recipe

CODE = "checkpoint-1"
CHILD = "llmops_pipelines.lifecycle.training.child"
Run = Callable[[list[str], dict[str, str]], None]
Follow = Callable[[str], Tracking]


def train(
    lake: Lake,
    base: Version,
    examples: Version,
    recipe: "Recipe",
    home: Path,
    project: Path,
    run: Run,
    tracking: Follow | None = None,
) -> Version:
    """The fine-tuned adapter as the version of asset "checkpoint"; trains only if this fingerprint was never trained.

    `run(command, variables)` starts the command with these additional environment variables, waits for it and raises if
    it fails. A killed run resumes from its last complete checkpoint below home/training/<fingerprint>.
    `tracking(fingerprint)` is asked only when there is something to train. Raises `TrainingError` with one sentence.
    """
    deepspeed = _deepspeed(project / recipe.deepspeed)
    # save_every decides how much a kill costs, not what is learned; the base counts as a parent
    settings = {"recipe": recipe.model_dump(mode="json", exclude={"base", "deepspeed", "save_every"}), "deepspeed": deepspeed}
    work: list[Path] = []

    def write(draft: Draft) -> None:
        job = _job(draft.fingerprint, base, examples, recipe, deepspeed, home)
        with guard.hold(job.work.with_suffix(".lock")):
            _run(job, run, tracking)
            _fill(draft, job, base, examples, digest(settings))
            work.append(job.work)

    version = lake.once("checkpoint", code=CODE, config=settings, parents=[base, examples], write=write)
    for folder in work:  # published: the optimizer states are of no more use
        shutil.rmtree(folder, ignore_errors=True)
    return version


def command(job: Job) -> list[str]:
    """torchrun on this machine, under the guard. It picks free ports itself: one chosen here could be taken meanwhile."""
    torchrun = [
        *(sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={job.recipe['ranks']}", "--max-restarts=0"),
        *("--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1"),
        *(f"--rdzv-id={job.fingerprint[:16]}", "-m", CHILD, str(job.file)),
    ]
    return guard.command(job.lock, torchrun)


def variables(ranks: int) -> dict[str, str]:
    """What the training processes get on top of the environment: threads, and no network for libraries."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "OMP_NUM_THREADS": str(max(1, cores // ranks)),
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin while they wait made steps 20 times slower on a busy machine
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # repeatable sums on GPUs
        "TORCHDYNAMO_DISABLE": "1",  # nothing is compiled; DeepSpeed would load the compiler all the same (1.5 s)
    }


def _deepspeed(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"recipe.deepspeed: {path} cannot be read ({error}); name a file of configs/deepspeed/") from error
    if not isinstance(config, dict) or not config.get("zero_optimization", {}).get("stage"):
        raise TrainingError(f"recipe.deepspeed: {path} has no zero_optimization.stage; use 1, 2 or 3 as in configs/deepspeed/")
    return config


def _job(
    fingerprint: str,
    base: Version,
    examples: Version,
    recipe: "Recipe",
    deepspeed: dict[str, Any],
    home: Path,
) -> Job:
    found = base.json("base_model")
    return Job(
        fingerprint=fingerprint,
        work=(home / "training" / fingerprint[:32]).resolve(),
        base_folder=Path(found["folder"]),
        base_files=found["files"],
        examples=examples.file(f"{examples.asset}.parquet").resolve(),
        recipe=recipe.model_dump(mode="json", exclude={"base", "deepspeed"}),
        deepspeed=deepspeed,
        resume_from=None,
        notes=(),
        tracking=None,
    )


def _run(job: Job, run: Run, tracking: Follow | None) -> None:
    """Bring the sealed result into being: from before, from a checkpoint, or from the start."""
    if job.result.is_dir():
        if checkpoints.problem(job.result) is None:
            return
        shutil.rmtree(job.result)
    _preflight(job)
    with guard.hold(job.lock, seconds=20):  # an orphan of a killed run would still hold it
        choice = checkpoints.choose(job.checkpoints, job.recipe["ranks"])
        job.failure.unlink(missing_ok=True)
    followed = tracking(job.fingerprint) if tracking else None
    job = replace(job, resume_from=choice.path, notes=choice.notes, tracking=followed)
    job.save()
    try:
        run(command(job), variables(job.recipe["ranks"]))
    except Exception as error:
        raise TrainingError(_sentence(job, error)) from error
    if found := checkpoints.problem(job.result):
        raise TrainingError(f"{job.result}: {found}; the training process ended without a complete result, see its log")


def _sentence(job: Job, error: Exception) -> str:
    code = getattr(error, "returncode", None)
    cause = str(error) if code is None else f"exit status {code}"
    if job.failure.is_file():
        failure = json.loads(job.failure.read_text("utf-8"))
        if failure["refused"]:
            return failure["sentence"]
        cause = failure["sentence"]
    sealed = [p for p in job.checkpoints.glob("checkpoint-*") if (p / checkpoints.MANIFEST).is_file()]
    step = max((checkpoints.step_of(path) for path in sealed), default=0)
    return (
        f"{job.work}: the training process failed ({cause}); the next run resumes after step {step}; if its log says "
        f"'Signal 9' without anybody having stopped it, memory ran out: lower batch_size"
    )


def _preflight(job: Job) -> None:
    from pyarrow.parquet import read_metadata

    if not read_metadata(job.examples).num_rows:
        raise TrainingError(f"{job.examples}: no training examples; add documents or raise training.pairs_per_document")
    job.checkpoints.mkdir(parents=True, exist_ok=True)
    size = sum((job.base_folder / name).stat().st_size for name in job.base_files)
    if (free := shutil.disk_usage(job.work).free) < (wanted := max(size, 100_000_000)):
        raise TrainingError(f"{job.work}: {free // 10**6} MB free, checkpoints may need {wanted // 10**6} MB; make room first")


def _fill(draft: Draft, job: Job, base: Version, examples: Version, recipe: str) -> None:
    import pyarrow as pa

    outcome = json.loads((job.result / "outcome.json").read_text("utf-8"))
    log = json.loads((job.result / checkpoints.LOG).read_text("utf-8"))
    shutil.copytree(job.result / "adapter", draft.file("adapter"))
    adapter = file_digest(draft.file("adapter") / "adapter_model.safetensors")
    draft.json(
        "checkpoint",
        {
            "base_weights_sha256": weights_digest(base.json("base_model")["files"]),
            "base_digest": base.digest,
            "adapter_sha256": adapter,
            "examples_digest": examples.digest,
            "recipe_digest": recipe,
            "engine": outcome["engine"],
            "steps": outcome["steps"],
        },
    )
    draft.json("truth", outcome, data=False)
    draft.table("training_log", pa.Table.from_pylist(log, schema=_log_schema()), data=False)
    plots.draw(log, draft.file("loss.png", data=False))
    draft.facts.update(outcome["facts"], adapter_sha256=adapter)


def _log_schema():
    import pyarrow as pa

    columns = {"loss": pa.float64(), "learning_rate": pa.float64(), "tokens_per_second": pa.float64(), "seconds": pa.float64()}
    return pa.schema({"step": pa.int64(), **columns})
