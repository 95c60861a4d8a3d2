"""`train` around the training process: the job file, the command, publishing, refusing; the process itself is played."""

import hashlib
import json
import os
import subprocess
import sys

import pytest

from llmops_pipelines.lifecycle.lake import Version, files
from llmops_pipelines.lifecycle.training import Tracking, TrainingError, checkpoint_is_sound, checkpoints, guard, launch, truth
from llmops_pipelines.lifecycle.training.command import CHILD
from llmops_pipelines.lifecycle.training.job import Job

from . import tiny
from .test_checkpoints import write_checkpoint

FACTS = {"loss_last": 2.5, "tokens": 700, "seconds": 3.5, "ranks": 2, "device": "cuda"}


@pytest.fixture
def model(tmp_path):
    return tiny.fake_model(tmp_path / "model")


class Played:
    """Plays the training process: notes how it was started and leaves a result as the real one does."""

    def __init__(self, **answers):
        self.starts, self.answers = [], answers

    def __call__(self, command, variables):
        job = Job.read(files.Path(command[-2]))
        self.starts.append((command, variables, job))
        saved = job.work / "staging" / job.kind
        saved.mkdir(parents=True)
        (saved / ("model.safetensors" if job.kind == "model" else "adapter_model.safetensors")).write_bytes(b"weights")
        (saved / "adapter_config.json").write_text("{}")
        answers = dict.fromkeys(truth.ANSWERS, True) | {"change_on_probes": 0.5}
        answers[f"{job.kind}_sha256"] = truth.digest_of(saved, job.kind)
        outcome = {"engine": truth.ENGINE, "steps": 1, "ended_by": "epochs", "facts": FACTS}
        outcome["truth"] = answers | self.answers
        row = {"step": 1, "loss": 2.5, "learning_rate": 0.1, "tokens_per_second": 9.0, "seconds": 0.1}
        (job.work / "staging" / "outcome.json").write_bytes(files.to_json(outcome))
        (job.work / "staging" / checkpoints.LOG).write_bytes(files.to_json([row]))
        checkpoints.seal(job.work / "staging")
        files.publish_directory(job.work / "staging", job.result)


def failing(sentence=None, refused=True):
    def run(command, variables):
        if sentence:
            Job.read(files.Path(command[-2])).failure.write_bytes(files.to_json({"sentence": sentence, "refused": refused}))
        raise subprocess.CalledProcessError(1, command)

    return run


def no_run(command, variables):
    raise AssertionError("trained again")


def test_a_checkpoint_is_published_with_what_it_was_made_of(tmp_path, model):
    play = Played()
    made = tiny.train_in(tmp_path, model, play)
    parts = made.json("checkpoint")
    assert parts["base_weights_sha256"] == tiny.recipe(model).base.sha256 and parts["engine"] == "DeepSpeedEngine"
    assert set(parts) >= {"adapter_sha256", "examples_digest", "recipe_digest", "base_digest"} and parts["kind"] == "adapter"
    assert made.has("adapter/adapter_model.safetensors") and made.table("training_log").to_pylist()[0]["loss"] == 2.5
    assert made.parents.keys() == {"base_model", "training_examples"} and made.facts["loss_last"] == 2.5
    assert (made.made["tokens"], made.made["gpu_seconds"]) == (700, 7.0)
    assert list((tmp_path / "training").glob("*/")) == [], "optimizer states are removed once the adapter is published"


def test_a_whole_model_is_published_under_the_name_of_its_recipe(tmp_path, model):
    made = tiny.train_in(tmp_path, model, Played(), method="full", name="checkpoint/quick_full")
    parts = made.json("checkpoint")
    assert (made.asset, parts["kind"], parts["method"]) == ("checkpoint/quick_full", "model", "full")
    assert made.has("model/model.safetensors") and len(parts["model_sha256"]) == 64 and "adapter_sha256" not in parts
    assert checkpoint_is_sound(made)[0]


