"""A small product with everything a release is made of, from source bytes to MLflow's alias, and hands to tamper with it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from llmops_pipelines.config.catalogue import ApprovedModel, Catalogue
from llmops_pipelines.config.pipeline import Chunks, Embeddings, Index
from llmops_pipelines.config.recipe import BaseModelWords
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.evaluation.candidates import Parts
from llmops_pipelines.lifecycle.evaluation.models import identity_of
from llmops_pipelines.lifecycle.index.embedders.model_files import ModelFiles
from llmops_pipelines.lifecycle.index.embedding import vector_store
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lake.digests import digest, file_digest
from llmops_pipelines.lifecycle.lake.drafts import MANIFEST
from llmops_pipelines.lifecycle.lake.seals import sealed
from llmops_pipelines.lifecycle.lineage.verification import Verification, verify
from llmops_pipelines.lifecycle.release.candidate import Candidate
from llmops_pipelines.lifecycle.release.history import History
from llmops_pipelines.lifecycle.release.moves import Moves
from llmops_pipelines.lifecycle.release.promotion import promote
from llmops_pipelines.lifecycle.release.registry import BUNDLE
from llmops_pipelines.lifecycle.training.weights import base_model

from ...corpus.formats.small_files import Corpus, prose
from ...release.world import GATE, GOOD, WEAK, FolderClient, scored, spec, world

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
EMPTY = b"\x20" + bytes(7) + b'{"__metadata__":{"format":"pt"}}'  # a safetensors file of no tensors
DIMENSION = 8
TIMINGS = {"question_id": ["q1"], "step": ["answer"], "milliseconds": [40.0]}
TIMINGS |= {"tokens_in": [90], "tokens_out": [9], "cost": [0.0]}


@dataclass(frozen=True)
class KeepingClient(FolderClient):
    """The registry with the files that were logged, as a local MLflow keeps them."""

    @property
    def artifacts(self) -> Path:
        return self.path.with_name("artifacts")

    def create_logged_model(self, experiment: str, **said):
        return SimpleNamespace(model_id=f"m-{said['tags'][BUNDLE][:12]}")

    def log_model_artifacts(self, model: str, folder: str) -> None:
        shutil.copytree(folder, self.artifacts / model, dirs_exist_ok=True)

    def get_model_version(self, name: str, version: str):
        with self._state() as state:
            tags = state["versions"][version]
        return SimpleNamespace(source=f"models:/m-{tags[BUNDLE][:12]}", tags=tags)

    def get_logged_model(self, model: str):
        return SimpleNamespace(artifact_location=(self.artifacts / model).as_uri())


@dataclass
class Tampering:
    """A product on disk. What is done to a file is undone by `undo`, so that one product serves many cases."""

    folder: Path
    moves: Moves
    before: list[Callable[[], object]] = field(default_factory=list)

    @property
    def lake(self) -> Lake:
        return Lake(self.folder / "lake", "support_docs")

    @property
    def history(self) -> History:
        return self.moves.history

    @property
    def client(self) -> KeepingClient:
        return KeepingClient(self.folder / "registry.json")

    def copy(self, name: str, epoch: int = 2) -> Path:
        """A file that the registry keeps of a release."""
        return self.client.artifacts / f"m-{self.history.record(epoch).bundle[:12]}" / name

    def verify(self, epoch: int = 2) -> Verification:
        return verify(self.lake, self.history, epoch, self.moves.registry)

    def part(self, role: str, epoch: int = 2) -> Version:
        """The version of a role, or of an asset that the release was made from, as its manifest tells of it."""
        release = self.history.record(epoch)
        if role not in release.parts:
            return next(self.lake.manifests(role))
        pinned = release.parts[role]["fingerprint"]
        return next(each for each in self.lake.manifests(release.asset(role)) if each.fingerprint == pinned)

    def file(self, role: str, name: str) -> Path:
        return self.part(role).file(name)

    def store(self, name: str) -> Path:
        (found,) = (self.lake.root / "stores" / name).iterdir()
        return found

    def record(self, name: str) -> Path:
        return self.history.folder / name

    def flip(self, path: Path) -> Path:
        """Change one bit in the middle."""
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        return self.write(path, bytes(data))

    def write(self, path: Path, data: bytes) -> Path:
        if path.exists():
            was = path.read_bytes()
            self.before.append(lambda: path.write_bytes(was))
        else:
            self.before.append(path.unlink)
        path.write_bytes(data)
        return path

    def remove(self, path: Path) -> Path:
        was = path.read_bytes()
        self.before.append(lambda: path.write_bytes(was))
        path.unlink()
        return path

    def edit(self, path: Path, **said) -> Path:
        """Change what a sealed JSON file says, and make its seal fit: what a careful hand would do."""
        return self.write(path, json.dumps(sealed(json.loads(path.read_bytes()) | said), indent=1).encode())

    def remake(self, role: str, name: str, data: bytes) -> Path:
        """Put another file into a version, and make its manifest fit: hashes, digest and seal."""
        version = self.part(role)
        self.write(version.file(name), data)
        manifest = json.loads((version.path / MANIFEST).read_bytes())
        manifest["files"][name] = file_digest(version.file(name))
        kept = {each: sha for each, sha in manifest["files"].items() if each not in manifest["aside"]}
        return self.edit(version.path / MANIFEST, files=manifest["files"], digest=digest(kept))

    def undo(self) -> None:
        while self.before:
            self.before.pop()()


def make(folder: Path) -> Tampering:
    """Two releases, the second with a newer checkpoint, through the real stages where they need no model."""
    product = world(folder, KeepingClient(folder / "registry.json"), "support_docs")
    parts = _made(folder)
    words = ApprovedModel(
        name="tiny", sha256=file_digest(folder / "base" / "model.safetensors"), licence="MIT", uses=["internal"]
    )
    settings = {"embeddings": _embedder(folder).model_dump(mode="json"), "index": Index().model_dump(mode="json")}
    for name in ("first", "second"):
        lake = Lake(folder / "lake", "support_docs")
        parts["checkpoint"] = _checkpoint(lake, name, parts)
        found = Candidate(spec(), parts | _answers(lake, parts), settings, purpose="Answers questions.")
        assert promote(product, found, GATE, Catalogue(models=[words]), "ann").json("release")["outcome"] == "promoted"
    lake.close()
    return Tampering(folder, product)


def _made(folder: Path) -> dict[str, Version]:
    corpus = Corpus(folder)
    for name in ("harbour", "ferry", "radio"):
        corpus.write(f"{name}.md", f"# {name.title()}\n\n{prose(name)}")
    lake, documents = corpus.lake, corpus.read()
    model = _embedder(folder)
    chunks = index.cut(lake, documents, Chunks(), model)
    embeddings = _embedded(lake, chunks, model)
    built = index.build(lake, chunks, embeddings, Index(), None, "support_docs")
    questions = _version(lake, "eval_questions", [documents], json={"questions": ["Who?"]}, table={"id": ["q1"]})
    examples = _version(lake, "training_examples", [documents, chunks], table={"example_id": ["e1"], "question": ["Who?"]})
    settings = _version(lake, "retrieval_settings", [built], json={"retrieval_settings": {"k": 5}}, picture="tuning.png")
    return {
        "documents": documents,
        "chunks": chunks,
        "index": built,
        "retrieval_settings": settings,
        "eval_questions": questions,
        "training_examples": examples,
        "base_model": _base(lake, folder),
    }


def _embedder(folder: Path) -> Embeddings:
    """The packaged model with weights of no tensors: it counts tokens, and nothing here searches."""
    place = folder / "minilm"
    if not place.is_dir():
        shutil.copytree(ModelFiles.find(Embeddings()).folder, place, ignore=shutil.ignore_patterns("model.safetensors"))
        (place / "model.safetensors").write_bytes(EMPTY)
    return Embeddings(model=str(place), sha256=file_digest(place / "model.safetensors"))


def _embedded(lake: Lake, chunks: Version, model: Embeddings) -> Version:
    """Vectors of chance under the fingerprint of that model."""
    fingerprint = ModelFiles.find(model).fingerprint
    hashes = sorted(set(chunks.table().column("text_hash").to_pylist()))
    made = np.random.default_rng(7).normal(size=(len(hashes), DIMENSION)).astype(np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    vector_store(lake, fingerprint).append(
        pa.table({"text_hash": hashes, "vector": pa.array(list(made), pa.list_(pa.float32()))})
    )
    said = {"embedder": {"fingerprint": fingerprint, "dimension": DIMENSION}}
    return _version(lake, "embeddings", [chunks], json=said, table={"text_hash": hashes})


def _base(lake: Lake, folder: Path) -> Version:
    place = folder / "base"
    place.mkdir()
    (place / "model.safetensors").write_bytes(EMPTY)
    for name in ("config.json", "tokenizer.json"):
        (place / name).write_text('{"vocab_size": 7}')
    words = BaseModelWords.model_construct(
        path=str(place), hub=None, revision=None, sha256=file_digest(place / "model.safetensors"), licence="MIT"
    )
    return base_model(lake, words, folder)


def _checkpoint(lake: Lake, name: str, parts: dict[str, Version]) -> Version:
    weights = parts["base_model"].json("base_model")["weights_sha256"]

    def write(draft) -> None:
        draft.file("adapter/adapter_model.safetensors").write_bytes(f"weights of {name}".encode() * 9)
        draft.file("adapter/adapter_config.json").write_text('{"r": 8}')
        draft.json("checkpoint", {"base_weights_sha256": weights, "kind": "adapter"})
        draft.file("loss.png", data=False).write_bytes(PNG)

    return lake.once(
        "checkpoint", code="1", config=name, parents=[parts["base_model"], parts["training_examples"]], write=write
    )


def _answers(lake: Lake, parts: dict[str, Version]) -> dict[str, Version]:
    """Answers and scores, made again for each checkpoint: they name it as their parent."""
    asked = [parts[role] for role in ("eval_questions", "index", "retrieval_settings", "base_model", "checkpoint")]
    rows = {"question_id": ["q1"], "answer": ["Runa"]}
    answers = _version(lake, "answers/fine_tuned_retrieval", asked, table=rows, aside={"timings": TIMINGS})
    found = Parts(index=parts["index"], base=parts["base_model"], checkpoint=parts["checkpoint"])
    lake.store("answers", identity_of(spec(), found), "prompt_digest").append(
        pa.table({"prompt_digest": ["p"], "text": ["Runa"]})
    )
    return {
        "answers": answers,
        "eval_scores": scored(lake, "fine_tuned_retrieval", GOOD),
        "base_eval_scores": scored(lake, "retrieval", WEAK),
    }


def _version(lake: Lake, asset: str, parents: list[Version], *, json=None, table=None, aside=None, picture="") -> Version:
    def write(draft) -> None:
        for name, said in (json or {}).items():
            draft.json(name, said)
        if table:
            draft.table(asset.split("/")[0], pa.table(table))
        for name, columns in (aside or {}).items():
            draft.table(name, pa.table(columns), data=False)
        if picture:
            draft.file(picture, data=False).write_bytes(PNG)

    return lake.once(asset, code="1", config=asset, parents=parents, write=write)


def parquet(**columns) -> bytes:
    """Another table, whole and valid."""
    out = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), out, write_page_checksum=True)
    return out.getvalue().to_pybytes()
