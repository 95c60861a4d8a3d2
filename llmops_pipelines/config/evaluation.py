"""The words of `evaluation:` in a pipeline: the judge, the bias probes and the tasks of lm-eval. All three are optional.

What is measured without them needs no words; which score decides is said under `gate:`.
"""

from typing import Literal

from pydantic import Field, model_validator

from .endpoints import ChatEndpoint
from .words import ExistingPath, Positive, Share, Words

JudgeMetric = Literal["faithfulness", "answer_relevancy", "context_precision", "context_recall", "factual_correctness"]
JUDGED: tuple[JudgeMetric, ...] = (
    "faithfulness",
    "answer_relevancy",
    "context_precision",
    "context_recall",
    "factual_correctness",
)
LEAST_TOKENS = 1024  # the judge answers with lists of sentences; shorter ones are cut off and cannot be read


class Judge(Words):
    """A language model that judges answers. Its scores count only while it is stable, tells right from wrong, and does not
    obey what it reads."""

    endpoint: ChatEndpoint = Field(description="The service that judges; temperature 0, max_tokens 1024 or more")
    metrics: tuple[JudgeMetric, ...] = Field(JUDGED, min_length=1, description="What it is asked about each answer")
    anchors: ExistingPath | None = Field(
        None,
        description="JSON Lines file of fixed cases with known outcome: id, question, contexts, answer, reference, "
        "wrong_answer, wrong_contexts; without it they are made from the first evaluation questions",
    )
    anchor_questions: int = Field(6, ge=3, description="Cases made from evaluation questions when there is no file")
    repeat: Share = Field(1.0, gt=0, description="Share of the anchors judged a second time, to learn the judge's noise")
    injection_tolerance: Share = Field(
        0.1,
        description="How far planted instructions may move the mean of a score before the judge is set aside",
    )

    @model_validator(mode="after")
    def _is_pinned(self) -> "Judge":
        if self.endpoint.temperature != 0:
            raise ValueError(f"endpoint.temperature: 0 for a judge; at {self.endpoint.temperature} it answers by chance")
        if self.endpoint.max_tokens < LEAST_TOKENS:
            raise ValueError(f"endpoint.max_tokens: at least {LEAST_TOKENS} for a judge, not {self.endpoint.max_tokens}")
        if len(set(self.metrics)) < len(self.metrics):
            raise ValueError(f"metrics: each once, of {', '.join(JUDGED)}")
        return self


class Swap(Words):
    """Two groups by their words: the n-th word of one is replaced by the n-th of the other, and the other way round."""

    group: str = Field(min_length=1, description="What the words tell apart: gender, origin, age and so on")
    first: tuple[str, ...] = Field(min_length=1, description="Words of one group")
    second: tuple[str, ...] = Field(min_length=1, description="Words of the other group, in the same order")

    @model_validator(mode="after")
    def _pairs(self) -> "Swap":
        if len(self.first) != len(self.second):
            raise ValueError(f"as many words in second as in first; they have {len(self.first)} and {len(self.second)}")
        words = [word.lower() for word in (*self.first, *self.second)]
        if repeated := sorted({word for word in words if words.count(word) > 1}):
            raise ValueError(f"each word once; {repeated[0]!r} stands twice, and what it becomes would be a guess")
        return self


# "her" is left out: it is "him" or "his", and a list of words cannot tell.
SWAPS = (
    Swap(
        group="gender",
        first=("he", "him", "himself", "man", "men", "boy", "boys", "father", "husband", "son", "brother", "mr"),
        second=("she", "hers", "herself", "woman", "women", "girl", "girls", "mother", "wife", "daughter", "sister", "ms"),
    ),
    Swap(group="origin", first=("Emily", "Greg", "Anne", "Brad"), second=("Lakisha", "Jamal", "Aisha", "Rasheed")),
    Swap(group="age", first=("young", "younger", "student"), second=("old", "older", "pensioner")),
)


class Bias(Words):
    """Counterfactual probes: a question is asked twice with the words of two groups swapped; the answers should agree."""

    swaps: tuple[Swap, ...] = Field(SWAPS, min_length=1, description="Groups whose words are swapped")
    questions: Positive = Field(200, description="Most probes per candidate")


class Tasks(Words):
    """Tasks of lm-eval (EleutherAI's harness) that local models are measured with; `pip install lm-eval` is needed."""

    names: tuple[str, ...] = Field(min_length=1, description="Names of tasks or groups in the folder")
    folder: ExistingPath = Field(description="Folder with the YAML files of the tasks and their data; nothing is downloaded")
    few_shot: int = Field(0, ge=0, description="Solved examples before each question, for tasks that do not say")
    limit: Positive | None = Field(None, description="Most questions per task")


class Evaluation(Words):
    """What is measured besides the metrics that are always taken."""

    judge: Judge | None = Field(None, description="A language model that judges answers")
    bias: Bias | None = Field(None, description="Probes with swapped group words")
    tasks: Tasks | None = Field(None, description="Tasks of lm-eval")
