"""The training process: `python -m llmops_pipelines.lifecycle.training.child JOB.json`, one per rank, under torchrun.

LoRA (PEFT) through TRL's SFTTrainer on DeepSpeed. Nothing imports this file, so heavy imports stand at its top; what can
be said without torch belongs in `progress.py`, `checkpoints.py` and `launch.py`.
"""

import gc
import json
import logging
import os
import platform
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

from ..lake import files
from ..lake.digests import file_digest
from . import arguments, checkpoints, guard, progress, rows, truth
from .job import Job
from .refusals import TrainingError
from .weights import weights_digest

warnings.filterwarnings("ignore")  # libraries about libraries; ours are refusals and notes
gc.disable()  # collecting among half a million new objects costs a second of the imports

import torch  # noqa: E402

RANK, RANKS = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])  # torchrun's protocol
GPUS = torch.cuda.device_count() if torch.cuda.is_available() else 0
if GPUS < RANKS:
    os.environ["DS_ACCELERATOR"] = "cpu"  # before DeepSpeed looks for itself

sys.modules["mlflow"] = None  # DeepSpeed's autotuner imports it where it can, 0.7 s for nothing
import deepspeed  # noqa: E402

del sys.modules["mlflow"]
import transformers  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback  # noqa: E402
from transformers.integrations.deepspeed import unset_hf_deepspeed_config  # noqa: E402
from trl import SFTTrainer  # noqa: E402

gc.freeze()
gc.enable()
# DeepSpeed would compile this with g++ at the first start, and wait for ever on the lock of a killed compilation;
# without it ranks on one machine talk through gloo, with the same losses.
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


class Hooks(TrainerCallback):
    """Connects the Trainer's loop with progress and sealing."""

    def __init__(self, job: Job, report: progress.Progress) -> None:
        self.job, self.report, self.tokens = job, report, 0

    def on_train_begin(self, args, state, control, **_):
        name = type(self.trainer.model_wrapped).__name__
        if name != truth.ENGINE:
            raise TrainingError(f"the engine is {name}, not {truth.ENGINE}: start it with torchrun as `train` does")
        self.report.total = state.max_steps
        kept = [] if self.job.resume_from is None else json.loads((self.job.resume_from / checkpoints.LOG).read_text("utf-8"))
        self.report.begin(progress.from_rows(kept))

    def on_log(self, args, state, control, logs=None, **_):
        if "loss" in logs:
            read = int(logs["num_tokens"]) - self.tokens
            self.tokens += read
            self.report.step(state.global_step, logs["loss"], logs["learning_rate"], read)

    def on_step_end(self, args, state, control, **_):
        if state.global_step >= state.max_steps:
            control.should_save = False  # the end is the result itself; a checkpoint of it would be trained beyond
        return control

    def on_save(self, args, state, control, **_):
        torch.distributed.barrier()  # until every rank has written its shard
        if RANK == 0:
            folder = self.job.checkpoints / f"checkpoint-{state.global_step}"
            (folder / "training_args.bin").unlink(missing_ok=True)  # a pickle that nobody needs
            (folder / checkpoints.LOG).write_bytes(files.to_json(self.report.as_rows()))
            checkpoints.seal_checkpoint(folder, state.global_step, RANKS)
            checkpoints.prune(self.job.checkpoints)


def main(path: Path) -> None:
    job = Job.read(path)
    guard.die_with_parent(guard.holder(job.lock))
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
        trainer, report, prompts = build(job, tell)
        tell(f"{trainer.plan}; from the start" if job.resume_from is None else f"{trainer.plan}; from {job.resume_from.name}")
        trainer.train(resume_from_checkpoint=str(job.resume_from) if job.resume_from else None)
        report.flush()
        finish(job, trainer, report, prompts)
        torch.distributed.destroy_process_group()
    except Exception as error:
        refused = isinstance(error, TrainingError)
        sentence = str(error) if refused else f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        files.write_once(job.failure, files.to_json({"sentence": sentence, "refused": refused}))  # the first rank's counts
        if not refused:
            raise
        sys.exit(sentence)


