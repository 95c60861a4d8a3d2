"""A product of a few documents with its releases: real versions, made from each other, with the tables that stages write."""

import hashlib
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from llmops_pipelines.lifecycle.corpus.ledger import Entry
from llmops_pipelines.lifecycle.corpus.ledger import table as ledger
from llmops_pipelines.lifecycle.corpus.parsing import schema
from llmops_pipelines.lifecycle.evaluation.models import Request
from llmops_pipelines.lifecycle.index.engines.holdings import Holdings, packed_digests, packed_ids
from llmops_pipelines.lifecycle.index.passages import chunk_id
from llmops_pipelines.lifecycle.lake import Lake, Version, digest
from llmops_pipelines.lifecycle.lake.digests import text_digest
from llmops_pipelines.lifecycle.release.candidate import Candidate
from llmops_pipelines.lifecycle.release.history import History, Release

from ..release.world import SETTINGS, spec

CHUNKER = "c" * 64
SOURCE = "handbook"
HARBOUR = "The harbour opens at six.\n\nThe harbour master is Runa Estby."
FERRY = "The ferry sails at noon.\n\nIt carries forty cars."
TEXTS = {"harbour.md": HARBOUR, "ferry.md": FERRY}
SCORED = {"mean": 0.9, "low": 0.8, "high": 1.0, "n": 1, "coverage": 1.0}
NAMES = pa.list_(pa.string())


def doc_id(file: str) -> str:
    return f"{SOURCE}/{file}"


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Product:
    """What is made is kept under its asset's name in `made`, so that each step finds its parents."""

    lake: Lake
    history: History
    made: dict[str, Version] = field(default_factory=dict)

    @classmethod
    def at(cls, home: Path, name: str = "isles") -> "Product":
        return cls(Lake(home / "lake", name, run="run-1"), History(home / "releases" / name))

    def copied(self, home: Path) -> "Product":
        """The same product in another folder, to be changed there."""
        shutil.copytree(self.lake.root.parent, home)
        copy = Product.at(home, self.lake.pipeline)
        for asset, version in self.made.items():
            copy.made[asset] = replace(version, path=home / version.path.relative_to(self.lake.root.parent))
        return copy

    def step(self, asset: str, parents: tuple[str, ...] = (), config: Any = None, write=lambda draft: None) -> Version:
        read = [self.made[name] for name in parents]
        self.made[asset] = self.lake.once(asset, code=f"{asset} 1", config=config, parents=read, write=write)
        return self.made[asset]

    def corpus(self, texts: dict[str, str] = TEXTS, dropped: dict[str, tuple[str, str, str]] | None = None) -> None:
        """From files to an index. `dropped` are files that were left out: outcome, reason, detail."""
        left_out, wanted = dropped or {}, {file: texts[file] for file in sorted(texts)}
        self._keep(wanted.values())
        raw, parsed = f"raw_documents/{SOURCE}", f"parsed_documents/{SOURCE}"
        files = sorted([*wanted, *left_out])
        found = [
            {"uri": file, "suffix": ".md", "size": 1, "blob": sha(f"bytes of {wanted.get(file)}")}
            | {"rows": False, "deleted": False}
            for file in files
        ]
        facts = {"files": len(files), "bytes": 100, "snapshot": digest(files)}
        self.step(raw, config=found, write=lambda draft: self._fill(draft, raw, pa.Table.from_pylist(found), facts))
        rows = [_document(file, text) for file, text in wanted.items()]
        table = pa.Table.from_pylist(rows, schema())
        self.step(parsed, (raw,), write=lambda draft: draft.table("parsed_documents", table))
        gathered = pa.Table.from_pylist([row | {"cluster": row["doc_id"]} for row in rows], schema("cluster"))
        entries = [Entry(SOURCE, row["doc_id"], row["file"], "indexed") for row in rows]
        entries += [Entry(SOURCE, doc_id(file), file, *why) for file, why in left_out.items()]

        def gather(draft) -> None:
            draft.table("documents", gathered)
            draft.table("ledger", ledger(entries))
            draft.facts["indexed"] = len(rows)

        self.step("documents", (parsed,), write=gather)
        self._index([chunk for row, text in zip(rows, wanted.values(), strict=True) for chunk in _chunks(row, text)])

    def _keep(self, texts) -> None:
        known = {text_digest(text): text for text in texts}
        store = self.lake.store("texts", "v1", "content_hash")
        new = store.missing(known)
        columns = {"content_hash": new, "text": [known[key] for key in new]}
        store.append(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}))

    def _fill(self, draft, asset: str, table: pa.Table, facts: dict[str, Any]) -> None:
        draft.table(asset.split("/")[0], table)
        draft.facts |= facts

    def _index(self, chunks: list[dict]) -> None:
        def cut(draft) -> None:
            draft.table("chunks", pa.Table.from_pylist(chunks))
            draft.json("chunker", {"fingerprint": CHUNKER, "tokens": 96})
            draft.facts["chunks"] = len(chunks)

        self.step("chunks", ("documents",), write=cut)
        self.step("embeddings", ("chunks",), write=lambda draft: draft.json("embedder", {"fingerprint": "e" * 64}))
        ids = [chunk["chunk_id"] for chunk in chunks]
        held = Holdings.of([(packed_ids(ids), packed_digests(["0" * 16] * len(ids)))], "test") if ids else None

        def build(draft) -> None:
            draft.json("content", sorted(ids))
            if held:
                draft.table("holdings", held.table(), data=False)
            draft.facts |= {"points": len(ids), "sequence": 0, "collection": "isles"}

        self.step("index", ("chunks", "embeddings"), write=build)
        self.step("retrieval_settings", ("index",), write=lambda draft: draft.json("retrieval_settings", {"expand": "none"}))

    def trained(self, rows: dict[str, str], name: str = "checkpoint") -> None:
        """A checkpoint that learnt these questions: question -> file that it is about."""
        table = pa.Table.from_pylist(
            [
                {"example_id": sha(question)[:32], "question": question, "doc_ids": [doc_id(file)], "origin": "question"}
                for question, file in rows.items()
            ],
            pa.schema([("example_id", pa.string()), ("question", pa.string()), ("doc_ids", NAMES), ("origin", pa.string())]),
        )
        self.step("training_examples", ("documents", "chunks"), write=lambda draft: draft.table("training_examples", table))
        self.step("base_model", write=lambda draft: draft.json("base_model", {"folder": "base", "weights_sha256": "a" * 64}))

        def train(draft) -> None:
            draft.json("checkpoint", {"method": "lora", "of": sorted(rows)})
            draft.spent(tokens=500, gpu_seconds=2.0)

        self.step(name, ("base_model", "training_examples"), write=train)

    def asked(self, question: str = "When does the ferry sail?", said: str = "at noon", file: str = "ferry.md") -> None:
        """One evaluation question with its answer, read from the first passage of a file, and its scores."""
        chunk = next(row for row in self.made["chunks"].table().to_pylist() if row["doc_id"] == doc_id(file))
        text = _text(self.lake, chunk)
        row = {"id": "q1", "question": question, "answers": ["at noon"], "documents": [doc_id("ferry.md")], "answerable": True}
        rows = pa.Table.from_pylist([row])
        self.step("eval_questions", ("documents",), config=row, write=lambda draft: draft.table("eval_questions", rows))
        told = {"question_id": "q1", "answer": said, "refused": False, "passages": [chunk["chunk_id"]]}
        told |= {"documents": [doc_id(file)], "read": [text], "withdrawn": None, "error": None}
        told["prompt_digest"] = Request(spec().prompt, (text,), question).digest
        self.made["answers"] = self.lake.once(
            "answers/fine_tuned_retrieval",
            code="1",
            config=told,
            parents=[self.made[name] for name in ("eval_questions", "index", "retrieval_settings", "checkpoint")],
            write=lambda draft: draft.table("answers", pa.Table.from_pylist([told])),
        )
        right = float(said == "at noon")
        scores = [{"question_id": "q1", "metric": metric, "score": right} for metric in ("exact_match", "token_f1")]
        self.made["eval_scores"] = self.lake.once(
            "eval_scores/fine_tuned_retrieval",
            code="1",
            config=right,
            parents=[self.made["eval_questions"], self.made["answers"]],
            write=lambda draft: draft.table("eval_scores", pa.Table.from_pylist(scores)),
        )

    def release(self, why: str = "better", stage: str = "production") -> Release:
        """Commit what is made now as the next release."""
        roles = ("documents", "chunks", "index", "retrieval_settings", "eval_questions", "training_examples", "base_model")
        named = {role: self.made[role] for role in (*roles, "checkpoint", "answers", "eval_scores") if role in self.made}
        candidate = Candidate(spec=spec(), parts=named, settings=SETTINGS)
        live = self.history.live(stage)
        terms = {"documents": [_origin(self.made["documents"])], "base_model": None}
        begun = self.history.append(
            Release(
                epoch=max(self.history.epochs(), default=0) + 1,
                pipeline=self.lake.pipeline,
                parts=candidate.named,
                settings=SETTINGS,
                scores={},
                reasons=["pass: it is good enough (measured 0.9)"],
                stage=stage,
                replaces=live.epoch if live else 0,
                actor="ada",
                why=why,
                candidate=candidate.described,
                terms=terms,
                evidence={"verdict": "promote", "summary": {"token_f1": SCORED}},
                run="mlflow-run",
                code="0.1.0+abc",
                packages={"torch": "2.13.0"},
            )
        )
        return self.history.end(begun.epoch, "committed", model_version=str(begun.epoch))


