"""The words of `configs/recipes/<name>.yaml`: one file is one complete training run."""

from typing import Annotated

from pydantic import Field, model_validator

from .words import ExistingPath, Positive, Share, Words


class BaseModelWords(Words):
    """The model to start from: a folder, or a hub model pinned to a commit."""

    path: ExistingPath | None = Field(None, description="Folder with config.json, model.safetensors and tokenizer files")
    hub: str | None = Field(None, description="Name on the Hugging Face hub, such as HuggingFaceTB/SmolLM2-135M")
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$", description="Commit of the hub model, 40 hex digits")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="sha256 of model.safetensors; weights that differ are refused")
    licence: str = Field(description="Licence of the weights")

    @model_validator(mode="after")
    def _one_origin(self):
        if (self.path is None) == (self.hub is None):
            raise ValueError("exactly one of path and hub")
        if self.hub and not self.revision:
            raise ValueError("a revision (the 40-digit commit) beside hub")
        return self


class Lora(Words):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685) through PEFT."""

    rank: Positive = Field(16, description="Rank of the update matrices")
    alpha: Positive = Field(32, description="Scale: updates are multiplied by alpha / rank")
    dropout: Share = Field(0.0, description="Dropout on the adapter input")
    target_modules: str | list[str] = Field("all-linear", description="Layers that get an adapter")


class Recipe(Words):
    """Everything that determines one fine-tuning run."""

    base: BaseModelWords = Field(description="The section that names the base model")
    lora: Lora = Lora()
    deepspeed: ExistingPath = Field(description="DeepSpeed configuration, a JSON file under configs/deepspeed/")
    ranks: Positive = Field(2, description="Processes that train together (GPUs where present, else CPU cores)")
    seed: int = Field(0, description="Seed of data order and initialisation")
    epochs: Annotated[float, Field(gt=0)] = Field(1.0, description="Passes over the training examples")
    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="Peak learning rate of AdamW")
    warmup: Share = Field(0.05, description="Share of steps over which the learning rate rises")
    batch_size: Positive = Field(8, description="Examples per rank and step")
    max_tokens: Positive = Field(512, description="Longest example; longer ones are refused, never cut")
    save_every: Positive = Field(50, description="Steps between checkpoints that a killed run can resume from")
