"""The words of `candidates:` in a pipeline, and the ladder of five that is always compared.

A candidate is something that can answer: a model or none, a prompt, and the steps from a question to an answer. What those
do is `lifecycle/evaluation`; what a pipeline says besides is `pipeline.py`, which this file does not import.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from .endpoints import ChatEndpoint
from .words import ExistingPath, Positive, Share, Words

if TYPE_CHECKING:
    from .pipeline import Pipeline

Model = Literal["none", "base", "tuned", "endpoint"]
Step = Literal["rewrite", "retrieve", "rerank", "answer", "verify"]
ORDER: tuple[Step, ...] = ("rewrite", "retrieve", "rerank", "answer", "verify")
ALONE = "configs/prompts/no_context.yaml"
BRIEFLY = "configs/prompts/answer_briefly.yaml"
REWRITE, VERIFY = "configs/prompts/rewrite.yaml", "configs/prompts/verify.yaml"
LADDER = ("extractive", "prompt_only", "retrieval", "fine_tuned", "fine_tuned_retrieval")


class Search(Words):
    """What a candidate asks of the index in another way than the pipeline's tuned settings."""

    method: Literal["dense", "bm25", "hybrid"] | None = Field(None, description="Ranking; without it as the pipeline does")
    dense_weight: Share | None = Field(None, description="Share of the dense score in hybrid; the rest is BM25")
    candidates: Positive | None = Field(None, description="Passages taken from each of dense and BM25 before they are fused")
    expand: Literal["none", "neighbours", "section"] | None = Field(
        None, description="What a found passage brings along: nothing, the passages beside it, or its whole section"
    )

    @model_validator(mode="after")
    def _a_mix_has_a_weight(self):
        if (self.dense_weight is not None) != (self.method == "hybrid"):
            raise ValueError("method: hybrid together with dense_weight, or neither")
        return self


