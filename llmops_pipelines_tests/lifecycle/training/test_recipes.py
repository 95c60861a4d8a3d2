"""The example recipes can be read, and say hardware, time and command at their top."""

from pathlib import Path

import pytest
import yaml

from llmops_pipelines.config.recipe import Recipe
from llmops_pipelines.lifecycle.training.settings import settings

from .tiny import PROJECT

RECIPES = sorted((PROJECT / "configs" / "recipes").glob("*.yaml"))
OURS = [path for path in RECIPES if "deepspeed" in yaml.safe_load(path.read_text("utf-8"))]


def test_there_are_recipes_for_each_method():
    methods = {yaml.safe_load(path.read_text("utf-8")).get("method", "lora") for path in OURS}
    assert methods >= {"lora", "qlora", "full", "dpo"}


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_it_can_be_read_and_does_not_contradict_its_deepspeed_file(path: Path):
    recipe = Recipe.model_validate(yaml.safe_load(path.read_text("utf-8")), context={"project": PROJECT})
    assert settings(recipe, PROJECT).stage in (1, 2, 3)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_its_header_says_hardware_time_and_command(path: Path):
    header = [line for line in path.read_text("utf-8").splitlines() if line.startswith("#")]
    for word in ("Hardware:", "Time:", "Command:"):
        assert any(word in line for line in header), word


@pytest.mark.parametrize("path", sorted((PROJECT / "configs" / "deepspeed").glob("*.json")), ids=lambda path: path.stem)
def test_every_deepspeed_file_goes_with_a_recipe(path: Path):
    words = yaml.safe_load((PROJECT / "configs" / "recipes" / "quickstart_lora.yaml").read_text("utf-8"))
    words["deepspeed"] = path.relative_to(PROJECT).as_posix()
    assert settings(Recipe.model_validate(words, context={"project": PROJECT}), PROJECT).stage in (1, 2, 3)
