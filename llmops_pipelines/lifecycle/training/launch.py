"""The stage `train`: turns recipe, base and examples into a job file, runs the training process, publishes its result.

Runs in the process of the asset and imports no torch; what happens inside training belongs in `child.py`.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..lake import Draft, Lake, Version, digest
from . import checkpoints, guard, plots
from .command import command, others, variables
from .job import Job
from .refusals import TrainingError
from .settings import Settings, missing_library, settings
from .truth import digest_of
from .weights import weights_digest
from .work import Tracking

if TYPE_CHECKING:
    from ...config.recipe import Recipe

CODE = "checkpoint-2"
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
    name: str = "checkpoint",
) -> Version:
    """The fine-tuned adapter or model as the version of the asset `name`; trains only if this was never trained.

    `run(command, variables)` starts the command with these additional environment variables, waits for it and raises if
    it fails. A killed run resumes from its last complete checkpoint below home/training/<fingerprint>, also with another
    number of ranks if the examples per step are the same. `tracking(fingerprint)` is asked only when there is something
    to train. `examples` holds the table of its own name: example_id, prompt, and completion or (dpo) chosen and rejected.
    Raises `TrainingError` with one sentence.
    """
    chosen = settings(recipe, project)
    work: list[Path] = []

    def write(draft: Draft) -> None:
        if missing := missing_library(recipe):
            raise TrainingError(missing)
        job = _job(draft.fingerprint, base, examples, chosen, home)
        with guard.hold(job.work.with_suffix(".lock")):
            _run(job, run, tracking)
            _fill(draft, job, base, examples, digest(chosen.identity))
            work.append(job.work)

    version = lake.once(name, code=CODE, config=chosen.identity, parents=[base, examples], write=write)
    for folder in work:  # published: the optimizer states are of no more use
        shutil.rmtree(folder, ignore_errors=True)
    return version


def work_folder(home: Path, fingerprint: str) -> Path:
    """Where a run of this fingerprint keeps its checkpoints until it is published."""
    return (home / "training" / fingerprint[:32]).resolve()


def _job(fingerprint: str, base: Version, examples: Version, chosen: Settings, home: Path) -> Job:
    found = base.json("base_model")
    return Job(
        fingerprint=fingerprint,
        work=work_folder(home, fingerprint),
        base_folder=Path(found["folder"]),
        base_files=found["files"],
        examples=examples.file(f"{examples.noun}.parquet").resolve(),
        recipe=chosen.recipe,
        deepspeed=chosen.deepspeed,
        resume_from=None,
        resume_ranks=None,
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
    with guard.hold(job.lock(), seconds=20):  # an orphan of a killed run would still hold it
        choice = checkpoints.choose(job.checkpoints)
        job.failure.unlink(missing_ok=True)
    followed = tracking(job.fingerprint) if tracking else None
    notes = (*choice.notes, *([others(job)] if job.recipe["nodes"] > 1 else []))
    job = replace(job, resume_from=choice.path, resume_ranks=choice.ranks, notes=notes, tracking=followed)
    job.save()
    try:
        run(command(job), variables(job.recipe))
    except Exception as error:
        raise TrainingError(_sentence(job, error)) from error
    if found := checkpoints.problem(job.result):
        raise TrainingError(f"{job.result}: {found}; the training process ended without a complete result, see its log")


def _sentence(job: Job, error: Exception) -> str:
    refused, sentence = job.said(error)
    if refused:
        return sentence
    return (
        f"{job.work}: the training process failed ({sentence}); the next run resumes after step {job.newest_step()}; if its "
        f"log says 'Signal 9' without anybody having stopped it, memory ran out: lower batch_size and raise accumulate"
    )


def _preflight(job: Job) -> None:
    from pyarrow.parquet import read_metadata

    if not read_metadata(job.examples).num_rows:
        raise TrainingError(f"{job.examples}: no training examples; add documents or raise training.pairs_per_document")
    job.checkpoints.mkdir(parents=True, exist_ok=True)
    size = sum((job.base_folder / name).stat().st_size for name in job.base_files)
    if job.kind == "model":  # three checkpoints of weights and 12 bytes of optimizer a weight, which has 2 to 4 on disk
        size *= 3 * 8
    if (free := shutil.disk_usage(job.work).free) < (wanted := max(size, 100_000_000)):
        raise TrainingError(f"{job.work}: {free // 10**6} MB free, checkpoints may need {wanted // 10**6} MB; make room first")


def _fill(draft: Draft, job: Job, base: Version, examples: Version, recipe: str) -> None:
    import pyarrow as pa

    outcome = json.loads((job.result / "outcome.json").read_text("utf-8"))
    log = json.loads((job.result / checkpoints.LOG).read_text("utf-8"))
    shutil.copytree(job.result / job.kind, draft.file(job.kind))
    weights = digest_of(draft.file(job.kind), job.kind)
    draft.json(
        "checkpoint",
        {
            "method": job.recipe["method"],
            "kind": job.kind,
            "base_weights_sha256": weights_digest(base.json("base_model")["files"]),
            "base_digest": base.digest,
            f"{job.kind}_sha256": weights,
            "examples_digest": examples.digest,
            "recipe_digest": recipe,
            "engine": outcome["engine"],
            "steps": outcome["steps"],
            "ended_by": outcome["ended_by"],
        },
    )
    draft.json("truth", outcome, data=False)
    draft.table("training_log", pa.Table.from_pylist(log, schema=_log_schema()), data=False)
    plots.draw(log, draft.file("loss.png", data=False))
    draft.facts.update(facts := outcome["facts"], **{f"{job.kind}_sha256": weights})
    draft.spent(tokens=facts["tokens"], gpu_seconds=facts["seconds"] * facts["ranks"] * (facts["device"] == "cuda"))


def _log_schema():
    import pyarrow as pa

    columns = {"loss": pa.float64(), "learning_rate": pa.float64(), "tokens_per_second": pa.float64(), "seconds": pa.float64()}
    return pa.schema({"step": pa.int64(), **columns, "tokens": pa.int64()})
