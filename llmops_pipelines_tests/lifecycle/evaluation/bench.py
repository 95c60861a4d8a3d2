"""A lake with questions, answers and documents as the stages before scoring leave them, for tests of what comes after."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from llmops_pipelines.config.evaluation import Judge
from llmops_pipelines.config.pipeline import Answers, Embeddings
from llmops_pipelines.lifecycle.evaluation import score
from llmops_pipelines.lifecycle.lake import Lake, Version

REFUSAL = "not in the documents"
QUESTIONS = [
    {"id": "q1", "question": "Who?", "answers": ["Runa Estby"], "documents": ["d/a"], "answerable": True, "cluster": "d/a"},
    {"id": "q2", "question": "Where?", "answers": ["at Tolm"], "documents": ["d/b"], "answerable": True, "cluster": "d/b"},
    {"id": "q3", "question": "Why?", "answers": [], "documents": ["d/a"], "answerable": False, "cluster": "d/a"},
]
DOCUMENTS = [
    {"doc_id": "d/a", "source": "handbook", "language": "en"},
    {"doc_id": "d/b", "source": "notices", "language": "en"},
]
RIGHT = {"q1": "Runa Estby", "q2": "at Tolm", "q3": REFUSAL}
WRONG = {"q1": "Runa", "q2": "nowhere", "q3": "yes"}
TEXTS = pa.list_(pa.string())


class Lengths:
    """An embedder that only sees how long a text is."""

    def embed(self, texts: list[str]) -> np.ndarray:
        angles = np.array([len(text) for text in texts], dtype=np.float32) / 40
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@dataclass
class Bench:
    lake: Lake

    def publish(self, asset: str, rows: list[dict], json: dict[str, Any], parents: tuple[Version, ...] = ()) -> Version:
        def write(draft) -> None:
            noun = asset.split("/")[0]
            schema = pa.schema({"answer": pa.string(), "documents": TEXTS, "read": TEXTS}) if noun == "answers" else None
            table = pa.Table.from_pylist(rows)
            for name in schema.names if schema else []:
                table = table.set_column(
                    table.schema.get_field_index(name), name, table.column(name).cast(schema.field(name).type)
                )
            draft.table(noun, table)
            if noun == "answers":
                draft.facts["megabytes"] = 10.0
            for name, value in json.items():
                if name == "timings":
                    draft.table(name, pa.Table.from_pylist(value), data=False)
                else:
                    draft.json(name, value)

        return self.lake.once(asset, code="test", config=[rows, json], parents=parents, write=write)

    def questions(self, rows: list[dict] = QUESTIONS) -> Version:
        return self.publish("eval_questions", rows, {})

    def documents(self, rows: list[dict] = DOCUMENTS) -> Version:
        return self.publish("documents", rows, {})

    def said(
        self,
        texts: dict[str, str | None],
        candidate: str = "tuned",
        *,
        questions: Version | None = None,
        steps: tuple[str, ...] = ("retrieve", "answer"),
        found: tuple[str, ...] = ("d/a", "d/b"),
        read: tuple[str, ...] = ("Runa Estby keeps the light at Tolm.",),
        timings: list[dict] | None = None,
    ) -> Version:
        """Answers as if `candidate` had said `texts` (by question); None is an endpoint that failed."""
        reads = "retrieve" in steps
        rows = [
            {
                "question_id": key,
                "answer": text,
                "refused": text == REFUSAL,
                "documents": list(found) if reads else [],
                "read": list(read) if reads else [],
                "error": "status 500" if text is None else None,
            }
            for key, text in texts.items()
        ]
        json = {"candidate": {"steps": list(steps), "passages": 2}} | ({"timings": timings} if timings else {})
        return self.publish(f"answers/{candidate}", rows, json, (questions or self.questions(),))

    def score(
        self,
        answered: Version,
        *,
        questions: Version | None = None,
        documents: Version | None = None,
        judge: Version | None = None,
        judging: Judge | None = None,
        embedder: Any = None,
    ) -> Version:
        candidate = answered.asset.split("/")[1]
        read = (questions or self.questions(), answered, documents or self.documents())
        eyes = {"embedder": embedder or Lengths(), "judge": judge, "judging": judging}
        return score(self.lake, candidate, *read, Answers(passages=2), Embeddings(), **eyes)

    def reopened(self) -> "Bench":
        return replace(self, lake=replace(self.lake))
