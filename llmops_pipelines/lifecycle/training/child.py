"""The training process: `python -m llmops_pipelines.lifecycle.training.child JOB.json NODE`, one per rank, under torchrun.

TRL's trainers on DeepSpeed. Nothing imports this file, so heavy imports stand at its top; what can be said without torch
belongs in `progress.py`, `checkpoints.py` and `launch.py`.
"""

import gc
import json
import logging
import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path

from ..compute.noise import hush
from ..lake import files
from ..lake.digests import file_digest
from . import arguments, budget, building, checkpoints, guard, progress, result, rows, truth, universal
from .job import Job
from .refusals import TrainingError

warnings.filterwarnings("ignore")  # libraries about libraries; ours are refusals and notes
hush()
gc.disable()  # collecting among half a million new objects costs a second of the imports

import torch  # noqa: E402

RANK, RANKS = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])  # torchrun's protocol
GPUS = torch.cuda.device_count() if torch.cuda.is_available() else 0
GPU = int(os.environ["LOCAL_WORLD_SIZE"]) <= GPUS
if not GPU:
    os.environ["DS_ACCELERATOR"] = "cpu"  # before DeepSpeed looks for itself

sys.modules["mlflow"] = None  # DeepSpeed's autotuner imports it where it can, 0.7 s for nothing
import deepspeed  # noqa: E402

del sys.modules["mlflow"]
import transformers  # noqa: E402
import trl  # noqa: E402, F401
from transformers import PrinterCallback, TrainerCallback  # noqa: E402

gc.freeze()
gc.enable()
# DeepSpeed would compile this with g++ at the first start, and wait for ever on the lock of a killed compilation;
# without it ranks on one machine talk through gloo, with the same losses.
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


class Hooks(TrainerCallback):
    """Connects the Trainer's loop with progress, budget and sealing. `ended` names what ended the run."""

    def __init__(self, job: Job, report: progress.Progress, ended: str, precision: str) -> None:
        self.job, self.report, self.ended, self.precision = job, report, ended, precision
        self.read = self.before = 0  # tokens of all ranks: in this step, and in all steps before this process

    def on_train_begin(self, args, state, control, **_):
        name = type(self.trainer.model_wrapped).__name__
        if name != truth.ENGINE:
            raise TrainingError(f"the engine is {name}, not {truth.ENGINE}: start it with torchrun as `train` does")
        self.report.total = state.max_steps
        resumed = self.job.resume_from
        kept = [] if resumed is None else json.loads((resumed / checkpoints.LOG).read_text("utf-8"))
        self.report.begin(progress.from_rows(kept))
        self.seen = self.before = self.report.points[-1].tokens if kept else 0

    def on_step_end(self, args, state, control, **_):
        now = torch.tensor([self.trainer.tokens, 0 if RANK else self.report.elapsed()], dtype=torch.float64)
        now = now.to(args.device)
        torch.distributed.all_reduce(now)  # one decision for all: a rank that stopped alone would leave the others waiting
        seen = self.before + int(now[0])
        self.read, self.seen = seen - self.seen, seen
        if by := budget.reached(self.job.recipe["budget"], seen, float(now[1])):
            self.ended, control.should_training_stop = by, True
        if control.should_training_stop or state.global_step >= state.max_steps:
            control.should_save = False  # the end is the result itself; a checkpoint of it would be trained beyond
        return control

    def on_log(self, args, state, control, logs=None, **_):
        if "loss" in logs:
            self.report.step(state.global_step, logs["loss"], logs["learning_rate"], self.read)

    def on_save(self, args, state, control, **_):
        torch.distributed.barrier()  # until every rank has written its shard
        if RANK == 0:
            folder = self.job.checkpoints / f"checkpoint-{state.global_step}"
            (folder / "training_args.bin").unlink(missing_ok=True)  # a pickle that nobody needs
            (folder / checkpoints.LOG).write_bytes(files.to_json(self.report.as_rows()))
            checkpoints.seal_checkpoint(folder, state.global_step, RANKS, self.precision)
            checkpoints.prune(self.job.checkpoints)


def main(path: Path, node: int) -> None:
    job = Job.read(path)
    guard.die_with_parent(guard.holder(job.lock(node)))
    if RANK:
        return work(job, lambda line: None)
    from dagster_pipes import PipesEnvVarParamsLoader, open_dagster_pipes

    if not PipesEnvVarParamsLoader().is_dagster_pipes_process():
        return work(job, say)
    with open_dagster_pipes() as context:
        return work(job, context.log.info)


