"""The words of `configs/catalogue.yaml`: the base models that somebody has looked at and approved, with what they are for.

The gate refuses a model that is not listed. Which licences and uses a product asks for is `gate.py`.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from .words import Words

Use = Literal["research", "internal", "commercial"]
FILE = "configs/catalogue.yaml"


class ApprovedModel(Words):
    """One base model: recognised by the digest of its weights, or behind an endpoint by the name that it has there."""

    name: str = Field(min_length=1, description="Name for people; of a model behind an endpoint, the name that it has there")
    sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{64}$",
        description="sha256 of its weights, as in the recipe's base.sha256; left out for a model behind an endpoint",
    )
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$", description="Commit on the hub that was looked at")
    licence: str = Field(min_length=1, description="Licence of the weights (an SPDX name, or your own words)")
    uses: list[Use] = Field(min_length=1, description="What licence and review allow: research, internal, commercial")


class Catalogue(Words):
    """All approved base models."""

    models: list[ApprovedModel] = Field(description="The approved base models")

    @model_validator(mode="after")
    def _each_once(self):
        for said in ([model.name for model in self.models], [model.sha256 for model in self.models if model.sha256]):
            if repeated := sorted({each for each in said if said.count(each) > 1}):
                raise ValueError(f"each model once; {repeated[0]!r} is listed twice")
        return self

    def find(self, sha256: str | None, name: str = "") -> ApprovedModel | None:
        """The model with these weights; without weights, the one behind an endpoint that has this name."""
        for model in self.models:
            if sha256 == model.sha256 and (sha256 is not None or model.name == name):
                return model
        return None


def load_catalogue(project: Path) -> Catalogue | None:
    """The project's catalogue, None if it has none. Raises `ConfigMistakes` with every mistake in it."""
    from .loader import load_words  # it knows the words of a pipeline, and those know this file

    path = project / FILE
    return load_words(path, project, Catalogue) if path.is_file() else None
