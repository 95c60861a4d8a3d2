"""What the judge is asked: ragas' metrics over our own model, each case by itself, every failure kept with its reason.

The model and the cache of ragas are not used: its cache is a pickle, and its client knows neither our budget nor our store.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.lake import digest
from llmops_pipelines.lifecycle.lake.digests import text_digest

from ..ragas_metrics import outcome_of, quiet
from ..rows import Outcome
from ..similarity import Embeds
from .calls import SYSTEM, Calls, Waves

if TYPE_CHECKING:
    from pydantic import BaseModel

PASSAGES = ("context_precision", "context_recall")  # judge the passages; the others judge the answer
READS_PASSAGES = ("faithfulness", *PASSAGES)
SLACK = 1e-6  # ragas' averages exceed 1 by rounding


@dataclass(frozen=True)
class Case:
    """One thing to judge; a metric takes of it what it needs."""

    id: str
    question: str
    contexts: tuple[str, ...]
    answer: str
    reference: str


def opinions(wanted: Mapping[str, Sequence[Case]], calls: Calls, embedder: Embeds) -> dict[str, dict[str, Outcome]]:
    """metric -> id of a case -> score between 0 and 1, or what went wrong. All metrics and cases are asked together."""
    found: dict[str, dict[str, Outcome]] = {name: {} for name in wanted}
    jobs = [(name, case) for name, cases in wanted.items() for case in cases]
    if not jobs:
        return found
    waves = Waves(calls)
    metrics = _metrics(list(wanted), waves, embedder)
    asking = [outcome_of(partial(_judge, name, metrics[name], case)) for name, case in jobs]
    for (name, case), outcome in zip(jobs, asyncio.run(waves.run(asking)), strict=True):
        outside = not isinstance(outcome, str) and not -SLACK <= outcome <= 1 + SLACK  # true for NaN as well
        found[name][case.id] = f"the score is {outcome}" if outside else _within(outcome)
    return found


def _within(outcome: Outcome) -> Outcome:
    return outcome if isinstance(outcome, str) else min(1.0, max(0.0, outcome))


async def _judge(name: str, metric: Any, case: Case) -> Any:
    contexts = [delimited(text) for text in case.contexts]
    given = {"user_input": case.question, "response": case.answer, "reference": case.reference, "retrieved_contexts": contexts}
    wants = {
        "faithfulness": ("user_input", "response", "retrieved_contexts"),
        "answer_relevancy": ("user_input", "response"),
        "context_precision": ("user_input", "reference", "retrieved_contexts"),
        "context_recall": ("user_input", "reference", "retrieved_contexts"),
        "factual_correctness": ("response", "reference"),
    }[name]
    return await metric.ascore(**{word: given[word] for word in wants})


def delimited(text: str) -> str:
    """A passage between tags that its own text cannot close, since their number is made from it."""
    mark = text_digest(text)[:12]
    return f"<passage {mark}>\n{text}\n</passage {mark}>"


def prompts_digest(metrics: Sequence[str]) -> str:
    """Identity of everything that the judge is told besides the material: ragas' instructions, examples and forms."""
    quiet()
    from ragas.prompt.metrics.base_prompt import BasePrompt

    told: list[Any] = [SYSTEM, version("ragas")]
    for name, metric in sorted(_metrics(metrics, None, None).items()):
        for prompt in vars(metric).values():
            if isinstance(prompt, BasePrompt):
                examples = [[given.model_dump(), right.model_dump()] for given, right in prompt.examples]
                told.append([name, prompt.instruction, examples, prompt.output_model.model_json_schema()])
    return digest(told)


def _metrics(names: Sequence[str], waves: Waves | None, embedder: Embeds | None) -> dict[str, Any]:
    quiet()
    from ragas.embeddings.base import BaseRagasEmbedding
    from ragas.llms.base import InstructorBaseRagasLLM
    from ragas.metrics.collections import (
        AnswerRelevancy,
        ContextPrecision,
        ContextRecall,
        FactualCorrectness,
        Faithfulness,
    )

    class Model(InstructorBaseRagasLLM):
        is_async = True

        def generate(self, prompt: str, response_model: "type[BaseModel]") -> Any:
            raise NotImplementedError("ragas asks its metrics' model by agenerate only")

        async def agenerate(self, prompt: str, response_model: "type[BaseModel]") -> Any:
            return await waves.ask(prompt, response_model)

    class Eyes(BaseRagasEmbedding):
        def embed_text(self, text: str, **_: Any) -> list[float]:
            return embedder.embed([text])[0].tolist()

        async def aembed_text(self, text: str, **_: Any) -> list[float]:
            return self.embed_text(text)

    model = Model()
    makers = {
        "faithfulness": lambda: Faithfulness(llm=model),
        # At temperature 0 three equal prompts have one answer, so that one is enough.
        "answer_relevancy": lambda: AnswerRelevancy(llm=model, embeddings=Eyes(), strictness=1),
        "context_precision": lambda: ContextPrecision(llm=model),
        "context_recall": lambda: ContextRecall(llm=model),
        "factual_correctness": lambda: FactualCorrectness(llm=model),
    }
    return {name: makers[name]() for name in names}
