"""The job file of an embedder's tuning."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ....config.embedder_recipe import EmbedderRecipe
from ....config.pipeline import Embeddings
from ..work import Work


@dataclass(frozen=True, kw_only=True)
class Job(Work):
    """One tuning. `base` is the folder of the embedding model, the three tables are Parquet files (`negatives` may be None).
    The result holds model/, ranks.json, training_log.json and outcome.json."""

    base: Path
    pairs: Path
    passages: Path
    negatives: Path | None
    embeddings: dict[str, Any]

    @cached_property
    def words(self) -> EmbedderRecipe:
        return EmbedderRecipe.model_validate(self.recipe)

    @cached_property
    def model(self) -> Embeddings:
        """The pipeline's settings of the untuned model, its files named by their folder."""
        return Embeddings.model_validate({**self.embeddings, "model": str(self.base)})
