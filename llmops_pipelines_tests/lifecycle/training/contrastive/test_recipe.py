"""The words of an embedder recipe: the shipped one is complete, and what cannot be meant is refused."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from llmops_pipelines.config.embedder_recipe import EmbedderRecipe

SHIPPED = Path(__file__).parents[4] / "configs" / "recipes" / "quickstart_embedder.yaml"


def test_the_shipped_recipe_is_complete():
    recipe = EmbedderRecipe.model_validate(yaml.safe_load(SHIPPED.read_text("utf-8")))
    assert recipe.method == "embedder" and recipe.negatives.per_pair == 1
    header = SHIPPED.read_text("utf-8").split("\n\n")[0]
    assert all(word in header for word in ("Hardware:", "Time:", "Command:"))


@pytest.mark.parametrize(
    "wrong",
    [{"batch_size": 1}, {"negatives": {"first": 9, "last": 3}}, {"temperature": 0}, {"held_out": 1}, {"method": "lora"}],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(wrong):
    with pytest.raises(ValidationError):
        EmbedderRecipe.model_validate({"method": "embedder", **wrong})


def test_every_word_is_explained():
    assert [name for name, field in EmbedderRecipe.model_fields.items() if not field.description] == []
