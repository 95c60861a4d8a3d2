"""Tasks of lm-eval (EleutherAI's harness) over a model folder, for users who have data in its form. The library is optional.

The tasks lie in a folder of the user's, with their data; a task file may name Python functions in that folder, so it is
trusted like code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from llmops_pipelines.config.evaluation import Tasks
from llmops_pipelines.lifecycle.lake import Draft, Lake, Version, digest
from llmops_pipelines.lifecycle.lake.digests import file_digest

from .candidates import EvaluationError

CODE = "task_scores/1"


@dataclass(frozen=True)
class TaskScore:
    """One metric of one task over `n` questions. `score` and `error_of_mean` are None where they are not finite numbers."""

    task: str
    metric: str
    score: float | None
    error_of_mean: float | None
    n: int


def task_scores(
    lake: Lake, candidate: str, parents: Sequence[Version], words: Tasks, model: Path, adapter: Path | None, project: Path
) -> Version:
    """Asset task_scores/<candidate>. `parents` hold the model; the task files are known by their content."""
    folder = project / words.folder
    files = {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }

    def write(draft: Draft) -> None:
        import pyarrow as pa

        found = evaluate_tasks(model, words.names, folder, adapter=adapter, few_shot=words.few_shot, limit=words.limit)
        text, number = pa.string(), pa.float64()
        schema = pa.schema({"task": text, "metric": text, "score": number, "error_of_mean": number, "n": pa.int64()})
        draft.table("task_scores", pa.Table.from_pylist([vars(each) for each in found], schema))
        draft.facts |= {f"{each.task}_{each.metric}": round(each.score, 4) for each in found if each.score is not None}

    config = {"files": files, "words": digest({**words.model_dump(mode="json"), "folder": None})}
    return lake.once(f"task_scores/{candidate}", code=CODE, config=config, parents=parents, write=write)


def evaluate_tasks(
    model: Path,
    tasks: Sequence[str],
    include_path: Path,
    *,
    adapter: Path | None = None,
    few_shot: int = 0,
    limit: int | None = None,
) -> list[TaskScore]:
    """The scores of the model in a folder (transformers), with an adapter (PEFT) where one is given.

    Raises `EvaluationError` when lm-eval is not installed, and for a task that the folder does not hold.
    """
    try:
        from lm_eval.evaluator import simple_evaluate
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise EvaluationError(
            "evaluation.tasks: lm-eval is not installed; `pip install lm-eval`, or leave tasks out"
        ) from error
    manager = TaskManager(include_path=str(include_path), include_defaults=False)
    if missing := [task for task in tasks if task not in manager.all_tasks]:
        known = ", ".join(sorted(manager.all_tasks)[:10]) or "none"
        raise EvaluationError(f"evaluation.tasks: {include_path} holds no task {missing[0]}; it holds {known}")
    given: dict[str, Any] = {"pretrained": str(model), "device": _device(), "trust_remote_code": False}
    found = simple_evaluate(
        model="hf",
        model_args=given | ({"peft": str(adapter)} if adapter else {}),
        tasks=list(tasks),
        task_manager=manager,
        num_fewshot=few_shot,
        limit=limit,
        batch_size=8,
        log_samples=False,
    )
    return _read(found or {})


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _read(found: dict[str, Any]) -> list[TaskScore]:
    """lm-eval names a score "metric,filter" and its standard error "metric_stderr,filter"; "none" is no filter."""
    scores = []
    for task, measured in sorted(found.get("results", {}).items()):
        n = found.get("n-samples", {}).get(task, {}).get("effective", 0)
        for name, value in sorted(measured.items()):
            metric, _, chosen = name.partition(",")
            if not chosen or metric.endswith("_stderr"):
                continue
            error = measured.get(f"{metric}_stderr,{chosen}")
            label = metric if chosen == "none" else f"{metric}_{chosen}"
            scores.append(TaskScore(task, label, _number(value), _number(error), n))
    return scores


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and isfinite(value) else None