def test_preference_pairs_are_read_from_their_own_table(tmp_path, model):
    play = Played()
    made = tiny.train_in(tmp_path, model, play, method="dpo")
    assert made.parents.keys() == {"base_model", "preference_pairs"}
    assert play.starts[0][2].examples.name == "preference_pairs.parquet"


def test_other_ranks_with_the_same_batch_are_told_who_saved(tmp_path, model):
    with pytest.raises(TrainingError):
        tiny.train_in(tmp_path, model, failing())
    (work,) = (tmp_path / "training").glob("*/")
    write_checkpoint(work / "checkpoints", 5)
    play = Played()
    tiny.train_in(tmp_path, model, play, ranks=1, batch_size=4)
    ((command, _, job),) = play.starts
    assert (job.resume_from, job.resume_ranks) == (work / "checkpoints" / "checkpoint-5", 2)
    assert command[command.index("--nproc-per-node") + 1] == "1"


def test_a_finished_run_is_never_trained_again(tmp_path, model):
    first = tiny.train_in(tmp_path, model, Played())
    again = tiny.train_in(tmp_path, model, no_run, save_every=7, tracking=no_run)
    assert again.reused and again.digest == first.digest
    with pytest.raises(AssertionError, match="trained again"):
        try:
            tiny.train_in(tmp_path, model, no_run, learning_rate=0.5)
        except TrainingError as error:
            raise error.__cause__ from None


def test_the_job_file_says_everything(tmp_path, model):
    play = Played()
    tiny.train_in(tmp_path, model, play, tracking=lambda fingerprint: Tracking("http://mlflow", f"run of {fingerprint}"))
    ((command, variables, job),) = play.starts
    assert job.work.parent == tmp_path / "training" and job.work.name == job.fingerprint[:32]
    assert job.base_folder == model and job.base_files["model.safetensors"] == tiny.recipe(model).base.sha256
    assert job.recipe["learning_rate"] == 1e-3 and "base" not in job.recipe
    assert job.deepspeed["zero_optimization"]["stage"] == 2
    assert (job.resume_from, job.notes, job.tracking) == (None, (), Tracking("http://mlflow", f"run of {job.fingerprint}"))
    assert command[command.index("--nproc-per-node") + 1] == "2" and "torch.distributed.run" in command
    assert command[-3:] == [CHILD, str(job.file), "0"]
    assert int(variables["OMP_NUM_THREADS"]) == max(1, len(os.sched_getaffinity(0)) // 2)


def test_after_a_kill_the_newest_complete_checkpoint_is_resumed(tmp_path, model):
    with pytest.raises(TrainingError):
        tiny.train_in(tmp_path, model, failing())
    (work,) = (tmp_path / "training").glob("*/")
    write_checkpoint(work / "checkpoints", 5)
    write_checkpoint(work / "checkpoints", 10, seal=False)
    with pytest.raises(TrainingError, match=r"exit status 1\); the next run resumes after step 5"):
        tiny.train_in(tmp_path, model, failing())
    play = Played()
    tiny.train_in(tmp_path, model, play)
    ((_, _, job),) = play.starts
    assert job.resume_from == work / "checkpoints" / "checkpoint-5"


def test_a_result_that_was_not_yet_published_is_not_trained_again(tmp_path, model):
    def killed_after_training(command, variables):
        Played()(command, variables)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.train_in(tmp_path, model, killed_after_training)
    assert not tiny.train_in(tmp_path, model, no_run).reused


def test_an_altered_result_is_trained_again(tmp_path, model):
    def killed_and_altered(command, variables):
        Played()(command, variables)
        (Job.read(files.Path(command[-2])).result / "adapter" / "adapter_model.safetensors").write_bytes(b"other")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.train_in(tmp_path, model, killed_and_altered)
    play = Played()
    tiny.train_in(tmp_path, model, play)
    assert len(play.starts) == 1


def test_refusals_of_the_process_arrive_as_they_were_said(tmp_path, model):
    with pytest.raises(TrainingError, match=r"^example x has 9 tokens$"):
        tiny.train_in(tmp_path, model, failing("example x has 9 tokens"))
    with pytest.raises(TrainingError, match=r"failed \(ValueError: odd\); the next run resumes after step 0"):
        tiny.train_in(tmp_path, model, failing("ValueError: odd", refused=False))


def test_a_process_that_ends_without_a_result_is_a_failure(tmp_path, model):
    with pytest.raises(TrainingError, match="without a complete result"):
        tiny.train_in(tmp_path, model, lambda command, variables: None)


def test_two_trainings_of_one_fingerprint_do_not_meet(tmp_path, model):
    def meanwhile(command, variables):
        tiny.train_in(tmp_path, model, no_run)

    with pytest.raises(TrainingError, match=f"process {os.getpid()} is training there"):
        tiny.train_in(tmp_path, model, meanwhile)


def test_no_examples_no_room_no_deepspeed(tmp_path, model, monkeypatch):
    with pytest.raises(TrainingError, match="no training examples"):
        tiny.train_in(tmp_path, model, no_run, count=0)
    (tmp_path / "plain.json").write_text("{")
    with pytest.raises(TrainingError, match="recipe.deepspeed: .*plain.json cannot be read"):
        tiny.train_in(tmp_path, model, no_run, deepspeed=str(tmp_path / "plain.json"))
    (tmp_path / "plain.json").write_text(json.dumps({"zero_optimization": {"stage": 0}}))
    with pytest.raises(TrainingError, match="no zero_optimization.stage"):
        tiny.train_in(tmp_path, model, no_run, deepspeed=str(tmp_path / "plain.json"))
    monkeypatch.setattr(launch.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10**6}))
    with pytest.raises(TrainingError, match="1 MB free, checkpoints may need 100 MB"):
        tiny.train_in(tmp_path, model, no_run)


