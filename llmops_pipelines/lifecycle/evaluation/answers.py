"""The asset answers/<candidate>: what one candidate says to every evaluation question, how long it takes and what it costs.

What a model says is a function of the model and the prompt, so it is asked once and kept: a new index asks only the prompts
that changed, a new checkpoint leaves the other candidates alone.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from llmops_pipelines.config.candidates import Candidate
from llmops_pipelines.config.pipeline import Answers, Embeddings
from llmops_pipelines.lifecycle.index import EVERYTHING
from llmops_pipelines.lifecycle.lake import Draft, Lake, Version
from llmops_pipelines.lifecycle.lake.digests import text_digest

from .candidates import EvaluationError, Parts, Spec, megabytes
from .chain import Chain, codes
from .freshness import attempt
from .models import Kept, LocalModel, OneByOne, Speaks, identity_of
from .steps import Asked, Retrieves

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

CODE = "answers/3"
RANKED = 10  # passages kept per question, for the ranking metrics; the model reads the first few of them
ALONE = "alone"  # the step of the table timings under which a question stands that was asked by itself
SAMPLE = 20  # questions that are asked by themselves
SECONDS = 20.0  # after which no further one is

__all__ = ["ALONE", "CODE", "EvaluationError", "answer", "answer_as"]


@dataclass(frozen=True)
class Answered:
    """All questions with what became of them, a sample of milliseconds of questions asked by themselves, and counts."""

    ids: list[str]
    asked: list[Asked]
    alone: dict[str, float]
    counts: dict[str, int]

    @property
    def tokens(self) -> int:
        """Read and written, as far as they were counted."""
        return sum((each.tokens_in or 0) + (each.tokens_out or 0) for row in self.asked for each in row.took)


def answer(
    lake: Lake,
    candidate: Candidate,
    eval_questions: Version,
    parts: Parts,
    settings: Answers,
    embeddings: Embeddings,
    connect: "Callable[[], QdrantClient] | None" = None,
    secrets: Callable[[str], str | None] | None = None,
    project: Path = Path(),
    retriever: Retrieves | None = None,
) -> Version:
    """Asset answers/<candidate>: tables `answers` and `timings`, json `candidate` (read by `Spec.read`).

    A question that an endpoint failed on has an error and no answer, and is asked again by the next call. The questions are
    ours, so whatever groups may see a passage, it is found. `retriever` replaces the one over the index.

    Raises `EvaluationError` when a part is missing, or the checkpoint was trained on other base weights.
    """
    spec = Spec.of(candidate, settings, project)
    return answer_as(lake, spec, eval_questions, parts, embeddings, connect, secrets, project, retriever)


def answer_as(
    lake: Lake,
    spec: Spec,
    eval_questions: Version,
    parts: Parts,
    embeddings: Embeddings,
    connect: "Callable[[], QdrantClient] | None" = None,
    secrets: Callable[[str], str | None] | None = None,
    project: Path = Path(),
    retriever: Retrieves | None = None,
    model: Speaks | None = None,
    *,
    timed: bool = True,
) -> Version:
    """The same of a candidate whose files are read. Of `eval_questions` only ids and questions are used. Without `timed` no
    question is asked by itself to see how long it takes. `model` is that of `parts`, already loaded."""
    parents = [eval_questions, *spec.parents(parts)]

    def write(draft: Draft) -> None:
        rows = eval_questions.table(columns=["id", "question"]).to_pylist()
        if not rows:
            raise EvaluationError(f"{eval_questions.asset} has no question to ask; add some, or raise questions.held_out")
        with Chain.open(lake, spec, parts, embeddings, connect, secrets, project, retriever) as opened:
            chain = opened.with_model(model) if model else opened
            asked = ([row["id"] for row in rows], [row["question"] for row in rows])
            answered = _answered(lake, chain, parts, *asked, SAMPLE if timed else 0)
        _write(draft, answered)
        draft.json("candidate", spec.described())
        draft.facts |= _facts(answered, megabytes(spec, parts))
        draft.spent(tokens=answered.tokens)

    config = {"candidate": spec.identity, "codes": codes(spec), **({} if timed else {"timed": False})}
    asset = f"answers/{spec.name}"
    config["attempt"] = attempt(lake, asset, CODE, config, parents)
    return lake.once(asset, code=CODE, config=config, parents=parents, write=write)


def _answered(lake: Lake, chain: Chain, parts: Parts, ids: list[str], questions: list[str], alone: int = SAMPLE) -> Answered:
    model, counts = chain.tools.model, {}
    if model is None:
        asked = chain.ask(questions, EVERYTHING, RANKED)
    else:
        kept = Kept(model, lake, identity_of(chain.tools.spec, parts))
        chain = chain.with_model(kept)
        asked = chain.ask(questions, EVERYTHING, RANKED)
        counts = {"generated": kept.made, "reused": kept.reused}
        if isinstance(model, LocalModel):  # an endpoint's times are those of single requests already
            chain = chain.with_model(OneByOne(kept))
    whole = [question_id for question_id, each in zip(ids, asked, strict=True) if each.error is None]
    sample = sorted(whole, key=text_digest)[:alone]
    return Answered(ids, asked, _alone(chain, sample, dict(zip(ids, questions, strict=True))), counts)


def _alone(chain: Chain, sample: Sequence[str], questions: dict[str, str]) -> dict[str, float]:
    """Milliseconds of questions asked one at a time, as users do: a share of a batch is no waiting time."""
    found: dict[str, float] = {}
    until = time.perf_counter() + SECONDS
    for question_id in sample:
        (asked,) = chain.ask([questions[question_id]], EVERYTHING)
        if asked.error is None:
            found[question_id] = asked.milliseconds
        if time.perf_counter() > until:
            break
    return found


def _write(draft: Draft, answered: Answered) -> None:
    import pyarrow as pa

    rows, timings = [], []
    for question_id, each in zip(answered.ids, answered.asked, strict=True):
        said = {name: getattr(each, name) for name in ("answer", "refused", "prompt_digest", "withdrawn", "error")}
        rows.append({"question_id": question_id, **said, **_found(each)})
        timings += [{"question_id": question_id, **vars(took)} for took in each.took]
    timings += [{"question_id": key, "step": ALONE, "milliseconds": taken} for key, taken in answered.alone.items()]
    text, texts = pa.string(), pa.list_(pa.string())
    said = {"question_id": text, "answer": text, "refused": pa.bool_(), "passages": texts, "documents": texts, "read": texts}
    schema = pa.schema({**said, "prompt_digest": text, "withdrawn": text, "error": text})
    draft.table("answers", pa.Table.from_pylist(rows, schema))
    counted = {"tokens_in": pa.int64(), "tokens_out": pa.int64(), "cost": pa.float64()}
    schema = pa.schema({"question_id": text, "step": text, "milliseconds": pa.float64(), **counted})
    draft.table("timings", pa.Table.from_pylist(timings, schema), data=False)


def _found(asked: Asked) -> dict[str, list[str] | None]:
    """Chunks and documents of the hits; null when the search was not reached."""
    if asked.hits is None:
        return {"passages": None if asked.error else [], "documents": None if asked.error else [], "read": []}
    hits = asked.hits[:RANKED]
    return {"passages": [hit.chunk_id for hit in hits], "documents": [hit.doc_id for hit in hits], "read": asked.read}


def _facts(answered: Answered, megabytes: float | None) -> dict[str, Any]:
    asked, alone = answered.asked, list(answered.alone.values())
    took = [each for row in asked for each in row.took]
    costs, tokens = [each.cost for each in took], [each.tokens_out for each in took]
    errors = [row.error for row in asked if row.error]
    facts = {
        "questions": len(asked),
        "failed": len(errors),
        "first_error": errors[0] if errors else None,
        "refused": sum(row.refused for row in asked),
        "withdrawn": sum(row.withdrawn is not None for row in asked),
        "questions_without_passages": sum(row.hits == [] for row in asked),
        **answered.counts,
        "tokens_out": None if None in tokens else sum(tokens),
        "cost": None if None in costs else round(sum(costs), 6),
        "megabytes": megabytes,
        "milliseconds_p50": round(median(alone), 3) if alone else None,
        "milliseconds_p95": round(quantiles(alone, n=20, method="inclusive")[-1], 3) if len(alone) > 1 else None,
    }
    return {name: value for name, value in facts.items() if value is not None}
