"""A candidate ready to answer: its steps in a row, over one index and one model. Evaluation and users ask the same chain.

What each step does is `steps.py`; what is kept of the answers is `answers.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle.index import NO_GROUP, Retriever, Settings, Where
from llmops_pipelines.lifecycle.index.search.reranking import CrossEncoder
from llmops_pipelines.lifecycle.lake import Lake

from . import extractive, models, steps
from .candidates import EvaluationError, Parts, Spec
from .models import Speaks, model_of
from .steps import STEPS, Asked, Retrieves, Tools

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


def codes(spec: Spec) -> list[str | None]:
    """Which code answers for a candidate: part of what its answers are known by."""
    return [models.CODE, steps.CODE, extractive.CODE if spec.model == "none" else None]


@dataclass(frozen=True)
class Chain:
    """What a candidate does with questions. Use as a context manager, or close."""

    tools: Tools

    @classmethod
    def open(
        cls,
        lake: Lake,
        spec: Spec,
        parts: Parts,
        embeddings: Embeddings,
        connect: "Callable[[], QdrantClient] | None" = None,
        secrets: Callable[[str], str | None] | None = None,
        project: Path = Path(),
        retriever: Retrieves | None = None,
    ) -> "Chain":
        """Opens the index if the candidate searches; a model is loaded by the first question. `retriever` replaces the one
        over the index, and is not closed. Raises `EvaluationError` when a part is missing or does not fit the others."""
        spec.parents(parts)
        finder, judge, judged = retriever, None, 0
        if spec.retrieves:
            tuned = Settings.of(parts.retrieval_settings)
            if "rerank" in spec.steps:
                if tuned.reranker is None:
                    raise EvaluationError(
                        f"candidate {spec.name} reranks, but these retrieval settings name no reranker; set retrieval.reranker"
                    )
                judge, judged = CrossEncoder.open(tuned.reranker, project), tuned.reranker.candidates
            if finder is None:
                finder = Retriever.open(lake, parts.index, embeddings, spec.searching(tuned), connect, secrets, project)
        return cls(Tools(spec, model_of(spec, parts, secrets), finder, judge, judged))

    def ask(self, questions: Sequence[str], where: Where = NO_GROUP, ranked: int = 0) -> list[Asked]:
        """What became of each question, in order. The caller sees what `where` shows; without it, what everybody may see.

        `ranked` passages are kept per question, or as many as the model reads if that is more.
        """
        rows = [Asked(question, question) for question in questions]
        for step in self.tools.spec.steps:
            going = [row for row in rows if row.error is None]
            if going:
                STEPS[step](self.tools, going, where, max(ranked, self.tools.spec.passages))
        return rows

    def with_model(self, model: Speaks) -> "Chain":
        """The same chain with another model, over the same open index."""
        return replace(self, tools=replace(self.tools, model=model))

    def close(self) -> None:
        if isinstance(self.tools.finder, Retriever):
            self.tools.finder.close()

    def __enter__(self) -> "Chain":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
