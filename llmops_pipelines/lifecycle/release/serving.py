"""Answering with a release: the exact index version, model, prompt and settings that it pins, and nothing newer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_pipelines.config.pipeline import Answers, Embeddings
from llmops_pipelines.lifecycle import datasets, evaluation, index
from llmops_pipelines.lifecycle.index import Hit
from llmops_pipelines.lifecycle.lake import DamagedVersion, Lake, Version

from .history import Release

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


@dataclass(frozen=True)
class Reply:
    """An answer and the passages that the model read for it, best first."""

    answer: str
    passages: list[Hit]


@dataclass(frozen=True)
class Served:
    """One release, ready to search and to answer."""

    lake: Lake
    release: Release
    embeddings: Embeddings
    connect: "Callable[[], QdrantClient] | None" = None

    def search(self, question: str, passages: int) -> list[Hit]:
        """The `passages` best hits of this release's index."""
        opened = index.Retriever.open(self.lake, self.part("index"), self.part("chunks"), self.embeddings, self.connect)
        return opened.search([question], passages)[0]

    def ask(self, question: str) -> Reply:
        """The champion's answer from the passages that its settings allow."""
        settings = Answers(**self.release.settings["answers"])
        hits = self.search(question, settings.passages)
        folder = Path(self.part("base_model").json("base_model")["folder"])
        model = evaluation.Generator.open(folder, self.part("checkpoint").file("adapter"))
        prompt = datasets.prompt([hit.text for hit in hits], question)
        return Reply(model.answer([prompt], settings.max_new_tokens)[0], hits)

    def part(self, asset: str) -> Version:
        """The version of `asset` that the release pins. Raises `DamagedVersion` if it is gone."""
        pinned, name = self.release.parts[asset], self.release.pipeline
        version = self.lake.find(asset, pinned["fingerprint"])
        if version is None:
            raise DamagedVersion(
                f"release {self.release.epoch} of {name} needs {asset} {pinned['digest'][:12]}, which is damaged or gone; "
                f"`llmops run {name}` builds it again"
            )
        return version
