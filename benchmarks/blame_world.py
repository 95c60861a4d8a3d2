"""A product that blame is tried on, how its files are edited and its real graph is run. Which two there are is in
`blame_products.py`, what is broken in them in `blame_cases.py`.

A world lives in one folder, project and home together, since a home remembers addresses; a copy of the folder is put back in
its place before every case.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from llmops_pipelines.lifecycle.lake import Lake, Version

if TYPE_CHECKING:
    from blame_products import Data

HELD_OUT = 0.8  # share of the documents whose questions are never learnt from
READABLE = 0.5  # token F1 of a question that counts as answered well


@dataclass(frozen=True)
class World:
    """A project and its home below one folder. `name` is that of its only pipeline."""

    name: str
    folder: Path
    data: "Data"

    @property
    def models(self) -> Path:
        """Where models are kept that cases need, outside of what is copied."""
        return self.folder.parents[1] / "models"

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def file(self) -> Path:
        return self.project / "configs" / "pipelines" / f"{self.name}.yaml"

    @property
    def documents(self) -> Path:
        return self.project / ("documents" if self.name == "articles" else "configs/quickstart/documents")

    @property
    def questions(self) -> Path:
        return self.project / "configs" / self.name / "questions.jsonl"

    @property
    def lake(self) -> Lake:
        return Lake(self.home / "lake", self.name)

    def words(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Edit the pipeline's YAML."""
        self._edit(self.file, change)

    def recipe(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Edit the recipe."""
        self._edit(self.project / "configs" / "recipes" / "short.yaml", change)

    def ask(self, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
        """Replace the questions."""
        write_lines(self.questions, change(read_lines(self.questions)))

    @staticmethod
    def _edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
        said = yaml.safe_load(file.read_text("utf-8"))
        change(said)
        file.write_text(yaml.safe_dump(said, sort_keys=False), "utf-8")

    def asked(self) -> list[dict[str, Any]]:
        """The lines of the question file."""
        return read_lines(self.questions)

    def held_out(self) -> list[dict[str, Any]]:
        """The questions of the last evaluation: id, question, answers, documents."""
        version = self.lake.current("eval_questions")
        assert version is not None, "run the graph first"
        return version.table().to_pylist()

    def right(self) -> set[str]:
        """The evaluation questions that the good product answers well: a fault that takes others away changes nothing."""
        name = yaml.safe_load(self.file.read_text("utf-8"))["gate"]["candidate"]
        version = self.lake.current(f"eval_scores/{name}")
        assert version is not None, "run the graph first"
        rows = version.table().to_pylist()
        return {row["question_id"] for row in rows if row["metric"] == "token_f1" and (row["score"] or 0.0) >= READABLE}

    def run(self) -> Version:
        """Documents to release through the real graph, as `llmops run` does. Returns the gate's decision."""
        from rich.console import Console

        from llmops_pipelines.definitions import product
        from llmops_pipelines.running import run_jobs

        os.environ["LLMOPS_HOME"] = str(self.home)
        with (self.folder / "run.log").open("a") as log:
            made = run_jobs(product(self.name, self.file, self.project), ["reindex", "retrain"], Console(file=log, width=200))
        if not made:
            tail = (self.folder / "run.log").read_text("utf-8").splitlines()[-25:]
            raise SystemExit("\n".join(["the graph failed; the end of its log:", *tail]))
        decision = self.lake.current("release")
        assert decision is not None, "a run that succeeds decides"
        return decision


def read_lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def write_lines(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def by_hash(texts: Sequence[str]) -> list[str]:
    """In an order that says nothing, the same on every machine."""
    return sorted(texts, key=lambda text: hashlib.sha256(text.encode()).hexdigest())
