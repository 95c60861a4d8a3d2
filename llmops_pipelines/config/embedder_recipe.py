"""The words of a recipe with `method: embedder`: one contrastive tuning of the pipeline's embedding model.

The model to start from is the pipeline's own `embeddings`; recipes that tune a language model are in `recipe.py`.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .words import Positive, Share, Words


class HardNegatives(Words):
    """Passages that the index finds for a question although they do not answer it."""

    per_pair: int = Field(1, ge=0, description="Of them beside each pair; each costs as much time as the right passage")
    first: Positive = Field(2, description="Best rank they are taken from; the very first are often unmarked right answers")
    last: Positive = Field(30, description="Worst rank they are taken from")

    @model_validator(mode="after")
    def _range(self):
        if self.last < self.first:
            raise ValueError(f"last at or below first ({self.first})")
        return self


class EmbedderRecipe(Words):
    """Everything that determines one tuning of the embedding model."""

    method: Literal["embedder"] = Field(description="Tells this kind of recipe from those that tune a language model")
    origins: list[str] | None = Field(
        None, min_length=1, description="Origins of training examples that are learnt from, such as question; without it all"
    )
    epochs: Positive = Field(1, description="Passes over the question-passage pairs")
    learning_rate: Annotated[float, Field(gt=0)] = Field(5e-5, description="Peak learning rate of AdamW")
    warmup: Share = Field(0.1, description="Share of steps over which the learning rate rises; then it falls to 0")
    weight_decay: Share = Field(0.01, description="Of the matrices; norms and biases have none")
    clip: Annotated[float, Field(gt=0)] = Field(1.0, description="Largest norm of a gradient")
    batch_size: Annotated[int, Field(ge=2)] = Field(
        32, description="Pairs per step; each question has the other passages of its batch as easy negatives"
    )
    temperature: Annotated[float, Field(gt=0, le=1)] = Field(0.05, description="Cosines are divided by this before the softmax")
    negatives: HardNegatives = Field(HardNegatives(), description="Passages that search finds and that do not answer")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.1, description="Dropout while training")
    keep_base: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share of the untuned weights in the result; above 0 it forgets less of other texts (WiSE-FT)"
    )
    max_tokens: Positive = Field(256, description="Longest text that is read in training; the rest of it is cut off")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto is bf16 where the hardware has it")
    seed: int = Field(0, description="Seed of order, negatives and dropout")
    held_out: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3, description="Share of the train side's document clusters that the tuned model is measured on, never trained on"
    )
    searched: Positive = Field(20_000, description="Most passages that held-out questions are searched among")
    save_every: Positive = Field(20, description="Steps between checkpoints that a killed run can resume from")
