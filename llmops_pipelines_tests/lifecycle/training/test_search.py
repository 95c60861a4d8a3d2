"""The search on a recipe whose trials are arithmetic: proposals, resuming, giving up, and what is refused beforehand."""

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from pydantic import Field, ValidationError

from llmops_pipelines.config.search import Pruner, Range, Search
from llmops_pipelines.config.words import Positive, Words
from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.training import Tracking, TrainingError, base_model, guard, train
from llmops_pipelines.lifecycle.training.pruning import GivenUp, Watch, smoothed, worse_from
from llmops_pipelines.lifecycle.training.search import applied, nested_runs, search

from . import tiny, warm


class Adapter(Words):
    rank: Positive = 4


class Recipe(Words):
    """What a recipe is to a search: words with sections."""

    deepspeed: str = "none.json"
    learning_rate: float = Field(0.5, gt=0, lt=10)
    kind: str = "plain"
    lora: Adapter = Adapter()
    save_every: int = 5


TRIALS = 8
RATES = {"learning_rate": Range(low=0.001, high=1.0, log=True), "lora.rank": Range(low=1, high=8)}
WORDS = Search(parameters=RATES, trials=TRIALS, random_trials=4, seed=1)


class Lab:
    """Trains by arithmetic and counts; the best learning rate is 0.1. `dies_at` is killed in the middle of that training."""

    def __init__(self, home: Path, dies_at: int = 0, slope=lambda recipe: 1.0) -> None:
        self.lake, self.home, self.dies_at, self.slope = Lake(home / "lake", "isles"), home, dies_at, slope
        self.trained: list[Recipe] = []

    def train_one(self, recipe, watch):
        self.trained.append(recipe)
        if len(self.trained) == self.dies_at:
            raise KeyboardInterrupt
        if recipe.kind == "broken":
            raise TrainingError("broken cannot be trained; choose another kind")
        log = [{"step": step, "loss": self.slope(recipe) * 5 / step} for step in range(1, 61)]
        table = pa.Table.from_pylist(log)
        config = recipe.model_dump()
        return self.lake.once("checkpoint", code="1", config=config, parents=[], write=lambda d: d.table("training_log", table))

    def measure(self, version) -> float:
        recipe = self.trained[-1]
        return -abs(math.log10(recipe.learning_rate) + 1) - 0.01 * recipe.lora.rank

    def search(self, words: Search = WORDS, recipe: Words | None = None, told=lambda trial: None):
        given = recipe or Recipe()
        return search(self.lake, given, words, [], self.train_one, self.measure, self.home, Path(), lambda fingerprint: told)


def test_it_finds_better_settings_than_those_it_began_with(tmp_path):
    lab = Lab(tmp_path)
    version = lab.search()
    trials = version.table("trials").to_pylist()
    assert len(trials) == len(lab.trained) == TRIALS
    assert json.loads(trials[0]["parameters"]) == {"learning_rate": 0.5, "lora.rank": 4}, "the recipe itself comes first"
    best = version.json("search")["best"]
    assert best["value"] == max(row["value"] for row in trials) > trials[0]["value"] / 2
    chosen = Recipe.model_validate(yaml.safe_load(version.file("best.yaml").read_text()))
    assert (chosen.learning_rate, chosen.lora.rank) == (best["parameters"]["learning_rate"], best["parameters"]["lora.rank"])
    assert version.file("trials.png").stat().st_size > 5_000
    assert isinstance(lab.trained[-1].lora.rank, int)


def test_a_second_search_trains_nothing(tmp_path):
    first = Lab(tmp_path).search()
    again = Lab(tmp_path)
    version = again.search(recipe=Recipe(save_every=1))
    assert version.reused and version.digest == first.digest and again.trained == []


def test_another_content_of_a_named_file_is_another_search(tmp_path):
    named = Recipe(deepspeed=str(tmp_path / "zero.json"))
    found = []
    for stage in "12":
        (tmp_path / "zero.json").write_text(stage)
        found.append(Lab(tmp_path).search(Search(parameters=RATES, trials=1), named).fingerprint)
    assert found[0] != found[1]


@pytest.mark.parametrize("dies_at", [1, 7])
def test_a_killed_search_goes_on_and_ends_like_the_undisturbed_one(tmp_path, dies_at):
    expected = Lab(tmp_path / "undisturbed").search()
    killed, heard = Lab(tmp_path / "killed", dies_at), []
    with pytest.raises(KeyboardInterrupt):
        killed.search()
    rest = Lab(tmp_path / "killed")
    version = rest.search(told=heard.append)
    assert version.digest == expected.digest
    assert len(killed.trained) - 1 + len(rest.trained) == TRIALS, "trials that ended are not run again"
    assert killed.trained[-1] == rest.trained[0], "the interrupted one is proposed again"
    assert [trial.number for trial in heard] == list(range(1, TRIALS + 1))


