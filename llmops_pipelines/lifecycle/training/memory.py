"""How much memory a run takes on each device, foretold from shapes: weights, gradients, optimizer, activations.

States after Rajbhandari et al. 2020 (ZeRO, arXiv 1910.02054, section 3.1): Adam keeps 12 bytes for each trained weight
(master copy and two moments in fp32) beside weight and gradient; stage 1 shares out the optimizer, 2 the gradients too,
3 the weights too. Activations counted as in Korthikanti et al. 2022 (arXiv 2205.05198), for a Llama layer with attention
that keeps no scores. An estimate: allocators, buckets and the loss come on top, some tenths of it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...config.recipe import Recipe

ADAM, SGD = 12, 4  # bytes of optimizer state per trained weight; 8-bit moments: master copy and two bytes
ADAM_8BIT = 6
FOUR_BITS = 0.516  # bytes per weight of NormalFloat with doubly quantised constants (arXiv 2305.14314: 4.127 bits)


@dataclass(frozen=True)
class Memory:
    """Bytes per device (per rank on a CPU) with ZeRO stage `stage`; 0 is without ZeRO."""

    stage: int
    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations


@dataclass(frozen=True)
class Model:
    """What memory depends on. `linear` are the shapes of the layers that may get an adapter, by the name of their module."""

    parameters: int
    layers: int
    width: int
    inner: int
    keys: int
    linear: tuple[tuple[str, tuple[int, ...]], ...]

    @classmethod
    def read(cls, folder: Path, shapes: dict[str, tuple[int, ...]]) -> "Model":
        config = json.loads((folder / "config.json").read_text("utf-8"))
        width = config.get("hidden_size") or 0
        heads = config.get("num_attention_heads") or 1
        keys = (config.get("num_key_value_heads") or heads) * (config.get("head_dim") or width // heads)
        linear = tuple(
            (name.rpartition(".")[0], shape)
            for name, shape in shapes.items()
            if len(shape) == 2 and name.endswith(".weight") and not any(part in name for part in ("embed", "lm_head", "wte"))
        )
        inner = config.get("intermediate_size") or 4 * width
        return cls(_count(shapes), config.get("num_hidden_layers") or 0, width, inner, keys, linear)

    def trainable(self, recipe: "Recipe") -> int:
        """Weights that the recipe trains."""
        if recipe.method == "full":
            return self.parameters
        targets = recipe.lora.target_modules
        chosen = [shape for name, shape in self.linear if targets == "all-linear" or _meant(name, targets)]
        return sum(recipe.lora.rank * (shape[0] + shape[1]) for shape in chosen)


def estimates(model: Model, recipe: "Recipe", trained: int, precision: str, tokens_in_row: int) -> tuple[Memory, ...]:
    """For ZeRO stages 0 to 3."""
    number = 2 if precision == "bf16" else 4
    frozen = 0 if recipe.method == "full" else model.parameters * (FOUR_BITS if recipe.method == "qlora" else number)
    state = {"adamw": ADAM, "adamw_8bit": ADAM_8BIT, "sgd": SGD}[recipe.optimizer] * trained
    tokens = tokens_in_row * recipe.batch_size * (2 if recipe.method == "dpo" else 1)
    kept = model.width if recipe.recompute else 8 * model.width + 2 * model.keys + 4 * model.inner
    activations = tokens * model.layers * kept * number
    made = []
    for stage in range(4):
        share = [recipe.world if stage >= least else 1 for least in (3, 2, 1)]
        weights, gradients, optimizer = (
            (frozen + trained * number) / share[0],
            trained * number / share[1],
            state / share[2],
        )
        made.append(Memory(stage, round(weights), round(gradients), round(optimizer), activations))
    return tuple(made)


def _count(shapes: dict[str, tuple[int, ...]]) -> int:
    total = 0
    for shape in shapes.values():
        size = 1
        for side in shape:
            size *= side
        total += size
    return total


def _meant(name: str, targets: str | list[str]) -> bool:
    """Whether PEFT's target_modules mean this module: a list names ends of it, a single word likewise (or a pattern)."""
    import re

    if isinstance(targets, str):
        return re.fullmatch(targets, name) is not None
    return any(name == target or name.endswith(f".{target}") for target in targets)
