import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from llmops_pipelines.config.datasets import Questions
from llmops_pipelines.config.pipeline import Answers, Training
from llmops_pipelines.lifecycle import datasets
from llmops_pipelines.lifecycle.datasets import Material
from llmops_pipelines.lifecycle.lake import Lake, Version

from .corpus_of import HELD_OUT, chunks_of, documents_of, lake_in, uri_on

HERON = uri_on("train", "heron")
OSK = uri_on("train", "osk")
MOLE = uri_on("held_out", "mole")

TEXTS = {
    HERON: "# Grey Heron\n\nThe fuel tanks hold 46 cubic metres of marine gas oil. The permanent master is Runa Estby.\n\n"
    "The main lounge is called the Tide Room. There are two kettles in the galley.",
    OSK: "# Saint Osk\n\nThe artist Liss Morrow painted the panel in the saloon.\n\n"
    "New masters must complete twelve supervised berthings at Sandmouth. The rudder was replaced in 2016.",
    MOLE: "# Garrow Mole\n\nThe lamp uses 18 watts and it is cleaned on the first Monday of each month by the keeper who "
    "carries a linen cloth, a tin of spirit and a small brush up the iron ladder of the tower.",
}
ROWS = [
    {
        "id": "q1",
        "question": "How much oil do the tanks hold?",
        "answers": ["46 cubic metres"],
        "documents": [HERON],
        "answerable": True,
    },
    {
        "id": "q2",
        "question": "Who painted the panel?",
        "answers": ["Liss Morrow"],
        "documents": [f"docs/{OSK}"],
        "answerable": True,
    },
    {"id": "q3", "question": "What colour is the funnel?", "answers": [], "documents": [HERON], "answerable": False},
    {"id": "q4", "question": "How many watts does the lamp use?", "answers": ["18"], "documents": [MOLE], "answerable": True},
    {"id": "q5", "question": "Who was the first keeper?", "answers": [], "documents": [MOLE], "answerable": False},
]


@dataclass
class Shop:
    """A project with a lake; `texts` and `rows` may be changed before the stages are asked."""

    project: Path
    lake: Lake
    texts: dict[str, str]
    rows: list[dict]
    questions: Questions
    training: Training
    answers: Answers = Answers()
    clusters: dict[str, str] | None = None
    terms: dict[str, dict[str, str]] | None = None
    material: Material = Material()

    def write_questions(self, name: str = "a.jsonl") -> None:
        (self.project / "questions" / name).write_text("".join(json.dumps(row) + "\n" for row in self.rows))

    @property
    def documents(self) -> Version:
        return documents_of(self.lake, self.texts, self.clusters, self.terms)

    def eval_questions(self) -> Version:
        return datasets.eval_questions(self.lake, self.documents, self.questions, self.project)

    @property
    def chunks(self) -> Version:
        return chunks_of(self.lake, self.documents, self.texts)

    def training_examples(self) -> Version:
        settings = self.questions, self.training, self.answers, self.project, self.material
        return datasets.training_examples(self.lake, self.documents, self.chunks, *settings)

    def preference_pairs(self) -> Version:
        settings = self.questions, self.training, self.answers, self.project, self.material
        return datasets.preference_pairs(self.lake, self.documents, self.chunks, *settings)


def questions_in(project: Path, path: str = "questions", held_out: float = HELD_OUT) -> Questions:
    return Questions.model_validate({"path": path, "held_out": held_out}, context={"project": project})


def training_in(project: Path, pairs: int = 12) -> Training:
    return Training.model_validate({"recipe": ".", "pairs_per_document": pairs}, context={"project": project})


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    (tmp_path / "questions").mkdir()
    rows = [dict(row) for row in ROWS]
    shop = Shop(tmp_path, lake_in(tmp_path), dict(TEXTS), rows, questions_in(tmp_path), training_in(tmp_path))
    shop.write_questions()
    return shop
