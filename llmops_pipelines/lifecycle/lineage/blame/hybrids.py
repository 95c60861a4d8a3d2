"""Products that never were: some parts of the bad one, the rest of the good one, built and asked by the stages themselves.

What lies in the lake already (texts, chunks, vectors, answers of models) is used again; nothing is trained. Hybrids are
versions of a lake aside, so that the same question costs nothing the second time, and a clean-up may take them.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_pipelines.config.candidates import ORDER as STEPS
from llmops_pipelines.config.evaluation import Judge
from llmops_pipelines.config.pipeline import Chunks, Embeddings, Index
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.compute import HERE, Compute
from llmops_pipelines.lifecycle.datasets import Remembering
from llmops_pipelines.lifecycle.evaluation.answers import answer_as
from llmops_pipelines.lifecycle.evaluation.candidates import Parts, Spec
from llmops_pipelines.lifecycle.evaluation.models import Speaks, identity_of, model_of
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lake.digests import text_digest

from .bundles import Bundle
from .parts import ANSWERING, BASE, CHUNKER, DOCUMENTS, EMBEDDER, PROMPT, RETRIEVER, SEARCH_STEPS, TRAINING
from .scoring import Given, given

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

ASIDE = "blame"
INDEXED = (DOCUMENTS, CHUNKER, EMBEDDER)


@dataclass(frozen=True)
class Doors:
    """What lies outside the lake: `connector` opens the vector store that settings name, `secrets` gives the value of a key,
    `judging` are the words of the judge as the pipeline has them now, `project` is where paths of settings begin."""

    connector: "Callable[[Index], Callable[[], QdrantClient] | None]" = lambda settings: None
    secrets: Callable[[str], str | None] | None = None
    project: Path = Path()
    compute: Compute = HERE
    judging: Judge | None = None


@dataclass
class Finder:
    """The retriever of one mix, opened when something is sought. Questions are embedded once for all mixes."""

    lake: Lake
    spec: Spec
    parts: Parts
    words: Embeddings
    connect: "Callable[[], QdrantClient] | None"
    secrets: Callable[[str], str | None] | None
    project: Path
    opened: index.Retriever | None = None

    def search(self, questions: Sequence[str], k: int, where: index.Where) -> list[list[index.Hit]]:
        if self.opened is None:
            asking = self.spec.searching(index.Settings.of(self.parts.retrieval_settings))
            doors = (self.connect, self.secrets, self.project)
            found = index.Retriever.open(self.lake, self.parts.index, self.words, asking, *doors)
            self.opened = replace(found, embedder=Remembering(self.lake, found.embedder))
        return self.opened.search(questions, k, where)

    def close(self) -> None:
        if self.opened is not None:
            self.opened.close()


@dataclass
class Hybrids:
    """Answers of any mix of two bundles. A mix is the set of parts that stand as in the bad one."""

    good: Bundle
    bad: Bundle
    doors: Doors
    differ: frozenset[str]
    """The parts in which the two differ."""
    made: int = 0
    reused: int = 0
    _models: dict[str, Speaks | None] = field(default_factory=dict, repr=False)

    @cached_property
    def trials(self) -> Lake:
        return self.good.lake.aside(ASIDE)

    def side(self, part: str, mix: Collection[str]) -> Bundle:
        return self.bad if part in mix else self.good

    def spec(self, mix: Collection[str]) -> Spec:
        """What the mix does with a question."""
        searching, wording, saying = (self.side(part, mix).spec for part in (RETRIEVER, PROMPT, ANSWERING))
        steps = {step for step in searching.steps if step in SEARCH_STEPS}
        steps |= {step for step in wording.steps if step not in SEARCH_STEPS}
        return replace(
            saying,
            name="hybrid",
            steps=tuple(step for step in STEPS if step in steps),
            passages=searching.passages,
            search=searching.search,
            prompt=wording.prompt,
            rewrite=wording.rewrite,
            verify=wording.verify,
        )

    def recorded(self, mix: Collection[str]) -> list[Bundle]:
        """The bundles that the mix is the same as: their answers are on record."""
        found = [self.good] if not self.differ & set(mix) else []
        return [*found, *([self.bad] if self.differ <= set(mix) else [])]

    def answers(self, mix: frozenset[str], texts: Sequence[str], documents: Version | None = None) -> dict[str, Given]:
        """What the mix says, by question; with `documents` over these instead of a side's. Recorded answers are not asked
        again."""
        known: dict[str, Given] = {}
        for bundle in self.recorded(mix) if documents is None else ():
            asked = bundle.part("eval_questions").table(columns=["id", "question"]).to_pylist()
            said = given(bundle.part("answers"), {row["id"]: row["question"] for row in asked})
            known |= {text: each for text, each in said.items() if each.answer is not None}
        if missing := [text for text in texts if text not in known]:
            known |= self._asked(mix, missing, documents)
        return {text: known[text] for text in texts if text in known}

    def _asked(self, mix: frozenset[str], texts: Sequence[str], documents: Version | None) -> dict[str, Given]:
        spec, parts, asked = self.spec(mix), self._parts(mix, documents), self._questions(texts)
        words, doors = self.side(EMBEDDER, mix).embeddings, self.doors
        connect = doors.connector(self.side(RETRIEVER, mix).index_settings)
        places = (words, connect, doors.secrets, doors.project)
        with closing(Finder(self.trials, spec, parts, *places)) as finder:
            model = self._model(spec, parts)
            version = answer_as(self.trials, spec, asked, parts, *places, finder, model, timed=False)
        self.made, self.reused = self.made + (not version.reused), self.reused + version.reused
        return given(version, {row["id"]: row["question"] for row in asked.table().to_pylist()})

    def _questions(self, texts: Sequence[str]) -> Version:
        rows = {text_digest(text)[:32]: text for text in sorted(texts)}

        def write(draft) -> None:
            import pyarrow as pa

            columns = [pa.array(list(each), pa.string()) for each in (rows, rows.values())]
            draft.table("eval_questions", pa.table(columns, names=["id", "question"]))

        return self.trials.once("eval_questions", code="texts/1", config=rows, parents=[], write=write)

    def _model(self, spec: Spec, parts: Parts) -> Speaks | None:
        """Loaded once, whatever it is asked about."""
        if spec.model == "none":
            return None
        identity = identity_of(spec, parts)
        if identity not in self._models:
            self._models[identity] = model_of(spec, parts, self.doors.secrets)
        return self._models[identity]

    def _parts(self, mix: frozenset[str], documents: Version | None) -> Parts:
        spec = self.spec(mix)
        made = self.bad if {TRAINING, BASE} & mix or self._compressed_otherwise(mix) else self.good
        return Parts(
            index=self.index(mix, documents) if spec.retrieves else None,
            retrieval_settings=self.side(RETRIEVER, mix).part("retrieval_settings") if spec.retrieves else None,
            base=self.side(BASE, mix).optional("base_model"),
            checkpoint=self.side(TRAINING, mix).optional("checkpoint"),
            compressed=made.optional("compressed") if spec.compression != "none" else None,
        )

    def _compressed_otherwise(self, mix: frozenset[str]) -> bool:
        return ANSWERING in mix and self.good.spec.compression != self.bad.spec.compression

    def index(self, mix: frozenset[str], documents: Version | None = None) -> Version:
        """One of the two indexes where the mix has it, else one that is built now."""
        kept = RETRIEVER if self.good.index_settings != self.bad.index_settings else DOCUMENTS  # where vectors are kept
        deciding = self.differ & {*INDEXED, kept}
        if documents is None and not deciding & mix:
            return self.good.part("index")
        if documents is None and deciding <= mix:
            return self.bad.part("index")
        settings, words = self._chunks(mix), self.side(EMBEDDER, mix).embeddings
        read = documents or self.side(DOCUMENTS, mix).part("documents")
        return self._built(read, settings, words, self.side(RETRIEVER, mix).index_settings)

    def _chunks(self, mix: frozenset[str]) -> Chunks:
        said: Mapping[str, object] = self.side(CHUNKER, mix).chunker
        return Chunks.model_validate({key: value for key, value in said.items() if key != "fingerprint"})

    def _built(self, documents: Version, settings: Chunks, words: Embeddings, kept: Index) -> Version:
        trials, doors = self.trials, self.doors
        chunks = index.cut(trials, documents, settings, words, doors.compute)
        vectors = index.embed(trials, chunks, words, doors.compute, doors.secrets)
        version = index.build(trials, chunks, vectors, kept, doors.connector(kept), trials.pipeline)
        trials.point(version)  # the next one is built from its difference to this one
        return version
