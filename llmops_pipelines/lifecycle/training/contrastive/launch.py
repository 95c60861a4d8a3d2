"""The stage `embedder`: starts the tuning process, publishes its result, and says how to adopt it. Imports no torch."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_pipelines.lifecycle.index.embedders.embedder import Embedder

from ...lake import Draft, Lake, Version, files
from .. import checkpoints, guard, plots
from ..refusals import TrainingError
from ..work import Tracking, variables
from .job import Job
from .loop import newest

if TYPE_CHECKING:
    from ....config.embedder_recipe import EmbedderRecipe
    from ....config.pipeline import Embeddings

CODE = "embedder-1"
CHILD = f"{__package__}.child"
RESULT = ("outcome", "ranks", "training_log")  # JSON files of the sealed result
Run = Callable[[list[str], dict[str, str]], None]
Follow = Callable[[str], Tracking]


def tune_embedder(
    lake: Lake,
    pairs: Version,
    negatives: Version | None,
    embeddings: "Embeddings",
    recipe: "EmbedderRecipe",
    home: Path,
    run: Run,
    tracking: Follow | None = None,
    name: str = "embedder",
) -> Version:
    """The tuned embedding model as the version of asset `name`; tunes only if this fingerprint was never tuned.

    `run(command, variables)` starts the command with these additional environment variables, waits and raises if it fails.
    A killed run resumes from its last complete checkpoint below home/training/<fingerprint>. Folder `model` opens with
    `Embeddings(model=folder, revision=None, sha256=...)`; json `embedder` says what it is worth, `adopt` how to use it.
    """
    embedder = Embedder.open(embeddings)
    if embeddings.endpoint or not embedder.model.plain:
        raise TrainingError(
            f"embeddings.model: {embedder.name} cannot be tuned here, only BERT with mean or cls pooling can; name such a model"
        )
    if recipe.negatives.per_pair and negatives is None:
        raise TrainingError("negatives.per_pair: hard negatives are wanted, but none were searched; give them or set it to 0")
    work: list[Path] = []

    def write(draft: Draft) -> None:
        job = _job(draft.fingerprint, embedder, pairs, negatives, recipe, home)
        with guard.hold(job.work.with_suffix(".lock")):
            _run(job, run, tracking)
            _fill(draft, job, embedder)
            work.append(job.work)

    # save_every decides how much a kill costs, not what is learned
    settings = {"recipe": recipe.model_dump(mode="json", exclude={"save_every"}), "embedder": embedder.fingerprint}
    parents = [pairs, *([negatives] if negatives else [])]
    version = lake.once(name, code=CODE, config=settings, parents=parents, write=write)
    for folder in work:
        shutil.rmtree(folder, ignore_errors=True)
    return version


@dataclass(frozen=True)
class Adoption:
    """A tuned model outside the lake, where no clean-up removes it, and the lines of a pipeline that use it."""

    folder: Path
    sha256: str
    yaml: str


def adopt(version: Version, home: Path) -> Adoption:
    """Copy the tuned model to home/embedders/<sha256> once. Adopting it makes a new index: every text is embedded again."""
    sha256 = version.json("embedder")["sha256"]
    folder = (home / "embedders" / sha256[:16]).resolve()
    if not folder.is_dir():
        staging = folder.with_name(f".{sha256[:16]}-{os.getpid()}")
        shutil.copytree(version.file("model"), staging, dirs_exist_ok=True)
        files.publish_directory(staging, folder)
    lines = [
        "embeddings:",
        f"  model: {json.dumps(str(folder), ensure_ascii=False)}",
        "  revision: null",
        f"  sha256: {sha256}",
    ]
    return Adoption(folder, sha256, "\n".join(lines) + "\n")


def command(job: Job) -> list[str]:
    return guard.command(job.lock(), [sys.executable, "-m", CHILD, str(job.file)])


def _job(
    fingerprint: str, embedder: Embedder, pairs: Version, negatives: Version | None, recipe: "EmbedderRecipe", home: Path
) -> Job:
    return Job(
        fingerprint=fingerprint,
        work=(home / "training" / fingerprint[:32]).resolve(),
        base=embedder.model.folder.resolve(),
        pairs=pairs.file("embedder_pairs.parquet").resolve(),
        passages=pairs.file("passages.parquet").resolve(),
        negatives=negatives.file(f"{negatives.noun}.parquet").resolve() if negatives else None,
        embeddings=embedder.settings.model_dump(mode="json"),
        recipe=recipe.model_dump(mode="json"),
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
    job.checkpoints.mkdir(parents=True, exist_ok=True)
    with guard.hold(job.lock(), seconds=20):  # an orphan of a killed run would still hold it
        resume_from, notes = newest(job.checkpoints)
        job.failure.unlink(missing_ok=True)
    job = replace(job, resume_from=resume_from, notes=notes, tracking=tracking(job.fingerprint) if tracking else None)
    job.save()
    try:
        run(command(job), variables(processes=1))
    except Exception as error:  # `run` is the caller's; whatever it raises means that the process failed
        raise TrainingError(_sentence(job, error)) from error
    if found := checkpoints.problem(job.result):
        raise TrainingError(f"{job.result}: {found}; the tuning process ended without a complete result, see its log")


def _sentence(job: Job, error: Exception) -> str:
    refused, sentence = job.said(error)
    if refused:
        return sentence
    return f"{job.work}: tuning the embedder failed ({sentence}); the next run resumes after step {job.newest_step()}"


def _fill(draft: Draft, job: Job, embedder: Embedder) -> None:
    import pyarrow as pa

    outcome, ranks, log = (json.loads((job.result / f"{name}.json").read_text("utf-8")) for name in RESULT)
    shutil.copytree(job.result / "model", draft.file("model"))
    difference = outcome["difference"]
    measured = {name: round(difference[name], 4) for name in ("before", "after", "low", "high")}
    said = {
        "sha256": outcome["sha256"],
        "base": {"sha256": embedder.settings.sha256, "fingerprint": embedder.fingerprint},
        "mrr_at_10": measured,
        "better": difference["low"] > 0,
        **{name: outcome[name] for name in ("pairs", "steps", "asked_by")},
        **{name: difference[name] for name in ("questions", "passages")},
    }
    draft.json("embedder", said)
    draft.json("truth", {**outcome["truth"], **outcome["machine"]}, data=False)
    draft.table("ranks", pa.Table.from_pylist(ranks))
    columns = {"loss": pa.float64(), "learning_rate": pa.float64(), "tokens_per_second": pa.float64(), "seconds": pa.float64()}
    draft.table("training_log", pa.Table.from_pylist(log, pa.schema({"step": pa.int64(), **columns})), data=False)
    plots.draw(log, draft.file("loss.png", data=False))
    draft.facts |= {
        "base": embedder.name,
        "mrr_at_10_before": measured["before"],
        "mrr_at_10_after": measured["after"],
        "difference_low": measured["low"],
        "difference_high": measured["high"],
        **{name: said[name] for name in ("better", "pairs", "steps", "questions", "asked_by", "passages", "sha256")},
        **{name: outcome["machine"][name] for name in ("device", "precision", "seconds", "resumed_from_step")},
    }
