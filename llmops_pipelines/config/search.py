"""The words of a search over a recipe's settings: which ones vary and how far, how many trials, and when one is given up.

The values that are not searched stay those of the recipe; what a trial is worth is measured by the caller of the search.
"""

from typing import Annotated

from pydantic import Field, model_validator

from .words import Positive, Words


class Range(Words):
    """Where a setting may lie: a choice of values, or everything between two numbers."""

    choices: list[bool | int | float | str] | None = Field(None, min_length=1, description="The values to choose from")
    low: float | None = Field(None, description="Smallest value; a whole number searches whole numbers")
    high: float | None = Field(None, description="Largest value")
    log: bool = Field(False, description="Try orders of magnitude evenly, as for learning rates")

    @model_validator(mode="after")
    def _one_kind(self):
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.log:
                raise ValueError("either choices, or low and high")
            return self
        if self.low is None or self.high is None:
            raise ValueError("choices, or both low and high")
        if not self.low < self.high:
            raise ValueError(f"low below high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError("a low above 0 with log")
        return self

    @property
    def whole(self) -> bool:
        """Between two numbers without a fraction only such are tried: `low: 1` and `high: 8` are ranks, not rates."""
        return self.low is not None and self.high is not None and self.low == int(self.low) and self.high == int(self.high)


class Pruner(Words):
    """When a trial is given up in the middle: its loss is worse than the median of the trials before it at that step."""

    after_trials: Positive = Field(4, description="Trials that are always carried through")
    after_steps: int = Field(20, ge=0, description="Steps that each trial may make before it is judged")


class Search(Words):
    """How good settings are looked for. One trial is one complete recipe, trained and measured."""

    parameters: dict[str, Range] = Field(min_length=1, description="Settings of the recipe by their dotted name, as lora.rank")
    trials: Positive = Field(12, description="Trials, those that were given up included")
    minutes: Annotated[float, Field(gt=0)] | None = Field(
        None, description="No trial begins after so many minutes of trials; the result then depends on the machine"
    )
    random_trials: Positive = Field(5, description="Trials drawn at random before the others learn from them (TPE)")
    pruner: Pruner | None = Field(None, description="Give up trials whose training loss is worse than the others'")
    seed: int = Field(0, description="Seed of the choices")
