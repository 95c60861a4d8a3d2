"""How long a run is: steps of an epoch as the Trainer counts them, what a budget leaves of them, and what ended a run.

Pure arithmetic: `plan.py` foretells with it and the training process keeps to it.
"""

from dataclasses import dataclass
from math import ceil
from typing import Any


@dataclass(frozen=True)
class Length:
    """`steps` optimizer steps of `per_epoch` an epoch; `limit` names what they end by: epochs, steps or tokens."""

    steps: int
    per_epoch: int
    limit: str


def length(recipe: dict[str, Any], rows: int, tokens: int) -> Length:
    """Of a run over `rows` rows (packed, if they are) that hold `tokens` tokens in all; minutes cannot be foretold."""
    batches = ceil(ceil(rows / recipe["batch_size"]) / (recipe["ranks"] * recipe["nodes"]))  # accelerate's BatchSamplerShard
    per_epoch = max(ceil(batches / recipe["accumulate"]), 1)
    budget, limits = recipe["budget"], {"epochs": ceil(recipe["epochs"] * per_epoch)}
    if budget["steps"]:
        limits["steps"] = budget["steps"]
    if budget["tokens"]:
        limits["tokens"] = max(ceil(budget["tokens"] * per_epoch / max(tokens, 1)), 1)
    limit = min(limits, key=limits.__getitem__)
    return Length(limits[limit], per_epoch, limit)


def reached(budget: dict[str, Any], tokens: int, seconds: float) -> str | None:
    """Which of tokens and minutes is used up, or None. Steps are the Trainer's own end."""
    if budget["tokens"] and tokens >= budget["tokens"]:
        return "tokens"
    if budget["minutes"] and seconds >= 60 * budget["minutes"]:
        return "minutes"
    return None