def test_a_trial_that_fails_is_named_and_the_others_go_on(tmp_path):
    words = Search(parameters={"kind": Range(choices=["broken", "plain"])}, trials=6, random_trials=6)
    version = Lab(tmp_path).search(words)
    rows = version.table("trials").to_pylist()
    failed = [row for row in rows if row["state"] == "failed"]
    assert failed and {row["reason"] for row in failed} == {"broken cannot be trained; choose another kind"}
    assert all(row["value"] is None and row["checkpoint"] is None for row in failed)
    assert version.facts["complete"] + version.facts["failed"] == 6


def test_no_success_at_all_is_refused(tmp_path):
    words = Search(parameters={"kind": Range(choices=["broken"])}, trials=2)
    for lab in (Lab(tmp_path), Lab(tmp_path)):
        with pytest.raises(TrainingError, match="no trial of 2 succeeded; the first one: broken cannot be trained"):
            lab.search(words)
        assert len(lab.trained) == 2, "what broke them all may be mended: each search tries anew"


def test_a_value_that_is_no_number_is_no_result(tmp_path):
    lab = Lab(tmp_path)
    lab.measure = lambda version: float("nan")
    with pytest.raises(TrainingError, match="its value is nan, which is no result"):
        lab.search(Search(parameters=RATES, trials=1))


def test_two_processes_do_not_search_the_same_at_once(tmp_path):
    lab = Lab(tmp_path)

    def second(recipe, watch):
        Lab(tmp_path).search()

    lab.train_one = second
    with pytest.raises(TrainingError, match=f"no trial of 8 succeeded; .*: process {os.getpid()} is training there; wait"):
        lab.search()


def test_no_trial_begins_after_the_minutes(tmp_path):
    version = Lab(tmp_path).search(Search(parameters=RATES, trials=50, minutes=1e-9))
    assert version.facts["trials"] == 1 and version.facts["ended_by_minutes"]


def test_a_trial_with_worse_losses_than_the_others_is_given_up(tmp_path):
    pruner = Pruner(after_trials=3, after_steps=20)
    words = Search(parameters=RATES, trials=10, random_trials=10, pruner=pruner)
    version = Lab(tmp_path, slope=lambda recipe: recipe.learning_rate).search(words)
    rows = version.table("trials").to_pylist()
    given_up = [row for row in rows if row["state"] == "given_up"]
    assert given_up and all(row["number"] > 3 and row["value"] is None and row["steps"] == 30 for row in given_up)
    rates = [json.loads(row["parameters"])["learning_rate"] for row in rows]
    assert min(rates[row["number"] - 1] for row in given_up) > min(rates)


@pytest.mark.parametrize(
    ("name", "each", "sentence"),
    [
        ("learning_rat", Range(low=0.1, high=1), r"learning_rat is refused by the recipe \(Extra inputs"),
        ("lora.depth", Range(low=1, high=2), r"lora.depth is refused"),
        ("lora.rank", Range(low=0, high=2), r"lora.rank is refused .* with lora.rank: 0; change"),
        ("learning_rate", Range(low=1, high=20), r"learning_rate is refused .* with learning_rate: 20"),
        ("kind.of", Range(choices=["a"]), r"search.parameters.kind.of: kind is a single value; write its name alone"),
    ],
)
def test_a_range_that_does_not_fit_the_recipe_is_refused_before_anything_is_trained(tmp_path, name, each, sentence):
    lab = Lab(tmp_path)
    with pytest.raises(TrainingError, match=sentence):
        lab.search(Search(parameters={name: each}), recipe=Recipe(kind="plain"))
    assert lab.trained == []


@pytest.mark.parametrize("wrong", [{}, {"low": 1}, {"low": 2, "high": 1}, {"choices": [1], "low": 1, "high": 2},
                                   {"low": 0, "high": 1, "log": True}])  # fmt: skip
def test_a_range_is_choices_or_two_ends(wrong):
    with pytest.raises(ValidationError):
        Range(**wrong)


def test_values_are_put_where_their_dotted_names_say():
    recipe = applied(Recipe(kind="other"), {"lora.rank": 2, "learning_rate": 0.25}, Path())
    assert recipe == Recipe(kind="other", lora=Adapter(rank=2), learning_rate=0.25)


