"""A plan foretells what training then does: rows, tokens, steps, memory, and what is done already."""

import io
import json
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.training import TrainingError, base_model
from llmops_pipelines.lifecycle.training.machine import Machine
from llmops_pipelines.lifecycle.training.memory import Model, estimates
from llmops_pipelines.lifecycle.training.plan import plan
from llmops_pipelines.planning import show

from . import tiny
from .test_checkpoints import write_checkpoint
from .test_launch import Played, failing

HERE = Machine("cpu", 1, 8 * 10**9, bf16=False)


@pytest.fixture
def model(tmp_path):
    return tiny.outline_model(tmp_path / "model")


def planned(home, model, machine=HERE, count=40, **words):
    recipe, lake = tiny.recipe(model, **words), Lake(home / "lake", "tiny")
    base = base_model(lake, recipe.base, tiny.PROJECT)
    table = tiny.preferences(lake, count) if recipe.method == "dpo" else tiny.examples(lake, count)
    return plan(recipe, base, table, tiny.PROJECT, machine, lake, home)


def printed(found) -> str:
    text = io.StringIO()
    show(found, Console(width=200, file=text))
    return text.getvalue()


def test_rows_tokens_and_steps(model, tmp_path):
    found = planned(tmp_path, model, count=24)
    assert (found.amount.examples, found.amount.rows, found.amount.steps, found.amount.ended_by) == (24, 24, 6, "epochs")
    assert found.amount.tokens == 24 * 27 and found.trainable == 4352, "as the training process says"
    packed = planned(tmp_path, model, count=24, packing=True, epochs=2)
    assert (packed.amount.rows, packed.amount.steps) == (4, 2) and packed.amount.tokens == found.amount.tokens
    assert planned(tmp_path, model, count=24, budget={"steps": 2}).amount.ended_by == "steps"
    pairs = planned(tmp_path, model, count=24, method="dpo")
    assert pairs.amount.tokens > 1.9 * found.amount.tokens, "a pair is two completions"


def test_settings_say_where_they_come_from(model, tmp_path):
    told = {setting.name: setting for setting in planned(tmp_path, model, lora={"rank": 4}).settings}
    assert (told["lora.rank"].value, told["lora.rank"].given) == (4, True)
    assert (told["lora.alpha"].value, told["lora.alpha"].given) == (32, False)
    assert told["max_tokens"].given and not told["schedule"].given


def test_what_training_would_refuse_is_refused(model, tmp_path):
    with pytest.raises(TrainingError, match="the recipe allows max_tokens: 8"):
        planned(tmp_path, model, max_tokens=8)


def test_what_is_done_already(model, tmp_path):
    assert planned(tmp_path, model).done.resume_step is None
    assert "it would start from the start" in printed(planned(tmp_path, model))
    with pytest.raises(TrainingError):
        tiny.train_in(tmp_path, model, failing())
    (work,) = (tmp_path / "training").glob("*/")
    write_checkpoint(work / "checkpoints", 5)
    write_checkpoint(work / "checkpoints", 10, seal=False)
    found = planned(tmp_path, model)
    assert (found.done.resume_step, found.done.resume_ranks, found.done.published) == (5, 2, False)
    assert "it would resume after step 5." in printed(found)
    moved = planned(tmp_path, model, ranks=1, batch_size=4)
    assert moved.done.fingerprint == found.done.fingerprint
    assert "after step 5, saved by 2 ranks (universal checkpoint)" in printed(moved)
    assert (work / "checkpoints" / "checkpoint-10").is_dir(), "looking moves nothing"
    tiny.train_in(tmp_path, model, Played())
    assert planned(tmp_path, model).done.published and "nothing would be trained" in printed(planned(tmp_path, model))


def billion(**words):
    """The example of the ZeRO paper (section 3.1): 7.5 billion weights, Adam, 64 devices."""
    model = Model(parameters=7_500_000_000, layers=0, width=0, inner=0, keys=0, linear=())
    recipe = tiny_recipe(method="full", ranks=64, **words)
    return estimates(model, recipe, model.trainable(recipe), "bf16", tokens_in_row=0)


def tiny_recipe(**words):
    from llmops_pipelines.config.recipe import Recipe

    base = {"path": "configs", "sha256": "0" * 64, "licence": "CC0-1.0"}
    return Recipe.model_validate(
        {"base": base, "deepspeed": "configs/deepspeed/zero2.json", **words}, context={"project": tiny.PROJECT}
    )


def test_memory_is_that_of_the_zero_paper():
    assert [round(each.total / 1e9, 1) for each in billion()] == [120.0, 31.4, 16.6, 1.9]


def test_a_frozen_base_costs_its_weights_only():
    model = Model(10**9, layers=24, width=2048, inner=8192, keys=512, linear=(("q_proj", (2048, 2048)),))
    lora = tiny_recipe(ranks=1, lora={"rank": 16})
    assert model.trainable(lora) == 16 * 4096
    assert model.trainable(tiny_recipe(lora={"target_modules": ["v_proj"]})) == 0
    sizes = {
        method: estimates(model, tiny_recipe(method=method, ranks=1), model.trainable(lora), "bf16", 512)[2].weights
        for method in ("lora", "qlora")
    }
    assert sizes["lora"] == pytest.approx(2e9, rel=0.01) and sizes["qlora"] == pytest.approx(0.516e9, rel=0.01)
    kept = estimates(model, lora, 0, "bf16", 512)[2].activations
    assert kept == 512 * 8 * 24 * (8 * 2048 + 2 * 512 + 4 * 8192) * 2
    assert estimates(model, tiny_recipe(recompute=True), 0, "bf16", 512)[2].activations < kept / 10


def test_the_table_marks_the_recipe_and_says_whether_it_fits(model, tmp_path):
    text = printed(planned(tmp_path, model, budget={"minutes": 5}))
    assert "ZeRO-2 (this recipe)" in text and "it fits" in text and "cannot be made again elsewhere" in text
    small = planned(tmp_path, model, machine=Machine("cuda", 8, 10**5, bf16=True))
    assert not small.fits and "it does not fit: lower batch_size" in printed(small) and small.precision == "bf16"
    assert replace(small, machine=Machine("cuda", 8, 10**9, bf16=True)).fits


def test_a_plan_without_examples_is_a_plan(model, tmp_path):
    recipe, lake = tiny.recipe(model), Lake(tmp_path / "lake", "tiny")
    found = plan(recipe, base_model(lake, recipe.base, tiny.PROJECT), None, tiny.PROJECT, HERE)
    assert (found.amount, found.done) == (None, None) and "No examples yet" in printed(found)


def test_this_machine_is_described_without_torch():
    look = "import sys, json; from llmops_pipelines.lifecycle.training.machine import Machine; m = Machine.here()\n"
    look += "print(json.dumps([m.devices, m.bytes_per_device, 'torch' in sys.modules]))"
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    devices, size, torch = json.loads(said.stdout)
    assert devices >= 1 and size > 10**8 and torch is False
