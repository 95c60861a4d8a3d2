"""The words of `configs/recipes/<name>.yaml`: one file is one complete training run of a causal language model.

What a word means for the libraries is in `lifecycle/training`; recipes of embedding models have words of their own.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .search import Search
from .words import ExistingPath, Positive, Share, Words

AboveZero = Annotated[float, Field(gt=0)]


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


class Budget(Words):
    """What may end a run before its epochs do; the first that is reached does. What was learnt until then is the result."""

    steps: Positive | None = Field(None, description="Optimizer steps; the learning rate falls to its end within them")
    tokens: Positive | None = Field(None, description="Tokens read, padding not counted; the learning rate falls within them")
    minutes: AboveZero | None = Field(
        None,
        description="Minutes of training; another machine gets another result, and the learning rate is cut off where it is",
    )


class Recipe(Words):
    """Everything that determines one fine-tuning run."""

    base: BaseModelWords = Field(description="The section that names the base model")
    method: Literal["lora", "qlora", "full", "dpo"] = Field(
        "lora",
        description="lora: adapters; qlora: adapters on a base in 4 bits (NVIDIA GPU); full: every weight; "
        "dpo: adapters learnt from preference pairs",
    )
    lora: Lora = Field(Lora(), description="The adapters of lora, qlora and dpo")
    beta: AboveZero = Field(0.1, description="How strongly dpo holds the model to its base (arXiv 2305.18290)")
    learn_from: Literal["completion", "everything"] = Field(
        "completion", description="Tokens that the loss is taken of: the completion and its end mark, or the prompt too"
    )
    mix: dict[str, AboveZero] | None = Field(
        None, description="Origin of training examples -> its part of the rows; origins not named are left out"
    )
    packing: bool = Field(False, description="Put several examples into one row of max_tokens; they do not see each other")
    deepspeed: ExistingPath = Field(description="DeepSpeed configuration, a JSON file under configs/deepspeed/")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="Numbers of the training; auto: bf16 where the hardware multiplies it itself, else fp32"
    )
    ranks: Positive = Field(2, description="Processes per node that train together (GPUs where present, else CPU cores)")
    nodes: Positive = Field(1, description="Machines that train together; they share the folder of LLMOPS_HOME")
    rendezvous: str | None = Field(
        None, pattern=r"^[^\s:]+:\d+$", description="host:port of the first machine, for nodes above 1"
    )
    seed: int = Field(0, description="Seed of data order and initialisation")
    epochs: AboveZero = Field(1.0, description="Passes over the training examples")
    budget: Budget = Field(Budget(), description="What may end the run earlier")
    optimizer: Literal["adamw", "adamw_8bit", "sgd"] = Field("adamw", description="adamw_8bit needs an NVIDIA GPU")
    learning_rate: AboveZero = Field(1e-3, description="Peak learning rate")
    schedule: Literal["linear", "cosine", "constant"] = Field("linear", description="How the learning rate falls after warmup")
    warmup: Share = Field(0.05, description="Share of steps over which the learning rate rises")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="Decay of the trained weights per unit learning rate")
    clip: Annotated[float, Field(ge=0)] = Field(1.0, description="Largest norm of the gradient; 0: not limited")
    batch_size: Positive = Field(8, description="Examples (packed: rows) per rank that are computed at once")
    accumulate: Positive = Field(1, description="Batches whose gradients are added up before a step")
    recompute: bool = Field(False, description="Compute activations again instead of keeping them: less memory, a third slower")
    compile: bool = Field(
        False, description="Compile the layers for an NVIDIA GPU: a minute at the start, faster steps after it"
    )
    max_tokens: Positive = Field(512, description="Longest example; longer ones are refused, never cut")
    search: Search | None = Field(None, description="Settings to look for better values of; the asset `search` does it")
    teacher: ExistingPath | None = Field(
        None, description="Recipe whose fine-tuned model answers in place of the known answers; the base here must be smaller"
    )
    save_every: Positive = Field(50, description="Steps between checkpoints that a killed run can resume from")

    @property
    def world(self) -> int:
        """Processes on all machines."""
        return self.ranks * self.nodes

    @property
    def batch(self) -> int:
        """Examples (packed: rows) per optimizer step."""
        return self.world * self.batch_size * self.accumulate

    @property
    def kind(self) -> Literal["adapter", "model"]:
        """What the run leaves behind: an adapter for the base, or a whole model."""
        return "model" if self.method == "full" else "adapter"

    @model_validator(mode="after")
    def _possible_together(self):
        given = self.model_fields_set
        if self.method == "full" and "lora" in given:
            raise ValueError("no section lora with method full, which trains the weights themselves; remove one of the two")
        if "beta" in given and self.method != "dpo":
            raise ValueError(f"no beta with method {self.method}; it belongs to dpo")
        if self.method == "dpo" and self.packing:
            raise ValueError("packing: false with method dpo, whose pairs cannot be packed")
        if self.method == "dpo" and self.learn_from == "everything":
            raise ValueError("learn_from: completion with method dpo, which compares completions")
        if self.method == "qlora" and self.precision == "fp32":
            raise ValueError("precision bf16 or auto with method qlora, whose base is computed in bf16")
        if (self.nodes > 1) != (self.rendezvous is not None):
            raise ValueError("rendezvous (host:port of the first machine) with nodes above 1, and only then")
        return self
