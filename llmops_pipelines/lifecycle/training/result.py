"""The end of a training: save what was learnt, examine it, and publish both as the sealed result. Runs on every rank,
because ZeRO-3 gathers weights from all of them; only the first one writes.
"""

import os
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..lake import files
from ..lake.digests import file_digest
from . import checkpoints, truth
from .weights import weights_digest

if TYPE_CHECKING:
    from .job import Job
    from .progress import Progress

LIBRARIES = ("torch", "transformers", "peft", "trl", "deepspeed", "accelerate")
ADAPTER = ("adapter_model.safetensors", "adapter_config.json")
MODEL = ("config.json", "generation_config.json", "model.safetensors.index.json")


@dataclass(frozen=True)
class Ended:
    """What the training process knows at its end."""

    trainer: Any
    report: "Progress"
    prompts: list[list[int]]
    load: Any
    precision: str
    spelled: str
    gpus: int
    by: str


def publish(job: "Job", ended: Ended, rank: int) -> None:
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    trainer = ended.trainer
    trained = truth.probe(trainer.model_wrapped, ended.prompts, trainer.args.device)
    staging = job.work / f"result-{os.getpid()}"
    trainer.save_model(str(job.work / "saved"))
    if rank:
        return
    unset_hf_deepspeed_config()  # else loading for the examination would be sharded too
    base = weights_digest({name: file_digest(job.base_folder / name) for name in job.base_files})
    saved = staging / job.kind
    saved.mkdir(parents=True)
    (_take_adapter if job.kind == "adapter" else _take_model)(job, saved, base)
    answers = {
        "the_engine_is_deepspeed": type(trainer.model_wrapped).__name__ == truth.ENGINE,
        "the_base_is_unchanged": base == weights_digest(job.base_files),
        "the_tokenizer_is_unchanged": truth.spelling(trainer.processing_class) == ended.spelled and _same_files(job, saved),
        "every_loss_is_finite": all(row["loss"] is not None for row in ended.report.as_rows()),
        **truth.examine(saved, job.kind, ended.load, trained, ended.prompts, ended.precision),
    }
    (staging / "outcome.json").write_bytes(files.to_json(outcome(job, ended, answers)))
    (staging / checkpoints.LOG).write_bytes(files.to_json(ended.report.as_rows()))
    checkpoints.seal(staging)
    files.publish_directory(staging, job.result)


def _take_adapter(job: "Job", saved: Path, base: str) -> None:
    for name in ADAPTER:
        (job.work / "saved" / name).rename(saved / name)
    truth.tidy_adapter(saved, base)


def _take_model(job: "Job", saved: Path, base: str) -> None:
    """The weights as saved, the tokenizer as the base has it, file for file."""
    for path in sorted((job.work / "saved").iterdir()):
        if path.suffix == ".safetensors" or path.name in MODEL:
            path.rename(saved / path.name)
    truth.tidy_model(saved)
    for name in tokenizer_files(job):
        shutil.copyfile(job.base_folder / name, saved / name)


def tokenizer_files(job: "Job") -> list[str]:
    """Of the base's files those that are neither weights nor configuration of the model."""
    return [name for name in job.base_files if not name.endswith(".safetensors") and name not in MODEL]


def _same_files(job: "Job", saved: Path) -> bool:
    """Whether the tokenizer's files beside a whole model are still those of the verified base; an adapter has none."""
    wanted = tokenizer_files(job) if job.kind == "model" else []
    return all(file_digest(saved / name) == job.base_files[name] for name in wanted)


def outcome(job: "Job", ended: Ended, answers: dict[str, Any]) -> dict[str, Any]:
    trainer, points = ended.trainer, ended.report.points
    engine = type(trainer.model_wrapped).__name__
    return {
        "engine": engine,
        "optimizer": type(trainer.model_wrapped.optimizer).__name__,
        "steps": points[-1].step,
        "ended_by": ended.by,
        "truth": answers,
        "versions": {name: version(name) for name in LIBRARIES},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {ended.gpus} GPUs",
        "facts": {
            "method": job.recipe["method"],
            "engine": engine,
            "examples": trainer.examples,
            "rows": len(trainer.train_dataset),
            "steps": points[-1].step,
            "ended_by": ended.by,
            "repeatable": ended.by != "minutes",  # elsewhere the same minutes hold other steps
            "loss_first": truth.number(points[0].loss),
            "loss_last": truth.number(points[-1].loss),
            "trainable_parameters": trainer.get_num_trainable_parameters(),
            "ranks": job.world,
            "device": trainer.args.device.type,
            "precision": ended.precision,
            "tokens": points[-1].tokens,
            "seconds": points[-1].seconds,
            "tokens_per_second": round(sum(point.tokens_per_second for point in points) / len(points), 1),
            "useful_share": round(trainer.tokens / max(trainer.places, 1), 4),
            **_memory(trainer.args.device),
            "resumed_from_step": checkpoints.step_of(job.resume_from) if job.resume_from else 0,
            "resumed_from_ranks": job.resume_ranks or job.world,
            "checkpoints_set_aside": sum("was set aside" in note for note in job.notes),
            "change_on_probes": answers["change_on_probes"],
        },
    }


def _memory(device: Any) -> dict[str, float]:
    """The most that this rank held at once, where that is counted."""
    import torch

    return {"peak_gigabytes": round(torch.cuda.max_memory_allocated() / 1e9, 2)} if device.type == "cuda" else {}