def say(line: str) -> None:
    print(line, flush=True)


def work(job: Job, tell) -> None:
    try:
        for note in job.notes:
            tell(note)
        prepare(job)
        ended = build(job, tell)
        ended.trainer.train(resume_from_checkpoint=moved(job))
        ended.report.flush()
        result.publish(job, replace(ended, by=ended.trainer.hooks.ended), RANK)
        torch.distributed.destroy_process_group()
    except Exception as error:
        refused = isinstance(error, TrainingError)
        sentence = str(error) if refused else f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        files.write_once(job.failure, files.to_json({"sentence": sentence, "refused": refused}))  # the first rank's counts
        if not refused:
            raise
        sys.exit(sentence)


def prepare(job: Job) -> None:
    """Quiet libraries, an untouched base, and ranks that know each other."""
    for name in ("transformers", "trl", "accelerate", "peft", "datasets", "DeepSpeed", "torch.distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)
    transformers.utils.logging.disable_progress_bar()
    if job.recipe["method"] == "qlora" and not GPU:
        raise TrainingError(
            "recipe.method: qlora needs an NVIDIA GPU for each rank, and this machine has "
            f"{GPUS} for {os.environ['LOCAL_WORLD_SIZE']}; use method: lora, or lower ranks"
        )
    for name, expected in job.base_files.items():
        if RANK == 0 and file_digest(job.base_folder / name) != expected:
            raise TrainingError(f"{job.base_folder / name}: changed since it was verified; restore it and run again")
    # before the model: ZeRO-3 shards it while it is loaded
    deepspeed.init_distributed("nccl" if GPU else "gloo", verbose=False)


def build(job: Job, tell) -> result.Ended:
    """Trainer, progress and probe prompts, the same on every rank."""
    recipe, words = job.recipe, building.tokenizer(job)
    spelled, data = truth.spelling(words), building.dataset(job, words)
    prompts, examples, read = rows.probes(data), len(data), rows.tokens(data)
    data = rows.pack(data, recipe["max_tokens"]) if recipe["packing"] else data.remove_columns("example_id")
    planned = budget.length(recipe, len(data), read)
    bf16 = arguments.in_bf16(job, GPU)
    precision = "bf16" if bf16 else "fp32"
    if other_ranks(job):
        job = replace(job, deepspeed={**job.deepspeed, "checkpoint": {"load_universal": True}})
    args = arguments.trainer(job, GPU, bf16, -1 if planned.limit == "epochs" else planned.steps)
    if job.resume_from and (saved := checkpoints.manifest(job.resume_from).get("precision")) != precision:
        raise TrainingError(
            f"{job.resume_from}: saved in {saved}, and this machine trains in {precision}; set precision: {saved} in the "
            "recipe, or remove the folder to start anew"
        )
    transformers.set_seed(recipe["seed"])
    base = building.model(job, job.base_folder, bf16, args.device)
    sink = progress.MlflowSink.open(job.tracking, tell) if RANK == 0 and job.tracking else lambda points: None
    report = progress.Progress(0, tell, sink)
    hooks = Hooks(job, report, planned.limit, precision)
    trainer = building.trainer(job, base, args, data, words, hooks)
    trainer.hooks, trainer.examples, hooks.trainer = hooks, examples, trainer
    trainer.remove_callback(PrinterCallback)
    start = "from the start" if job.resume_from is None else f"from {job.resume_from.name}"
    tell(
        f"{examples} examples in {len(data)} rows, {trainer.get_num_trainable_parameters():,} trainable parameters, "
        f"{RANKS} ranks on {args.device.type}, {precision}; {start}"
    )
    load = building.loader(job, bf16, args.device)
    return result.Ended(trainer, report, prompts, load, precision, spelled, GPUS, planned.limit)


def other_ranks(job: Job) -> bool:
    return job.resume_from is not None and job.resume_ranks != RANKS


def moved(job: Job) -> str | None:
    """Where the Trainer resumes: the checkpoint, or its universal form when other ranks saved it."""
    if not other_ranks(job):
        return str(job.resume_from) if job.resume_from else None
    place = job.work / "universal" / job.resume_from.name
    if RANK == 0:
        universal.convert(job.resume_from, place.parent)
    torch.distributed.barrier()
    return str(place)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.flush()
    os._exit(0)  # all is on disk; taking torch apart object by object would cost another second
