"""Follows one document through the versions that are still there; what comes of it is described in `document.py`."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from llmops_pipelines.config.gate import STAGES
from llmops_pipelines.lifecycle.lake import Lake, Version

from ..graph import Graph, Key, Records, noun_of
from .document import DocumentTrace, Passage, Points, Read, Row, Saw, State, Trained
from .names import named
from .passages import passages_of
from .tables import count_where, each, rows_where

if TYPE_CHECKING:
    from llmops_pipelines.lifecycle.release.history import History, Release

LEARNT = {  # tables that are learnt from, and the column that names documents or passages
    "training_examples": "doc_ids",
    "preference_pairs": "doc_ids",
    "written_pairs": "doc_id",
    "embedder_pairs": "chunk_id",
    "hard_negatives": "chunk_ids",
}
TRAINED = ("checkpoint", "compressed", "embedder")
LOOK = ("content_hash", "licence", "access", "consent", "trust")  # what makes another state
MORE = ("title", "source", "file", "language", "characters", "cluster")  # what is read of the first version in a state


def trace_document(lake: Lake, history: "History", release: "Release", wanted: str) -> DocumentTrace:
    """Follow a document, named by its id or a unique end of it. Raises `UnknownDocument` with what was probably meant."""
    found = Search(lake, history, release, wanted)
    found.doc_id = named(found.documents, release, wanted)
    return DocumentTrace(
        pipeline=lake.pipeline,
        doc_id=found.doc_id,
        release=release.epoch,
        states=found.states(),
        passages=found.passages(),
        points=found.points(),
        rows=found.rows(),
        trained=found.trained(),
        releases=found.saw(),
        questions=found.questions(),
        missing=found.missing(),
    )


class Search:
    """One document in one lake. Each table is read at most once, whatever number of releases have it."""

    def __init__(self, lake: Lake, history: "History", release: "Release", doc_id: str) -> None:
        self.lake, self.release, self.doc_id = lake, release, doc_id
        self.records = Records(lake)
        self.releases = history.records()
        self.live = {stage: live.epoch for stage in STAGES if (live := _live(self.releases, stage))}

    @cached_property
    def graph(self) -> Graph:
        return Graph.of(self.lake, self.release, self.records)

    @cached_property
    def epochs(self) -> dict[Key, list[int]]:
        """(asset, digest) -> the releases that have it as a part."""
        found: dict[Key, list[int]] = {}
        for each_release in self.releases:
            for role, part in each_release.parts.items():
                found.setdefault((each_release.asset(role), part["digest"]), []).append(each_release.epoch)
        return found

    def contents(self, noun: str) -> list[Version]:
        """One version of each content of an asset and its siblings, those of the oldest releases first."""
        assets = [asset for asset in self.records.assets if _is(noun, asset)]
        found = {version.digest: version for asset in assets for version in self.records.of(asset)}
        return sorted(found.values(), key=lambda version: (self._since(version), version.made.get("at", "")))

    def _since(self, version: Version) -> int:
        return min(self.epochs.get((version.asset, version.digest), [10**9]))

    def of(self, version: Version) -> list[int]:
        return self.epochs.get((version.asset, version.digest), [])

    def missing(self) -> list[str]:
        """What could not be looked at, in sentences."""
        gone = [f"{node.asset} {node.digest[:12]}: {node.reason}" for node in self.graph.gone]
        left = {version.digest for version in self.documents}
        lost = [one.epoch for one in self.releases if one.parts.get("documents", {}).get("digest", "") not in left]
        said = f"the documents of release {', '.join(map(str, lost))} are gone: whether it was among them is not known"
        return [*gone, said] if lost else gone

    @cached_property
    def documents(self) -> list[Version]:
        return self.contents("documents")

    @cached_property
    def looks(self) -> list[tuple[dict | None, dict | None]]:
        """In each version of documents its row, else its line in the ledger, else nothing."""
        return each(self._look, self.documents)

    def states(self) -> list[State]:
        """Equal states of consecutive versions are one."""
        found: list[State] = []
        opened: list[tuple[Version, dict | None]] = []  # the first version of each, and its line in the ledger
        for version, (row, line) in zip(self.documents, self.looks, strict=True):
            why = (line["outcome"], line["reason"], line["detail"]) if line else ("indexed" if row else "absent", "", "")
            state = State(*why, row or {}, "", [version.digest], self.of(version))
            if found and _alike(found[-1], state):
                found[-1].versions.extend(state.versions)
                found[-1].releases.extend(state.releases)
            else:
                found.append(state)
                opened.append((version, line))
        return [self._whole(state, *first) for state, first in zip(found, opened, strict=True)]

    def _look(self, version: Version) -> tuple[dict | None, dict | None]:
        row = rows_where(version, "doc_id", [self.doc_id], LOOK)
        if row:
            return row[0], None  # its ledger line can only say that it was indexed
        line = rows_where(version, "doc_id", [self.doc_id], ("outcome", "reason", "detail", "uri"), "ledger")
        return None, line[0] if line else None

    def _whole(self, state: State, documents: Version, line: Mapping[str, Any] | None) -> State:
        more = rows_where(documents, "doc_id", [self.doc_id], MORE) if state.said else []
        said = (more[0] if more else {}) | state.said
        file, source = said.get("file") or (line["uri"] if line else ""), said.get("source") or self.doc_id.split("/")[0]
        return replace(state, said=said, source_sha256=self._blob(documents, source, file) if file else "")

    def _blob(self, documents: Version, source: str, file: str) -> str:
        """sha256 of the file that this version of the documents was parsed from; empty when the records are gone."""
        for asset in (f"parsed_documents/{source}", f"raw_documents/{source}"):
            wanted = documents.parents.get(asset)
            documents = next(iter(self.records.having(asset, wanted)), None) if wanted else None
            if documents is None:
                return ""
        rows = rows_where(documents, "uri", [file], ("blob",))
        return rows[0]["blob"] if rows else ""

    @cached_property
    def chunks(self) -> dict[str, Version]:
        """By digest."""
        return {version.digest: version for version in self.contents("chunks")}

    @cached_property
    def counts(self) -> dict[str, int]:
        """Digest of a version of `chunks` -> how many are of the document."""
        versions = list(self.chunks.values())
        numbers = each(lambda version: count_where(version, "doc_id", self.doc_id), versions)
        return {version.digest: number for version, number in zip(versions, numbers, strict=True)}

    def passages(self) -> list[Passage]:
        chunks = self.chunks.get(self.release.parts.get("chunks", {}).get("digest", ""))
        return passages_of(self.lake, chunks, self.graph.role("index"), self.doc_id) if chunks else []

    def points(self) -> list[Points]:
        found = []
        for version in self.contents("index"):
            count = self.counts.get(version.parents.get("chunks", ""))
            facts = version.facts
            said = (facts.get("sequence"), facts.get("collection", ""), count)
            found.append(Points(version.digest, *said, self.of(version)))
        return [each_index for each_index in found if each_index.points != 0]

    @cached_property
    def learnt(self) -> dict[Key, list[dict]]:
        """(asset, digest) of a training table -> its rows with the document, those without one left out."""
        versions = [version for noun in LEARNT for version in self.contents(noun)]
        rows = each(self._learnt_rows, versions)
        return {(version.asset, version.digest): found for version, found in zip(versions, rows, strict=True) if found}

    def _learnt_rows(self, version: Version) -> list[dict]:
        """A row names its documents, or only the passages: then those of the document in any version of the chunks."""
        column = LEARNT[version.noun]
        wanted = self._names if column.startswith("chunk") else [self.doc_id]
        return rows_where(version, column, wanted, ("example_id", "pair_id", "question", "origin"))

    @cached_property
    def _names(self) -> set[str]:
        found = each(lambda version: rows_where(version, "doc_id", [self.doc_id], ("chunk_id",)), list(self.chunks.values()))
        return {row["chunk_id"] for rows in found for row in rows}

    def rows(self) -> list[Row]:
        """Rows that are the same in several versions are one."""
        found: dict[tuple[str, ...], Row] = {}
        for (asset, digest), rows in self.learnt.items():
            for row in rows:
                name = row.get("example_id") or row.get("pair_id") or ""
                self._add(
                    found, Row(asset, name, row.get("question") or "", row.get("origin") or "", "training", [], []), digest
                )
        for version, rows in self._asked():
            for row in rows:
                self._add(found, Row(version.asset, row["id"], row["question"], "", "evaluation", [], []), version.digest)
        return list(found.values())

    def _add(self, found: dict[tuple[str, ...], Row], row: Row, digest: str) -> None:
        known = found.setdefault((row.asset, row.id, row.question), row)
        known.versions.append(digest)
        known.releases.extend(self.epochs.get((row.asset, digest), []))

    def _asked(self) -> Iterable[tuple[Version, list[dict]]]:
        versions = self.contents("eval_questions")
        rows = each(lambda version: rows_where(version, "documents", [self.doc_id], ("id", "question")), versions)
        return zip(versions, rows, strict=True)

    @cached_property
    def tainted(self) -> dict[Key, Trained]:
        """Weights made from rows with the document, and weights made from such weights."""
        versions = [version for noun in TRAINED for version in self.contents(noun)]
        found: dict[Key, Trained] = {}
        while True:
            before = len(found)
            for version in versions:
                key = (version.asset, version.digest)
                through = [pair for pair in version.parents.items() if pair in self.learnt or pair in found]
                if through and key not in found:
                    rows = sum(len(self.learnt.get(pair, ())) for pair in through)
                    told = [f"{asset} {digest[:12]}" for asset, digest in through]
                    found[key] = Trained(*key, rows, told, self.of(version))
            if len(found) == before:
                return found

    def trained(self) -> list[Trained]:
        return list(self.tainted.values())

    def saw(self) -> list[Saw]:
        """Releases that serve it or were trained on it, oldest first. Points are None when the chunks of a release are gone."""
        found = []
        for one in self.releases:
            count = self.counts.get(one.parts.get("chunks", {}).get("digest", ""))
            points = count if "chunks" in one.parts else 0
            trained = any((one.asset(role), part["digest"]) in self.tainted for role, part in one.parts.items())
            if points or trained:
                live = [stage for stage, epoch in self.live.items() if epoch == one.epoch]
                when = one.promoted_at or one.prepared_at
                found.append(Saw(one.epoch, one.stage, one.phase, when, points, trained, live))
        return found

    def questions(self) -> list[Read]:
        """Evaluation questions of the release whose search found the document."""
        version = self.graph.role("answers")
        if version is None:
            return []
        passages = self.release.candidate.get("spec", {}).get("passages", 1)
        found = []
        for row in rows_where(version, "documents", [self.doc_id], ("question_id", "documents")):
            rank = row["documents"].index(self.doc_id) + 1
            found.append(Read(row["question_id"], rank, rank <= passages))
        return sorted(found, key=lambda each_question: (each_question.rank, each_question.question_id))


def _live(releases: "list[Release]", stage: str) -> "Release | None":
    return next((each for each in reversed(releases) if each.phase == "committed" and each.stage == stage), None)


def _is(noun: str, asset: str) -> bool:
    """Whether an asset is the noun, one of its partitions, or one named after it: `checkpoint_dpo`."""
    own = noun_of(asset)
    return own == noun or (noun in TRAINED[:1] and own.startswith(f"{noun}_"))


def _alike(one: State, other: State) -> bool:
    return (one.outcome, one.reason, one.detail, one.said) == (other.outcome, other.reason, other.detail, other.said)
