"""The process that tunes an embedder: `python -m llmops_pipelines.lifecycle.training.contrastive.child JOB.json`.

Learns, measures the result on held-out questions, examines it, and publishes all three as one sealed folder. What a step
is belongs in `loop.py`, what the model computes in `encoding.py`.
"""

import os
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from llmops_pipelines.lifecycle.index.embedders.embedder import Embedder
from llmops_pipelines.lifecycle.index.embedders.hardware import device

from ...compute.noise import hush
from ...lake import Refusal, files
from ...lake.digests import file_digest
from .. import checkpoints, progress
from . import measuring, truth
from .encoding import Learner, save
from .job import Job
from .loop import Loop
from .tables import Tables


def main(path: Path) -> None:
    from dagster_pipes import PipesEnvVarParamsLoader, open_dagster_pipes

    hush()
    job = Job.read(path)
    if not PipesEnvVarParamsLoader().is_dagster_pipes_process():
        return work(job, lambda line: print(line, flush=True))
    with open_dagster_pipes() as context:
        return work(job, context.log.info)


def work(job: Job, tell) -> None:
    try:
        for note in job.notes:
            tell(note)
        tables = Tables.read(job)
        learner, report = learnt(job, tables, tell)
        publish(job, tables, learner, report)
    except Exception as error:  # whatever torch or a library raises is put into one sentence for the person who waits
        refused = isinstance(error, Refusal)
        sentence = str(error) if refused else f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        files.write_once(job.failure, files.to_json({"sentence": sentence, "refused": refused}))
        if not refused:
            raise
        sys.exit(sentence)


def learnt(job: Job, tables: Tables, tell) -> tuple[Learner, progress.Progress]:
    embedder, words = Embedder.open(job.model), job.words
    embedder.model.verify_weights()
    learner = Learner.open(embedder.model, words.dropout, words.max_tokens, words.precision, device())
    learner.model.train()
    loop = Loop.of(learner, tables.material(learner, words.held_out), words)
    sink = progress.MlflowSink.open(job.tracking, tell) if job.tracking else lambda points: None
    report = progress.Progress(loop.total, tell, sink)
    done, kept = loop.resume(job.resume_from) if job.resume_from else (0, [])
    tell(
        f"{len(tables.learnt)} pairs, {len(loop.material.passages)} passages, {loop.total} steps in "
        f"{'bf16' if learner.bf16 else 'fp32'} on {learner.device.type}; {f'from step {done}' if done else 'from the start'}"
    )
    report.begin(progress.from_rows(kept))
    for step, batch in loop.batches(done):
        read = sum(len(loop.material.questions[row]) for row in batch.rows)
        read += sum(len(loop.material.passages[n]) for n in [*(loop.material.right[row] for row in batch.rows), *batch.wrong])
        report.step(step, loop.learn(step, batch), loop.rate(step), read)
        if step % words.save_every == 0 and step < loop.total:
            loop.keep(job.checkpoints / f"checkpoint-{step}", step, report.as_rows())
    report.flush()
    return learner, report


def publish(job: Job, tables: Tables, learner: Learner, report: progress.Progress) -> None:
    """Save, measure and examine the model; appear as the sealed result."""
    staging = job.work / f"result-{os.getpid()}"
    learner.model.eval()
    save(learner, staging / "model", job.words.keep_base)
    base = Embedder.open(job.model)
    weights = base.model.path("model.safetensors").relative_to(base.model.folder)
    sha256 = file_digest(staging / "model" / weights)
    settings = {"model": str(staging / "model"), "revision": None, "sha256": sha256}
    both = {"before": base, "after": Embedder.open(job.model.model_copy(update=settings))}
    texts, right = tables.searched(job.words.searched)
    asked = {name: embedder.embed(tables.questions) for name, embedder in both.items()}
    ranks = {name: measuring.ranks(asked[name], embedder.embed(texts), right) for name, embedder in both.items()}
    difference = measuring.compared(ranks["before"], ranks["after"], right, len(texts))
    rows = [
        {"pair_id": row["pair_id"], "before": int(one), "after": int(two)}
        for row, one, two in zip(tables.measured, ranks["before"], ranks["after"], strict=True)
    ]
    outcome = {
        "sha256": sha256,
        "pairs": len(tables.learnt),
        "steps": report.total,
        "asked_by": tables.asked_by,
        "difference": asdict(difference),
        "truth": truth.examined(learner, tables.questions, asked["before"], asked["after"], job.words.keep_base, report.points),
        "machine": {
            "device": learner.device.type,
            "precision": "bf16" if learner.bf16 else "fp32",
            "seconds": report.points[-1].seconds,
            "resumed_from_step": checkpoints.step_of(job.resume_from) if job.resume_from else 0,
            **{f"version_{name}": version(name) for name in ("torch", "transformers", "tokenizers")},
        },
    }
    for name, value in (("outcome", outcome), ("ranks", rows), ("training_log", report.as_rows())):
        (staging / f"{name}.json").write_bytes(files.to_json(value))
    checkpoints.seal(staging)
    files.publish_directory(staging, job.result)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