def test_an_existing_checkpoint_costs_no_torch(tmp_path, model):
    tiny.train_in(tmp_path, model, Played())
    look = (
        "import sys; from pathlib import Path; from llmops_pipelines_tests.lifecycle.training import tiny\n"
        f"assert tiny.train_in(Path({str(tmp_path)!r}), Path({str(model)!r}), None).reused\n"
        "print({'torch', 'transformers', 'deepspeed', 'datasets', 'mlflow'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout == "set()\n"


def stored(home, **answers):
    """A published checkpoint whose adapter was examined with these answers."""
    (home / "adapter").mkdir(parents=True)
    (home / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")
    good = dict.fromkeys(truth.ANSWERS, True) | {"adapter_sha256": hashlib.sha256(b"weights").hexdigest()}
    (home / "truth.json").write_text(json.dumps({"truth": good | {"change_on_probes": 0.5} | answers}))
    return Version("tiny", "checkpoint", home, {})


def test_the_check_passes_when_every_answer_is_yes(tmp_path):
    good, details = checkpoint_is_sound(stored(tmp_path))
    assert good and details["change_on_probes"] == 0.5 and details["the_engine_is_deepspeed"] is True


@pytest.mark.parametrize("answer", [*truth.ANSWERS, "adapter_sha256"])
@pytest.mark.parametrize("value", [False, "no", None])
def test_the_check_fails_when_any_answer_is_not_yes(tmp_path, answer, value):
    bad, details = checkpoint_is_sound(stored(tmp_path, **{answer: value}))
    assert bad is False and False in details.values()


def test_the_adapter_names_its_base_by_content(tmp_path):
    (tmp_path / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "/home/me/model", "target_modules": ["v_proj", "k_proj"], "r": 4})
    )
    truth.tidy_adapter(tmp_path, "abc")
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config == {"base_model_name_or_path": "sha256:abc", "target_modules": ["k_proj", "v_proj"], "r": 4}


def test_the_lock_is_free_after_training(tmp_path, model):
    tiny.train_in(tmp_path, model, Played())
    (lock,) = (tmp_path / "training").glob("*.lock")
    with guard.hold(lock):
        pass
