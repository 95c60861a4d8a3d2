"""The words of `gate:` in a pipeline: what a candidate must show before it answers users, per stage where they differ.

Which base models may be used is `catalogue.py`; how the rules are applied is `lifecycle/release/gate.py`.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from .catalogue import Use
from .words import Positive, Share, Words

Stage = Literal["dev", "staging", "production"]
STAGES: tuple[Stage, ...] = ("dev", "staging", "production")

Metric = Literal[
    *("token_f1", "exact_match", "contains_reference", "rouge_l", "bleu", "chrf", "string_similarity", "similarity"),
    *("refusal_right", "refusal_precision", "refusal_recall", "refusal_f1"),
    *("hit_at_1", "hit_at_3", "hit_at_5", "hit_at_10", "mrr_at_10", "ndcg_at_10", "map_at_10", "recall_at_10"),
    *("document_precision", "document_recall"),
    *("faithfulness", "answer_relevancy", "context_precision", "context_recall", "factual_correctness"),
]
DECIDING = "metric"  # as a key: whatever `gate.metric` names


def _for_the_deciding_metric(value: Any) -> Any:
    if isinstance(value, dict):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {DECIDING: value}
    raise ValueError("a number, or a number per metric")


_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
PerMetric = Annotated[
    dict[Literal[DECIDING, Metric], Share],
    BeforeValidator(_for_the_deciding_metric),
    WithJsonSchema({"anyOf": [_SHARE, {"type": "object", "additionalProperties": _SHARE}]}),
]
Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class SliceRule(Words):
    """What must hold for a part of the questions, so that a good mean hides no bad corner."""

    slice: str = Field(min_length=1, description="How questions are divided: source, topic, language, length, answerable")
    value: str | None = Field(None, description="The part that is meant; without it every part")
    metric: Metric | None = Field(None, description="The score; without it gate.metric")
    minimum: Share | None = Field(None, description="Lowest mean score there")
    not_worse_than_champion_by: Share | None = Field(None, description="Most that its mean may lie below the champion's there")
    questions: Positive = Field(5, description="Parts with fewer questions are passed over: their means are noise")

    @model_validator(mode="after")
    def _asks_something(self):
        if self.minimum is None and self.not_worse_than_champion_by is None:
            raise ValueError("minimum or not_worse_than_champion_by, or both")
        return self


class Rules(Words):
    """What is asked of a candidate. A stage may ask something else than the gate does for all of them."""

    minimum: PerMetric = Field({}, description="Lowest score that may be released: one number for `metric`, or one per metric")
    beat_base_by: Share = Field(
        0.0, description="The 95 % interval of (fine-tuned minus its base) must lie above this; asked of fine-tuned models only"
    )
    not_worse_than_champion_by: PerMetric = Field(
        {DECIDING: 0.1}, description="Loss against the champion that the 95 % interval must rule out: one number, or per metric"
    )
    minimum_hit_at_5: Share = Field(
        0.5, description="Lowest share of questions whose document is among the first five found; asked of what retrieves"
    )
    coverage: Share = Field(0.98, description="Lowest share of questions that must be scored, for every metric asked for")
    slices: list[SliceRule] = Field([], description="What must hold for parts of the questions")
    latency_p95_milliseconds: Limit | None = Field(None, description="Longest time that 19 of 20 questions may take")
    megabytes: Limit | None = Field(None, description="Largest size of the model's files")
    cost_per_question: Limit | None = Field(None, description="Most that one question may cost, in the endpoint's currency")
    base_models: Literal["catalogue", "any"] = Field(
        "catalogue", description="catalogue: only base models that configs/catalogue.yaml lists by digest"
    )
    licences: list[str] = Field([], description="Licences that documents and base model may have; empty: any")
    use: Use | None = Field(None, description="What the product is for; the catalogue must allow its base model for it")
    approval: Literal["automatic", "manual"] = Field(
        "automatic", description="manual: what passes waits until a person says `llmops release approve`"
    )


class Gate(Rules):
    """What a candidate must show before it answers users."""

    metric: Metric = Field("token_f1", description="The score that decides")
    minimum: PerMetric = Field(description="Lowest score that may be released: one number for `metric`, or one per metric")
    candidate: str = Field(
        "fine_tuned_retrieval",
        pattern=r"^[a-z][a-z0-9_]*$",
        description="Candidate that is released; 'chosen' takes the one that the comparison marks",
    )
    enters: Stage = Field("production", description="Stage that a new release enters; from there people promote it further")
    stages: dict[Stage, Rules] = Field({}, description="Rules that a stage asks instead of those above, word by word")

    @model_validator(mode="after")
    def _stages_are_reachable(self):
        if skipped := [stage for stage in self.stages if stage not in self.path]:
            raise ValueError(f"stages from {self.enters} on; nothing enters {skipped[0]} (see gate.enters)")
        return self

    @property
    def path(self) -> tuple[Stage, ...]:
        """The stages that a release goes through."""
        return STAGES[STAGES.index(self.enters) :]

    @property
    def floors(self) -> dict[str, float]:
        return self._named(self.minimum)

    @property
    def margins(self) -> dict[str, float]:
        return self._named(self.not_worse_than_champion_by)

    def at(self, stage: Stage) -> "Gate":
        """The gate of one stage: what it says itself, and for the rest what is said for all."""
        own = self.stages.get(stage, Rules())
        return self.model_copy(update={word: getattr(own, word) for word in own.model_fields_set})

    def _named(self, per_metric: dict[str, float]) -> dict[str, float]:
        return {self.metric if name == DECIDING else name: value for name, value in per_metric.items()}
