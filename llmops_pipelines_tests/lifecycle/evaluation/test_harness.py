"""The bridge to lm-eval: what is read of its results, and what is said without it. The library itself is not installed here."""

import math
import sys
from pathlib import Path
from types import ModuleType

import pytest

from llmops_pipelines.config.evaluation import Tasks
from llmops_pipelines.lifecycle.evaluation import EvaluationError
from llmops_pipelines.lifecycle.evaluation.harness import TaskScore, evaluate_tasks, task_scores
from llmops_pipelines.lifecycle.lake import Lake

FOUND = {  # what lm-eval 0.4.13 gave for a task of three questions, shortened
    "results": {
        "capitals": {
            "alias": "capitals",
            "acc,none": 2 / 3,
            "acc_stderr,none": 1 / 3,
            "f1,strict": math.nan,
            "f1_stderr,strict": "N/A",
        }
    },
    "n-samples": {"capitals": {"original": 3, "effective": 3}},
}


@pytest.fixture
def harness(monkeypatch) -> list[dict]:
    """Stands for lm-eval; what it is called with."""
    calls: list[dict] = []

    class TaskManager:
        def __init__(self, include_path: str, include_defaults: bool) -> None:
            assert include_defaults is False  # its own tasks would be downloaded
            self.all_tasks = [path.stem for path in Path(include_path).glob("*.yaml")]

    def simple_evaluate(**given):
        calls.append(given)
        return FOUND

    package, evaluator, tasks = ModuleType("lm_eval"), ModuleType("lm_eval.evaluator"), ModuleType("lm_eval.tasks")
    evaluator.simple_evaluate, tasks.TaskManager = simple_evaluate, TaskManager
    for name, module in (("lm_eval", package), ("lm_eval.evaluator", evaluator), ("lm_eval.tasks", tasks)):
        monkeypatch.setitem(sys.modules, name, module)
    return calls


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "tasks"
    made.mkdir()
    (made / "capitals.yaml").write_text("task: capitals\n")
    return made


def test_scores_are_read_with_their_error_and_what_is_no_number_is_none(harness, folder):
    found = evaluate_tasks(Path("model"), ["capitals"], folder, adapter=Path("adapter"), limit=3)
    assert found == [
        TaskScore("capitals", "acc", 2 / 3, 1 / 3, 3),
        TaskScore("capitals", "f1_strict", None, None, 3),
    ]
    (given,) = harness
    assert given["model_args"]["trust_remote_code"] is False and given["model_args"]["peft"] == "adapter"


def test_a_task_that_the_folder_does_not_hold_is_refused(harness, folder):
    with pytest.raises(EvaluationError, match="holds no task capitols; it holds capitals"):
        evaluate_tasks(Path("model"), ["capitols"], folder)
    assert harness == []


def test_without_the_library_the_way_out_is_named(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(EvaluationError, match="lm-eval is not installed; `pip install lm-eval`, or leave tasks out"):
        evaluate_tasks(Path("model"), ["capitals"], folder)


def test_tasks_are_measured_once_until_their_files_change(harness, folder, tmp_path):
    words = Tasks(names=("capitals",), folder=str(folder))
    given = (Lake(tmp_path / "lake", "demo"), "tuned", [], words, Path("model"), None, tmp_path)
    assert task_scores(*given).facts == {"capitals_acc": 0.6667}
    assert task_scores(*given).reused and len(harness) == 1
    (folder / "capitals.yaml").write_text("task: capitals\nfewer: true\n")
    assert not task_scores(*given).reused and len(harness) == 2
