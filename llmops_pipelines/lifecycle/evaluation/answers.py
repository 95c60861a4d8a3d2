"""The asset answers: both candidates answer every evaluation question, from the same passages in the same prompt.

An answer is a function of model, adapter and prompt, so it is generated once and kept; a new checkpoint does not make
the base model answer again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from llmops_pipelines.config.pipeline import Answers, Embeddings
from llmops_pipelines.lifecycle import datasets
from llmops_pipelines.lifecycle.index import EVERYTHING, Hit, Retriever, Settings, Where
from llmops_pipelines.lifecycle.lake import Draft, Lake, Refusal, Version, digest
from llmops_pipelines.lifecycle.lake.digests import text_digest

from .generation import Generator

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

CODE = "answers/2"
RANKED = 10  # passages retrieved per question, for the ranking metrics; the model reads the first few of them
SAVE_EVERY = 64  # answers generated between two writes to the store: what a crash can cost


class EvaluationError(Refusal):
    """What would be measured is not what the graph claims, or nothing can be measured."""


class Retrieves(Protocol):
    """Whatever finds passages for questions; `index.Retriever` in the product."""

    def search(self, questions: list[str], k: int, where: Where) -> list[list[Hit]]: ...


@dataclass(frozen=True)
class Asked:
    """A question with what was found for it and the prompt that both candidates get."""

    question_id: str
    passages: list[str]
    documents: list[str]
    prompt: str
    prompt_digest: str


@dataclass(frozen=True)
class Candidate:
    """A model that answers: its name in the tables, its files, and the identity under which its answers are kept."""

    name: str
    folder: Path
    adapter: Path | None
    identity: str


def answer(
    lake: Lake,
    eval_questions: Version,
    index: Version,
    retrieval_settings: Version,
    base: Version,
    checkpoint: Version,
    settings: Answers,
    embeddings: Embeddings,
    connect: "Callable[[], QdrantClient] | None" = None,
    secrets: "Callable[[str], str | None] | None" = None,
    project: Path = Path(),
    retriever: Retrieves | None = None,
) -> Version:
    """Asset answers, one row per question and candidate ("base", "fine_tuned"). `retriever` replaces the one over `index`.

    The questions are ours, so whatever groups may see a passage, it is found.

    Raises `EvaluationError` when the checkpoint was trained on other base weights than those of `base`.
    """

    def write(draft: Draft) -> None:
        candidates = _candidates(base, checkpoint, settings)
        rows = eval_questions.table().select(["id", "question"]).to_pylist()
        if retriever is not None:
            asked = _ask(retriever, rows, settings.passages)
        else:
            asking = Settings.of(retrieval_settings)
            with Retriever.open(lake, index, embeddings, asking, connect, secrets, project) as finder:
                asked = _ask(finder, rows, settings.passages)
        _write(draft, asked, {candidate.name: _answers(lake, candidate, asked, settings, draft) for candidate in candidates})

    config = {"passages": settings.passages, "max_new_tokens": settings.max_new_tokens}
    parents = [eval_questions, index, retrieval_settings, base, checkpoint]
    return lake.once("answers", code=CODE, config=config, parents=parents, write=write)


def _candidates(base: Version, checkpoint: Version, settings: Answers) -> list[Candidate]:
    model, trained = base.json("base_model"), checkpoint.json("checkpoint")
    if trained["base_weights_sha256"] != model["weights_sha256"]:
        raise EvaluationError(
            f"the checkpoint was trained on base weights {trained['base_weights_sha256'][:12]}, the base model has "
            f"{model['weights_sha256'][:12]}; train again on this base"
        )
    folder = Path(model["folder"])

    def kept(adapter: str | None) -> str:
        return digest({"code": CODE, "base": base.digest, "adapter": adapter, "max_new_tokens": settings.max_new_tokens})

    return [
        Candidate("base", folder, None, kept(None)),
        Candidate("fine_tuned", folder, checkpoint.file("adapter"), kept(trained["adapter_sha256"])),
    ]


def _ask(finder: Retrieves, rows: list[dict[str, str]], passages: int) -> list[Asked]:
    hits = finder.search([row["question"] for row in rows], max(RANKED, passages), EVERYTHING)
    asked = []
    for row, found in zip(rows, hits, strict=True):
        text = datasets.prompt([hit.context or hit.text for hit in found[:passages]], row["question"])
        chunk_ids, doc_ids = [hit.chunk_id for hit in found], [hit.doc_id for hit in found]
        asked.append(Asked(row["id"], chunk_ids, doc_ids, text, text_digest(text)))
    return asked


def _answers(lake: Lake, candidate: Candidate, asked: list[Asked], settings: Answers, draft: Draft) -> list[dict]:
    """One dict per question: answer, tokens, milliseconds. Only prompts without a stored answer reach the model."""
    store = lake.store("answers", candidate.identity, "prompt_digest")
    prompts = {each.prompt_digest: each.prompt for each in asked}
    missing = store.missing(prompts)
    if missing:
        generator = Generator.open(candidate.folder, candidate.adapter)
        for first in range(0, len(missing), SAVE_EVERY):
            part = missing[first : first + SAVE_EVERY]
            store.append(_generated(generator, part, [prompts[key] for key in part], settings.max_new_tokens))
    draft.facts[f"{candidate.name}_generated"] = len(missing)
    draft.facts[f"{candidate.name}_reused"] = len(prompts) - len(missing)
    found = {row["prompt_digest"]: row for row in store.take(prompts).to_pylist()}
    return [found[each.prompt_digest] for each in asked]


def _generated(generator: Generator, keys: list[str], prompts: list[str], max_new_tokens: int):
    import pyarrow as pa

    made = generator.generate(prompts, max_new_tokens)
    return pa.table(
        {
            "prompt_digest": pa.array(keys, pa.string()),
            "answer": pa.array([each.text for each in made], pa.string()),
            "tokens": pa.array([each.tokens for each in made], pa.int64()),
            "milliseconds": pa.array([each.milliseconds for each in made], pa.float64()),
        }
    )


def _write(draft: Draft, asked: list[Asked], said: dict[str, list[dict]]) -> None:
    import pyarrow as pa

    rows, timings = [], []
    for name, answers in said.items():
        for each, made in zip(asked, answers, strict=True):
            place = {"question_id": each.question_id, "candidate": name}
            found = {"passages": each.passages, "documents": each.documents, "prompt_digest": each.prompt_digest}
            rows.append({**place, "answer": made["answer"], **found})
            timings.append({**place, "milliseconds": made["milliseconds"], "tokens": made["tokens"]})
    key, names = [("question_id", pa.string()), ("candidate", pa.string())], pa.list_(pa.string())
    found = [("answer", pa.string()), ("passages", names), ("documents", names), ("prompt_digest", pa.string())]
    draft.table("answers", pa.Table.from_pylist(rows, pa.schema([*key, *found])))
    measured = [("milliseconds", pa.float64()), ("tokens", pa.int64())]
    draft.table("timings", pa.Table.from_pylist(timings, pa.schema([*key, *measured])), data=False)
    base, tuned = said["base"], said["fine_tuned"]
    draft.facts |= {
        "questions": len(asked),
        "questions_without_passages": sum(not each.passages for each in asked),
        "different_answers": sum(a["answer"] != b["answer"] for a, b in zip(base, tuned, strict=True)),
    }
