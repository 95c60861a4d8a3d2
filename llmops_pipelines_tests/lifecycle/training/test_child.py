"""The real training process: two ranks, DeepSpeed, Dagster Pipes and MLflow, killed and resumed. About a minute."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import dagster as dg
import pytest

from llmops_pipelines.lifecycle.lake import files
from llmops_pipelines.lifecycle.training import Tracking, TrainingError, checkpoint_is_sound, guard
from llmops_pipelines.lifecycle.training import command as second
from llmops_pipelines.lifecycle.training.job import Job

from . import tiny
from .warm import free_port

pytestmark = pytest.mark.slow
ROWS = 240  # 60 steps of two ranks and two rows: long enough to be killed in


@pytest.fixture(scope="module")
def model(tiny_model):
    return tiny_model


def mlflow_run(home: Path) -> Tracking:
    """A run in a fresh SQLite store, made by another process as an orchestrator would."""
    uri = f"sqlite:///{home}/mlflow.db"
    make = (
        "import sys; from mlflow import MlflowClient; c = MlflowClient(sys.argv[1])\n"
        "print(c.create_run(c.create_experiment('tiny')).info.run_id)"
    )
    made = subprocess.run([sys.executable, "-c", make, uri], check=True, capture_output=True, text=True)
    return Tracking(uri, made.stdout.split()[-1])


@pytest.fixture(scope="module")
def undisturbed(model, tmp_path_factory):
    """One training under Dagster: the version, what the Dagster log heard, where MLflow stored it."""
    home = tmp_path_factory.mktemp("undisturbed")
    tracking, made = mlflow_run(home), []

    @dg.asset
    def checkpoint(context: dg.AssetExecutionContext):
        pipes = dg.PipesSubprocessClient()

        def run(command, variables):
            pipes.run(command=command, env=variables, context=context)

        made.append(tiny.train_in(home, model, run, ROWS, lambda fingerprint: tracking))
        return dg.MaterializeResult(metadata=made[0].facts)  # required once a Pipes session was open

    with warnings.catch_warnings(), dg.DagsterInstance.ephemeral() as instance:
        # said by Dagster 1.13 to itself: its Pipes client uses what it deprecates and previews
        warnings.filterwarnings("ignore", message="AssetExecutionContext.run_id is deprecated")
        warnings.filterwarnings("ignore", message="Function `PipesMessageReader.expected_writer_count` is currently in preview")
        result = dg.materialize([checkpoint], instance=instance)
        heard = [record.user_message for record in instance.all_logs(result.run_id)]
    return made[0], heard, tracking


def losses(version):
    return {row["step"]: row["loss"] for row in version.table("training_log").to_pylist()}


def test_two_ranks_train_on_deepspeed_and_the_adapter_is_sound(undisturbed):
    version, _, _ = undisturbed
    sound, answers = checkpoint_is_sound(version)
    assert sound, answers
    assert version.json("checkpoint")["engine"] == "DeepSpeedEngine"
    assert version.json("truth")["optimizer"] == "DeepSpeedZeroOptimizer"
    assert list(losses(version)) == list(range(1, 61))
    assert losses(version)[60] < losses(version)[1] and version.facts["resumed_from_step"] == 0


def test_dagster_and_mlflow_watched_it(undisturbed):
    version, heard, tracking = undisturbed
    steps = [line for line in heard if line.startswith("step ")]
    assert len(steps) >= 2 and steps[-1].startswith("step 60/60  loss ") and steps[-1].endswith(" s left")
    assert any("240 examples" in line and "2 ranks on" in line for line in heard)
    look = (
        "import sys, json; from mlflow import MlflowClient; c = MlflowClient(sys.argv[1])\n"
        "print(json.dumps([[m.step, m.value] for m in c.get_metric_history(sys.argv[2], 'loss')]))"
    )
    seen = subprocess.run(
        [sys.executable, "-c", look, tracking.uri, tracking.run_id], check=True, capture_output=True, text=True
    )
    stored = dict(json.loads(seen.stdout.splitlines()[-1]))
    assert stored == pytest.approx(losses(version), rel=1e-6)


def test_a_killed_run_resumes_and_learns_the_same(undisturbed, model, tmp_path):
    starter, work = begun(tmp_path, model)
    starter.kill()  # it alone: its processes are to notice by themselves
    starter.wait()
    assert not (work / "result").exists(), "it was to be killed in the middle"
    with guard.hold(work / "process.lock", seconds=10):
        assert wait_for(lambda: not alive(work), seconds=10)
    (work / "checkpoints" / "checkpoint-999").mkdir()  # what a save that was cut short leaves
    lines = []

    def run(command, variables):
        lines.extend(output(command, variables).splitlines())

    resumed = tiny.train_in(tmp_path, model, run, ROWS)
    assert lines[0] == "checkpoint-999 was set aside, incomplete: it was not finished when its run ended"
    assert resumed.facts["resumed_from_step"] >= 10
    whole, _, _ = undisturbed
    assert losses(resumed) == losses(whole), "same loss at every step"
    assert resumed.digest == whole.digest, "and the same adapter, byte for byte"


@pytest.mark.parametrize("victim", ["torchrun", "a rank"])
def test_when_one_process_dies_all_do(victim, model, tmp_path):
    starter, work = begun(tmp_path, model)
    torchrun = guard.holder(work / "process.lock")
    os.kill(torchrun if victim == "torchrun" else next(each for each in alive(work) if each != torchrun), signal.SIGKILL)
    assert starter.wait(30) != 0
    assert wait_for(lambda: not alive(work), seconds=10) and not (work / "result").exists()


def test_two_machines_train_as_one(model, tmp_path):
    """Both are this one; the second is started as a person would start it."""
    said = []

    def run(command, variables):
        job = Path(command[-2])
        said.extend(json.loads(job.read_text())["notes"])
        with subprocess.Popen([sys.executable, "-m", second.__name__, str(job), "1"], cwd=tiny.PROJECT) as other:
            tiny.subprocess_run(command, variables)
            assert other.wait(20) == 0

    words = {"ranks": 1, "nodes": 2, "rendezvous": f"127.0.0.1:{free_port()}"}
    made = tiny.train_in(tmp_path, model, run, **words)
    assert checkpoint_is_sound(made)[0] and made.facts["ranks"] == 2 and made.facts["steps"] == 10
    assert said[0].startswith("waiting for the other machines; start on each: python -m llmops_pipelines.lifecycle.training")


def begun(home, model):
    """The process that wants the training, and the folder of a training that has come to its tenth step."""
    command = [sys.executable, "-m", tiny.__name__, str(home), str(model), str(ROWS)]
    starter = subprocess.Popen(command, cwd=tiny.PROJECT, stderr=subprocess.DEVNULL)
    sealed = wait_for(lambda: next((home / "training").glob("*/checkpoints/checkpoint-10/manifest.json"), None))
    return starter, sealed.parents[2]


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.005)
    raise AssertionError(f"not within {seconds} s")


def alive(work: Path) -> list[int]:
    """Processes that have this job on their command line: torchrun and the ranks."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(work / "job.json").encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def output(command, variables) -> str:
    done = subprocess.run(command, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def test_a_long_example_is_refused_before_training(model, tmp_path):
    with pytest.raises(
        TrainingError, match=r"^training example example-\d+ has \d+ tokens, the recipe allows max_tokens: 8 \(40 of 40"
    ):
        tiny.train_in(tmp_path, model, max_tokens=8)


def test_plain_data_parallel_instead_of_deepspeed_is_refused(model, tmp_path):
    def run(command, variables):
        job = Path(command[-2])
        job.write_bytes(files.to_json({**json.loads(job.read_text()), "deepspeed": {}}))
        tiny.subprocess_run(command, variables)

    with pytest.raises(TrainingError, match="the engine is DistributedDataParallel, not DeepSpeedEngine"):
        tiny.train_in(tmp_path, model, run)


def test_the_job_file_round_trips(tmp_path):
    job = Job(
        fingerprint="f" * 64,
        work=tmp_path,
        base_folder=tmp_path,
        base_files={"a": "b"},
        examples=tmp_path / "e",
        recipe={},
        deepspeed={},
        resume_from=tmp_path / "c",
        resume_ranks=2,
        notes=("n",),
        tracking=Tracking("u", "r"),
    )
    assert Job.read(job.save()) == job
