"""Answering with a release: the exact index version, model, prompt settings and embedder that it pins, and nothing newer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_pipelines.config.pipeline import Answers, Embeddings, Index
from llmops_pipelines.lifecycle import datasets, evaluation, index
from llmops_pipelines.lifecycle.index import NO_GROUP, Hit, Where
from llmops_pipelines.lifecycle.lake import DamagedVersion, Lake, Version
from llmops_pipelines.lifecycle.lake.digests import file_digest

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
    """One release, ready to search and to answer. `connector` opens the vector store that the release names."""

    lake: Lake
    release: Release
    connector: "Callable[[Index], Callable[[], QdrantClient] | None]"
    secrets: "Callable[[str], str | None]"
    project: Path

    def search(self, question: str, passages: int, where: Where = NO_GROUP) -> list[Hit]:
        """The `passages` best hits of this release's index among what `where` shows; without it, what everybody may see."""
        connect = self.connector(Index(**self.release.settings["index"]))
        embeddings = Embeddings.model_construct(**self.release.settings["embeddings"])
        asking = index.Settings.of(self.part("retrieval_settings"))
        parts = (self.lake, self.part("index"), embeddings, asking)
        with index.Retriever.open(*parts, connect, self.secrets, self.project) as opened:
            return opened.search([question], passages, where)[0]

    def ask(self, question: str, where: Where = NO_GROUP) -> Reply:
        """The champion's answer from the passages that its settings and `where` allow."""
        settings = Answers(**self.release.settings["answers"])
        hits = self.search(question, settings.passages, where)
        model = evaluation.Generator.open(self._base(), self.part("checkpoint").file("adapter"))
        prompt = datasets.prompt([hit.context or hit.text for hit in hits], question)
        return Reply(model.answer([prompt], settings.max_new_tokens)[0], hits)

    def part(self, asset: str) -> Version:
        """The version of `asset` that the release pins. Raises `DamagedVersion` if it is gone."""
        pinned, name = self.release.parts[asset], self.release.pipeline
        try:
            return self.lake.read(asset, pinned["fingerprint"])
        except DamagedVersion as error:
            raise DamagedVersion(
                f"release {self.release.epoch} of {name} needs {asset} {pinned['digest'][:12]}, which is damaged or gone "
                f"({error}); restore it from a backup, or release anew with: llmops run {name}"
            ) from error

    def _base(self) -> Path:
        """The folder of the base model, its files compared with what the release was evaluated on."""
        known = self.part("base_model").json("base_model")
        folder = Path(known["folder"])
        for name, expected in known["files"].items():
            if not (folder / name).is_file() or file_digest(folder / name) != expected:
                raise DamagedVersion(
                    f"{folder / name} is not the file that release {self.release.epoch} was evaluated with; "
                    f"restore it, or release anew with: llmops run {self.release.pipeline}"
                )
        return folder