class Candidate(Words):
    """Something that can answer questions. Candidates are compared with each other; one of them becomes the release."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$", description="Name in tables, plots and the gate")
    model: Model = Field(
        description="Who answers: none (a phrase of the best passage), the base model, the fine-tuned one, or an endpoint"
    )
    recipe: ExistingPath | None = Field(
        None, description="Training run whose base or fine-tuned model it is; without it the pipeline's training.recipe"
    )
    compression: Literal["none", "merged", "int8"] = Field(
        "none", description="merged: adapter and base as one model; int8: weights in a byte each, smaller and a little worse"
    )
    endpoint: ChatEndpoint | None = Field(None, description="The service that answers, for model: endpoint")
    prompt: ExistingPath | None = Field(
        None,
        description="Prompt file; without it answers.prompt, for an endpoint answer_briefly.yaml, and "
        "no_context.yaml when nothing is retrieved",
    )
    steps: tuple[Step, ...] | None = Field(
        None, description="rewrite, retrieve, rerank, answer, verify, in this order; without it retrieve and answer"
    )
    passages: Positive | None = Field(None, description="Passages that it reads; without it answers.passages")
    max_new_tokens: Positive | None = Field(
        None, description="Longest answer of a local model in tokens, reasoning included; without it answers.max_new_tokens"
    )
    retrieval: Search | None = Field(None, description="How this candidate searches, where it differs from the pipeline")
    rewrite_prompt: ExistingPath = Field(
        REWRITE, description="Prompt with which the model rewrites the question for the search"
    )
    verify_by: Literal["words", "model"] | None = Field(
        None,
        description="Who says whether the passages support the answer: words that both share, or the model, asked yes or no; "
        "without it an endpoint is asked, and for others words decide",
    )
    verify_prompt: ExistingPath = Field(VERIFY, description="Prompt of verify_by: model")

    @model_validator(mode="after")
    def _fits_together(self):
        if (self.model == "endpoint") != (self.endpoint is not None):
            raise ValueError("model: endpoint together with a section endpoint, or neither")
        if self.model == "none" and self.prompt:
            raise ValueError("no prompt beside model: none; nobody reads it")
        if self.model in ("none", "endpoint") and self.max_new_tokens:
            raise ValueError(f"no max_new_tokens beside model: {self.model}; an endpoint has max_tokens")
        if self.model in ("none", "endpoint") and self.recipe:
            raise ValueError(f"no recipe beside model: {self.model}; only base and tuned come from a recipe")
        if self.compression == "merged" and self.model != "tuned":
            raise ValueError("model: tuned beside compression: merged; there is nothing else to merge")
        if self.compression == "int8" and self.model not in ("base", "tuned"):
            raise ValueError(f"compression: none beside model: {self.model}; only base and tuned can be compressed")
        self._steps_fit(self.steps or ("retrieve", "answer"))
        return self

    def _steps_fit(self, steps: Sequence[Step]) -> None:
        if "answer" not in steps or list(steps) != [step for step in ORDER if step in steps]:
            raise ValueError(f"steps with answer among them, each once, in the order {', '.join(ORDER)}")
        if "retrieve" not in steps:
            if needing := [step for step in ("rewrite", "rerank", "verify") if step in steps]:
                raise ValueError(f"retrieve beside {needing[0]}; without passages it has nothing to work on")
            if self.model == "none":
                raise ValueError("retrieve among the steps; without a model the passages are all there is")
            if self.passages or self.retrieval:
                raise ValueError("retrieve among the steps; without it passages and retrieval mean nothing")
        if self.model == "none" and ("rewrite" in steps or ("verify" in steps and self.verify_by == "model")):
            raise ValueError("a model for rewrite and for verify_by: model; there is none here")


def _distinct(candidates: list[Candidate]) -> list[Candidate]:
    names = Counter([*LADDER, *(candidate.name for candidate in candidates)])
    if repeated := [name for name, count in names.items() if count > 1]:
        reason = "is always there" if repeated[0] in LADDER else "is used twice"
        raise ValueError(f"one name per candidate; {repeated[0]!r} {reason}")
    return candidates


Candidates = Annotated[list[Candidate], AfterValidator(_distinct)]


def ladder(pipeline: "Pipeline") -> list[Candidate]:
    """The five that are always compared, from no model at all to a fine-tuned one that reads passages, then the pipeline's
    own. Every setting that was left open is filled in."""
    closed: tuple[Step, ...] = ("answer",)
    always = [
        Candidate(name="extractive", model="none"),
        Candidate(name="prompt_only", model="base", steps=closed),
        Candidate(name="retrieval", model="base"),
        Candidate(name="fine_tuned", model="tuned", steps=closed),
        Candidate(name="fine_tuned_retrieval", model="tuned"),
    ]
    return [settled(candidate, pipeline) for candidate in (*always, *pipeline.candidates)]


def settled(candidate: Candidate, pipeline: "Pipeline") -> Candidate:
    """The candidate with what it takes from the pipeline written out. Raises ValueError for a rerank without a reranker."""
    judged = pipeline.retrieval.reranker is not None
    steps = candidate.steps or (("retrieve", "rerank", "answer") if judged else ("retrieve", "answer"))
    if "rerank" in steps and not judged:
        raise ValueError(f"candidates: {candidate.name} reranks; name a model in retrieval.reranker, or leave rerank out")
    reads, local = "retrieve" in steps, candidate.model in ("base", "tuned")
    usual = ALONE if not reads else BRIEFLY if candidate.model == "endpoint" else pipeline.answers.prompt
    filled = {
        "steps": steps,
        "passages": (candidate.passages or pipeline.answers.passages) if reads else None,
        "max_new_tokens": (candidate.max_new_tokens or pipeline.answers.max_new_tokens) if local else None,
        "recipe": (candidate.recipe or pipeline.training.recipe) if local else None,
        "verify_by": candidate.verify_by or ("model" if candidate.endpoint else "words"),
        "prompt": None if candidate.model == "none" else candidate.prompt or usual,
    }
    return candidate.model_copy(update=filled)
