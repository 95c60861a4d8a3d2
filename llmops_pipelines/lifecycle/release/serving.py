"""Answering with a release: the exact index version, model, prompt and settings that it pins, and nothing newer.

How a question becomes an answer is the evaluation's `Chain`: users get what was measured.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_pipelines.config.pipeline import Answers, Embeddings, Index
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.corpus.forgotten import Forgotten
from llmops_pipelines.lifecycle.datasets.prompts import PRODUCT
from llmops_pipelines.lifecycle.evaluation.candidates import EvaluationError, Parts, Spec
from llmops_pipelines.lifecycle.evaluation.chain import Chain
from llmops_pipelines.lifecycle.evaluation.steps import Retrieves
from llmops_pipelines.lifecycle.index import NO_GROUP, Hit, Where
from llmops_pipelines.lifecycle.lake import DamagedVersion, Lake, Version
from llmops_pipelines.lifecycle.lake.digests import file_digest

from .history import Release
from .moves import part_of

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


@dataclass(frozen=True)
class Reply:
    """An answer and the passages that were read for it, best first."""

    answer: str
    passages: list[Hit]


@dataclass(frozen=True)
class Discreet:
    """A retriever that leaves out documents which were hidden or erased, and asks for more in their place."""

    retriever: Retrieves
    forgotten: Forgotten

    def search(self, questions: Sequence[str], k: int, where: Where) -> list[list[Hit]]:
        wanted = k
        while True:
            found = self.retriever.search(questions, wanted, where)
            shown = [[hit for hit in row if not self.forgotten.leaves_out(hit.doc_id)] for row in found]
            if all(len(kept) >= k or len(row) < wanted for kept, row in zip(shown, found, strict=True)):
                return [row[:k] for row in shown]
            wanted *= 2


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
        asking = index.Settings.of(self.part("retrieval_settings"))
        parts = (self.lake, self.part("index"), self._embeddings, asking)
        with index.Retriever.open(*parts, self._connect, self.secrets, self.project) as opened:
            return self._discreet(opened).search([question], passages, where)[0]

    def ask(self, question: str, where: Where = NO_GROUP) -> Reply:
        """The champion's answer from the passages that its settings and `where` allow."""
        spec = self._spec()
        doors = (self._embeddings, self._connect, self.secrets, self.project)
        with Chain.open(self.lake, spec, self._parts(), *doors) as chain:
            finder = chain.tools.finder and self._discreet(chain.tools.finder)
            (asked,) = replace(chain, tools=replace(chain.tools, finder=finder)).ask([question], where)
        if asked.error is not None:
            raise EvaluationError(
                f"release {self.release.epoch} of {self.release.pipeline} could not answer ({asked.error}); ask again, or look "
                f"for passages with: llmops search {self.release.pipeline}"
            )
        return Reply(asked.answer or "", (asked.hits or [])[: spec.passages])

    def part(self, role: str) -> Version:
        """The version that the release pins in a role. Raises `DamagedVersion` if it is gone."""
        return part_of(self.lake, self.release, role)

    def _discreet(self, retriever: Retrieves) -> Discreet:
        return Discreet(retriever, Forgotten.of(self.lake))

    @property
    def _embeddings(self) -> Embeddings:
        return Embeddings.model_construct(**self.release.settings["embeddings"])

    @property
    def _connect(self) -> "Callable[[], QdrantClient] | None":
        return self.connector(Index(**self.release.settings["index"]))

    def _spec(self) -> Spec:
        if self.release.candidate:
            return Spec.read(self.release.candidate["spec"])
        words = Answers(**self.release.settings["answers"])  # a record of the time when all releases answered in one way
        reranks = index.Settings.of(self.part("retrieval_settings")).reranker is not None
        return Spec(
            name="fine_tuned_retrieval",
            model="tuned",
            compression="none",
            steps=("retrieve", "rerank", "answer") if reranks else ("retrieve", "answer"),
            passages=words.passages,
            max_new_tokens=words.max_new_tokens,
            refusal=words.refusal,
            prompt=PRODUCT,
            rewrite=None,
            verify=None,
            search=None,
            endpoint=None,
        )

    def _parts(self) -> Parts:
        roles = {"index": "index", "retrieval_settings": "retrieval_settings", "base": "base_model"}
        roles |= {"checkpoint": "checkpoint", "compressed": "compressed"}
        found = {name: self.part(role) for name, role in roles.items() if role in self.release.parts}
        if base := found.get("base"):
            self._untouched(base)
        return Parts(**found)

    def _untouched(self, base: Version) -> None:
        """Compares the files of the base model, which lie outside the lake, with what the release was evaluated on."""
        known = base.json("base_model")
        folder = Path(known["folder"])
        for name, expected in known["files"].items():
            if not (folder / name).is_file() or file_digest(folder / name) != expected:
                raise DamagedVersion(
                    f"{folder / name} is not the file that release {self.release.epoch} was evaluated with; "
                    f"restore it, or release anew with: llmops run {self.release.pipeline}"
                )
