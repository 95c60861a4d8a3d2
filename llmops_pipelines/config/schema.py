"""JSON Schema of the YAML files, for completion and checks in editors. `make schema` writes it; a test keeps it fresh."""

import json
from pathlib import Path

from .catalogue import Catalogue
from .datasets import PromptFile
from .embedder_recipe import EmbedderRecipe
from .pipeline import Pipeline
from .recipe import Recipe
from .words import Words

SCHEMAS: dict[str, type[Words]] = {
    "pipeline.schema.json": Pipeline,
    "recipe.schema.json": Recipe,
    "embedder_recipe.schema.json": EmbedderRecipe,
    "prompt.schema.json": PromptFile,
    "catalogue.schema.json": Catalogue,
}


def rendered(words: type[Words]) -> str:
    return json.dumps(words.model_json_schema(), indent=2) + "\n"


def write(folder: Path) -> None:
    """Write every schema below `folder` (`configs/schema`)."""
    for name, words in SCHEMAS.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(rendered(words), "utf-8")


if __name__ == "__main__":
    write(Path("configs/schema"))