def test_losses_are_compared_with_the_median_at_the_same_step():
    log = [{"step": step, "loss": None if step == 15 else float(step)} for step in range(1, 41)]
    assert smoothed(log) == {10: 5.5, 30: 25.5, 40: 35.5}, "a window with a gap has no mean"
    others = [{10: 1.0, 30: 20.0}, {10: 2.0, 30: 30.0}, {10: 3.0}]
    assert worse_from({10: 2.5, 30: 1.0}, others, Pruner(after_trials=2, after_steps=0)) == 10
    assert worse_from({10: 1.5, 30: 26.0}, others, Pruner(after_trials=2, after_steps=0)) == 30
    assert worse_from({10: 2.5, 30: 24.0}, others, Pruner(after_trials=2, after_steps=10)) is None
    assert worse_from({10: 9.0}, others, Pruner(after_trials=4, after_steps=0)) is None


SLOW = """
import json, sys, time
from pathlib import Path
from llmops_pipelines.lifecycle.training import checkpoints
work = Path(sys.argv[1]).parent
for step in range(10, 1000, 10):
    folder = work / "checkpoints" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / checkpoints.LOG).write_text(json.dumps([{"step": n, "loss": 9.0} for n in range(1, step + 1)]))
    checkpoints.seal(folder, step=step)
    time.sleep(0.2 if step < 100 else 5)
"""


def started(home: Path, watch: Watch) -> None:
    work = home / "work"
    work.mkdir()
    watched = watch(lambda command, variables: subprocess.run(command, env={**os.environ, **variables}, check=True))
    watched(guard.command(work / "process.lock", [sys.executable, "-c", SLOW, str(work / "job.json")]), {})


@pytest.mark.slow
def test_the_process_of_a_bad_trial_is_ended(tmp_path):
    others = [dict.fromkeys(range(10, 1000, 10), 1.0)] * 2
    watch = Watch(Pruner(after_trials=2, after_steps=20), others)
    begun = time.monotonic()
    with pytest.raises(subprocess.CalledProcessError):
        started(tmp_path, watch)
    assert watch.gave_up and watch.steps == 30 and watch.losses == {10: 9.0, 20: 9.0, 30: 9.0}
    assert time.monotonic() - begun < 100, "it would have gone on for minutes"
    assert not guard.alive(guard.holder(tmp_path / "work" / "process.lock"))
    assert not (tmp_path / "work" / "checkpoints").exists()


def test_a_bad_trial_that_was_too_fast_to_be_ended_is_given_up_all_the_same(tmp_path):
    watch = Watch(Pruner(after_trials=1, after_steps=0), [{10: 1.0}])
    log = pa.Table.from_pylist([{"step": step, "loss": 2.0} for step in range(1, 11)])
    version = Lake(tmp_path, "isles").once("c", code="1", config=1, parents=[], write=lambda d: d.table("training_log", log))
    with pytest.raises(GivenUp):
        watch.last(version)


@pytest.mark.slow
def test_each_trial_is_one_run_below_the_searchs_own(tmp_path):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    parent = client.create_run(client.create_experiment("isles")).info
    told = nested_runs(Tracking(f"sqlite:///{tmp_path}/mlflow.db", parent.run_id))
    lab = Lab(tmp_path, dies_at=3)
    words = Search(parameters=RATES, trials=4)
    with pytest.raises(KeyboardInterrupt):
        lab.search(words, told=told)
    Lab(tmp_path).search(words, told=told)
    runs = client.search_runs([parent.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.run_id}'")
    assert sorted(run.info.run_name for run in runs) == ["trial 1", "trial 2", "trial 3", "trial 4"]
    assert all(run.info.status == "FINISHED" and "value" in run.data.metrics for run in runs)


@pytest.mark.slow
def test_recipes_of_language_models_are_searched_and_a_trial_is_trained_once(tmp_path, tiny_model, warm_server):
    lake, recipe = Lake(tmp_path / "lake", "tiny"), tiny.recipe(tiny_model, ranks=1)
    base, examples = base_model(lake, recipe.base, tiny.PROJECT), tiny.examples(lake)
    run, versions = warm.Warm(warm_server), []

    def train_one(recipe, watch):
        versions.append(train(lake, base, examples, recipe, tmp_path, tiny.PROJECT, watch(run), name="checkpoint/tiny"))
        return versions[-1]

    def measure(version) -> float:
        return version.table("training_log").column("loss").to_pylist()[-1]

    words = Search(parameters={"lora.rank": Range(choices=[4, 8])}, trials=4, random_trials=4)
    version = search(lake, recipe, words, [base, examples], train_one, measure, tmp_path, tiny.PROJECT, name="search/tiny")
    assert len(versions) == 4 and run.starts == len({each.digest for each in versions}) == 2
    assert version.table("trials").column("checkpoint").to_pylist() == [each.digest for each in versions]
    assert version.table("losses").num_rows == 4 * 2, "20 steps, a mean of each ten"
