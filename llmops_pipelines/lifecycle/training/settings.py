"""A recipe and its DeepSpeed file as one thing: read, refused where they contradict each other, and what identifies a run.

Used by `launch.py`, which trains, and by `plan.py`, which only looks. No torch here.
"""

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .refusals import TrainingError

if TYPE_CHECKING:
    from ...config.recipe import Recipe

# What decides how a run is carried out, not what is learnt. Ranks, nodes, batch_size and accumulate count through their
# product, the examples per step: with the same product every step reads the same examples, whoever reads them.
NOT_LEARNT = {"base", "deepspeed", "save_every", "rendezvous", "ranks", "nodes", "batch_size", "accumulate"}
NOT_LEARNT |= {"recompute", "compile", "search", "teacher"}
TABLES = {"dpo": ("chosen", "rejected")}  # columns beside the prompt


@dataclass(frozen=True)
class Settings:
    """`recipe` without its base, as the training process gets it, and the DeepSpeed configuration."""

    recipe: dict[str, Any]
    deepspeed: dict[str, Any]
    identity: dict[str, Any]

    @property
    def stage(self) -> int:
        return self.deepspeed["zero_optimization"]["stage"]


def settings(recipe: "Recipe", project: Path) -> Settings:
    """Read and check. Raises `TrainingError`."""
    path = project / recipe.deepspeed
    deepspeed = _read(path)
    _check(recipe, deepspeed, path)
    learnt = recipe.model_dump(mode="json", exclude=NOT_LEARNT)
    identity = {"recipe": {**learnt, "batch": recipe.batch}, "deepspeed": deepspeed}
    return Settings(recipe.model_dump(mode="json", exclude={"base", "deepspeed", "search", "teacher"}), deepspeed, identity)


def completions(method: str) -> tuple[str, ...]:
    """Columns of the training table that hold what is to be learnt."""
    return TABLES.get(method, ("completion",))


def missing_library(recipe: "Recipe") -> str | None:
    """Why this machine's libraries cannot run the recipe, or None. Whether there is a GPU is found out by the process."""
    needs = recipe.method == "qlora" or recipe.optimizer == "adamw_8bit"
    if needs and find_spec("bitsandbytes") is None:
        word = "method: qlora" if recipe.method == "qlora" else "optimizer: adamw_8bit"
        other = "method: lora" if recipe.method == "qlora" else "optimizer: adamw"
        return f"recipe.{word} needs an NVIDIA GPU and bitsandbytes, which is not installed; install it there, or use {other}"
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"recipe.deepspeed: {path} cannot be read ({error}); name a file of configs/deepspeed/") from error
    if not isinstance(config, dict) or config.get("zero_optimization", {}).get("stage") not in (1, 2, 3):
        raise TrainingError(f"recipe.deepspeed: {path} has no zero_optimization.stage; use 1, 2 or 3 as in configs/deepspeed/")
    return config


def _check(recipe: "Recipe", deepspeed: dict[str, Any], path: Path) -> None:
    zero, bf16 = deepspeed["zero_optimization"], deepspeed.get("bf16", {}).get("enabled", "auto")
    if recipe.method == "qlora" and zero["stage"] == 3:
        raise TrainingError(f"recipe.deepspeed: {path} is ZeRO-3, which cannot share out a base in 4 bits; use a stage 2 file")
    if zero["stage"] == 3 and not zero.get("stage3_gather_16bit_weights_on_model_save"):
        raise TrainingError(
            f"recipe.deepspeed: {path} is ZeRO-3 without stage3_gather_16bit_weights_on_model_save: true; "
            "without it the result would hold shards instead of weights"
        )
    if bf16 != "auto" and recipe.precision != "auto" and bf16 != (recipe.precision == "bf16"):
        raise TrainingError(
            f'recipe.precision: {recipe.precision}, but {path} has bf16.enabled: {json.dumps(bf16)}; set that to "auto"'
        )
    if recipe.compile and zero["stage"] == 3:
        raise TrainingError(
            f"recipe.compile: true, but {path} is ZeRO-3, which fetches weights layer by layer; use stage 1 or 2"
        )
    if "optimizer" in deepspeed or "scheduler" in deepspeed:
        raise TrainingError(
            f"recipe.deepspeed: {path} has a section optimizer or scheduler, which would replace the recipe's without a word; "
            "remove it and use optimizer, schedule, learning_rate and warmup of the recipe"
        )