def build(job: Job, tell):
    """Trainer, progress and probe prompts, the same on every rank."""
    for name in ("transformers", "trl", "accelerate", "peft", "datasets", "DeepSpeed", "torch.distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)
    transformers.utils.logging.disable_progress_bar()
    for name, expected in job.base_files.items():
        if RANK == 0 and file_digest(job.base_folder / name) != expected:
            raise TrainingError(f"{job.base_folder / name}: changed since it was verified; restore it and run again")
    recipe, args = job.recipe, arguments.trainer(job, gpu=GPUS >= RANKS)
    deepspeed.init_distributed(args.ddp_backend, verbose=False)  # before the model: ZeRO-3 shards it while it is loaded
    transformers.set_seed(recipe["seed"])
    safe = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(job.base_folder, **safe)
    if tokenizer.eos_token_id is None:
        raise TrainingError(f"{job.base_folder}: the tokenizer has no end mark; set eos_token in tokenizer_config.json")
    dataset = rows.read(job.examples, tokenizer, recipe["max_tokens"])
    dtype = torch.bfloat16 if args.bf16 else torch.float32
    model = AutoModelForCausalLM.from_pretrained(job.base_folder, dtype=dtype, use_safetensors=True, **safe)
    sink = progress.MlflowSink.open(job.tracking, tell) if RANK == 0 and job.tracking else lambda points: None
    report = progress.Progress(0, tell, sink)
    hooks = Hooks(job, report)
    trainer = SFTTrainer(
        model,
        args=args,
        train_dataset=dataset.remove_columns("example_id"),
        processing_class=tokenizer,
        peft_config=arguments.adapter(recipe["lora"]),
        callbacks=[hooks],
    )
    hooks.trainer = trainer
    trainer.remove_callback(PrinterCallback)
    trainer.plan = (
        f"{len(dataset)} examples, {trainer.get_num_trainable_parameters():,} trainable parameters, "
        f"{RANKS} ranks on {args.device.type}, {'bf16' if args.bf16 else 'fp32'}"
    )
    return trainer, report, rows.probes(dataset)


def finish(job: Job, trainer: SFTTrainer, report: progress.Progress, prompts: list[list[int]]) -> None:
    """Save the adapter, examine it, and publish both as the sealed result."""
    device, precision = trainer.args.device, "bf16" if trainer.args.bf16 else "fp32"
    trained = truth.probe(trainer.model_wrapped, prompts, device)
    staging = job.work / f"result-{os.getpid()}"
    trainer.save_model(str(job.work / "saved"))
    if RANK:
        return
    unset_hf_deepspeed_config()  # else loading for the examination would be sharded too
    base = weights_digest({name: file_digest(job.base_folder / name) for name in job.base_files})
    (staging / "adapter").mkdir(parents=True)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        (job.work / "saved" / name).rename(staging / "adapter" / name)
    truth.tidy_adapter(staging / "adapter", base)
    answers = {
        "the_engine_is_deepspeed": type(trainer.model_wrapped).__name__ == truth.ENGINE,
        "the_base_is_unchanged": base == weights_digest(job.base_files),
        "every_loss_is_finite": all(row["loss"] is not None for row in report.as_rows()),
        **truth.examine(staging / "adapter", job.base_folder, trained, prompts, precision, device),
    }
    (staging / "outcome.json").write_bytes(files.to_json(outcome(job, trainer, report, answers)))
    (staging / checkpoints.LOG).write_bytes(files.to_json(report.as_rows()))
    checkpoints.seal(staging)
    files.publish_directory(staging, job.result)


def outcome(job: Job, trainer: SFTTrainer, report: progress.Progress, answers: dict) -> dict:
    first, last = report.points[0], report.points[-1]
    step = checkpoints.step_of(job.resume_from) if job.resume_from else 0
    return {
        "engine": type(trainer.model_wrapped).__name__,
        "optimizer": type(trainer.model_wrapped.optimizer).__name__,
        "steps": last.step,
        "truth": answers,
        "versions": {name: version(name) for name in ("torch", "transformers", "peft", "trl", "deepspeed", "accelerate")},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {GPUS} GPUs",
        "facts": {
            "engine": type(trainer.model_wrapped).__name__,
            "examples": len(trainer.train_dataset),
            "steps": last.step,
            "loss_first": truth.number(first.loss),
            "loss_last": truth.number(last.loss),
            "trainable_parameters": trainer.get_num_trainable_parameters(),
            "ranks": RANKS,
            "device": trainer.args.device.type,
            "precision": "bf16" if trainer.args.bf16 else "fp32",
            "seconds": last.seconds,
            "tokens_per_second": round(sum(point.tokens_per_second for point in report.points) / len(report.points), 1),
            "resumed_from_step": step,
            "checkpoints_set_aside": len(job.notes),
            "change_on_probes": answers["change_on_probes"],
        },
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # all is on disk; taking torch apart object by object would cost another second
