"""Products small enough to be rebuilt in a moment: real chunks, vectors, indexes and answers of a candidate without a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from llmops_pipelines.config.candidates import Search
from llmops_pipelines.config.pipeline import Chunks, Embeddings, Index
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.datasets.prompts import Prompt
from llmops_pipelines.lifecycle.evaluation.answers import answer_as
from llmops_pipelines.lifecycle.evaluation.candidates import Parts, Spec
from llmops_pipelines.lifecycle.evaluation.rows import rows_of
from llmops_pipelines.lifecycle.evaluation.text_metrics import best, token_f1
from llmops_pipelines.lifecycle.index.search.fusion import Fusion
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.release.candidate import Candidate

from ...index.conftest import publish_documents
from ...release.world import spec

ISLES = ("Askay", "Brune", "Corra", "Dunmore", "Eilan", "Fara", "Garrow", "Hestay", "Innis", "Jura", "Kerran", "Lunna")
KEEPERS = ("Ada Holm", "Ben Ross", "Cara Voe", "Dan Muir", "Eve Tarn", "Finn Leask", "Gail Orr", "Hugh Skea", "Isla Bain")
KEEPERS += ("Jon Flett", "Kay Rendall", "Liv Sinclair")


def texts() -> dict[str, str]:
    """A document per isle: who keeps its light, and what its ferry costs."""
    return {
        f"isles/{isle.lower()}.md": f"# {isle}\n\nThe lighthouse of {isle} is kept by {keeper}.\n\n"
        f"## Ferry\n\nThe ferry to {isle} costs {number + 11} crowns. Dogs travel free on the open deck."
        for number, (isle, keeper) in enumerate(zip(ISLES, KEEPERS, strict=True))
    }


def questions() -> list[dict[str, Any]]:
    """Two per isle."""
    rows = []
    for number, (isle, keeper) in enumerate(zip(ISLES, KEEPERS, strict=True)):
        said = {"documents": [f"isles/{isle.lower()}.md"], "answerable": True}
        rows.append({"id": f"who-{isle}", "question": f"Who keeps the lighthouse of {isle}?", "answers": [keeper], **said})
        price = f"{number + 11} crowns"
        rows.append({"id": f"price-{isle}", "question": f"How much does the ferry to {isle} cost?", "answers": [price], **said})
    return rows


class Toy:
    """An embedder by words, so that no model is loaded."""

    def __init__(self, settings: Embeddings) -> None:
        self.settings = settings

    dimension, name = 16, "toy"

    @property
    def fingerprint(self) -> str:
        return (self.settings.sha256[:8] * 8)[:64]

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        seed = int(self.settings.sha256[:6], 16)
        rows = np.full((len(texts), self.dimension), 1e-3, np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                rows[row] += np.random.default_rng([seed, *word.strip(".?#").encode()]).normal(size=self.dimension)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@dataclass(frozen=True)
class Product:
    """What a product is made of, in words; `made` makes it."""

    texts: Mapping[str, str] = field(default_factory=texts)
    questions: Sequence[dict[str, Any]] = field(default_factory=questions)
    tokens: int = 48
    passages: int = 1
    method: str = "bm25"
    sha256: str = Embeddings.model_fields["sha256"].default
    prompt: Prompt | None = None

    def but(self, **said: Any) -> "Product":
        return replace(self, **said)

    def edited(self, **texts: str | None) -> "Product":
        """With other texts by isle; None deletes."""
        names = {f"isles/{isle.lower()}.md": text for isle, text in texts.items()}
        return self.but(texts={name: text for name, text in {**self.texts, **names}.items() if text is not None})

    def made(self, lake: Lake) -> Candidate:
        words, kept = Embeddings(sha256=self.sha256), Index()
        documents = publish_documents(lake, dict(self.texts))
        chunks = index.cut(lake, documents, Chunks(tokens=self.tokens), words)
        vectors = index.embed(lake, chunks, words)
        built = index.build(lake, chunks, vectors, kept, None, lake.pipeline)
        asking = self._asking(lake, built)
        asked = self._eval_questions(lake, documents)
        how = self._spec()
        answers = answer_as(lake, how, asked, Parts(built, asking), words, timed=False)
        scores = _scores(lake, asked, answers, how)
        parts = {"documents": documents, "chunks": chunks, "index": built, "retrieval_settings": asking}
        parts |= {"eval_questions": asked, "answers": answers, "eval_scores": scores}
        return Candidate(how, parts, {"embeddings": words.model_dump(mode="json"), "index": kept.model_dump(mode="json")})

    def _spec(self) -> Spec:
        search = Search(method=self.method) if self.method != "tuned" else None
        return spec("extractive", model="none", prompt=None, passages=self.passages, search=search)

    def _asking(self, lake: Lake, built: Version) -> Version:
        said = index.Settings(Fusion("bm25", 0.0)).described()
        write = lambda draft: draft.json("retrieval_settings", said)  # noqa: E731
        config = {"retrieval": {"method": "bm25"}}
        return lake.once("retrieval_settings", code="1", config=config, parents=[built], write=write)

    def _eval_questions(self, lake: Lake, documents: Version) -> Version:
        there = [row for row in self.questions if set(row["documents"]) & set(self.texts)]
        gone = [{"id": row["id"], "reason": "document_not_in_corpus"} for row in self.questions if row not in there]

        def write(draft) -> None:
            text = pa.string()
            kinds = {"id": text, "question": text, "answers": pa.list_(text), "documents": pa.list_(text)}
            draft.table("eval_questions", pa.Table.from_pylist(there, pa.schema({**kinds, "answerable": pa.bool_()})))
            draft.table("dropped", pa.Table.from_pylist(gone, pa.schema({"id": text, "reason": text})), data=False)

        config = {"rows": self.questions, "held_out": 1.0}
        return lake.once("eval_questions", code="1", config=config, parents=[documents], write=write)


def _scores(lake: Lake, asked: Version, answers: Version, how: Spec) -> Version:
    """eval_scores with the one metric that the tests are about."""
    rows = rows_of(asked, answers, how.refusal)
    found = [
        {"question_id": row.id, "metric": "token_f1", "score": best(token_f1, row.answer or "", row.references)} for row in rows
    ]

    def write(draft) -> None:
        draft.table("eval_scores", pa.Table.from_pylist(found))
        draft.json("measures", {"token_f1": "text"})
        draft.json("summary", {"token_f1": {"mean": sum(row["score"] for row in found) / len(found)}})
        draft.json("asked", {row.id: row.asked for row in rows})
        draft.table("members", pa.table({name: pa.array([], pa.string()) for name in ("question_id", "slice", "value")}))

    return lake.once("eval_scores/extractive", code="1", config={}, parents=[asked, answers], write=write)