def whole(home: Path) -> Product:
    """A product with one release."""
    product = Product.at(home)
    product.corpus()
    product.trained({"Who is the harbour master?": "harbour.md"})
    product.asked()
    product.release()
    return product


def _origin(documents: Version) -> dict[str, Any]:
    return {"source": SOURCE, "licence": "MIT", "consent": "search", "trust": "trusted", "documents": documents.rows()}


def _document(file: str, text: str) -> dict[str, Any]:
    said = {"doc_id": doc_id(file), "source": SOURCE, "uri": file, "file": file, "title": file.removesuffix(".md")}
    terms = {"format": "markdown", "licence": "MIT", "language": "en", "access": [], "consent": "search", "trust": "trusted"}
    return {**said, **terms, "content_hash": text_digest(text), "characters": len(text)}


def _chunks(row: dict[str, Any], text: str) -> list[dict[str, Any]]:
    made, start = [], 0
    for ordinal, part in enumerate(text.split("\n\n")):
        name = chunk_id(row["doc_id"], row["content_hash"], CHUNKER, ordinal)
        place = {"start": start, "end": start + len(part), "page": 0, "heading": row["title"], "ordinal": ordinal}
        made.append({"chunk_id": name, "doc_id": row["doc_id"], "content_hash": row["content_hash"], **place})
        start += len(part) + 2
    return made


def _text(lake: Lake, chunk: dict[str, Any]) -> str:
    found = lake.store("texts", "v1", "content_hash").take([chunk["content_hash"]]).to_pylist()
    return found[0]["text"][chunk["start"] : chunk["end"]]
