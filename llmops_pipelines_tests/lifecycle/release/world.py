"""A small product that can be released: real versions in a lake, and a model registry in a file that processes share."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace

import pyarrow as pa

from llmops_pipelines.config.catalogue import ApprovedModel, Catalogue
from llmops_pipelines.config.gate import Gate
from llmops_pipelines.lifecycle.datasets.prompts import PRODUCT
from llmops_pipelines.lifecycle.evaluation.candidates import Spec
from llmops_pipelines.lifecycle.lake import Lake, Version, digest
from llmops_pipelines.lifecycle.release.candidate import Candidate
from llmops_pipelines.lifecycle.release.history import History
from llmops_pipelines.lifecycle.release.moves import Moves
from llmops_pipelines.lifecycle.release.registry import Registry

WEIGHTS = "a" * 64
GATE = Gate(minimum=0.3)
CATALOGUE = Catalogue(models=[ApprovedModel(name="little llama", sha256=WEIGHTS, licence="MIT", uses=["research", "internal"])])
SETTINGS = {
    "answers": {"passages": 1, "max_new_tokens": 24, "refusal": "not in the documents"},
    "embeddings": {"model": "minilm", "revision": "b" * 40, "sha256": "c" * 64, "precision": "fp32", "endpoint": None},
    "index": {"url": None, "quantization": "none"},
}
GOOD = [0.5, 0.6, 0.4, 0.5, 0.6, 0.4, 0.5, 0.6, 0.4, 0.5]
WEAK = [score / 2 for score in GOOD]


def spec(name: str = "fine_tuned_retrieval", **said) -> Spec:
    plain = {"model": "tuned", "compression": "none", "steps": ("retrieve", "answer"), "passages": 1, "max_new_tokens": 24}
    asks = {"refusal": "not in the documents", "prompt": PRODUCT, "rewrite": None, "verify": None}
    return Spec(name=name, **{**plain, **asks, "search": None, "endpoint": None, **said})


def scored(lake: Lake, candidate: str, values: list[float], **metrics: list[float]) -> Version:
    """eval_scores of ten questions; the first half is about `handbook`, the rest about `notices`."""
    by_metric = {"token_f1": values, "hit_at_5": [1.0] * len(values), **metrics}
    ids = [f"q{number}" for number in range(len(values))]
    members = [(each, "source", "handbook" if place < len(ids) / 2 else "notices") for place, each in enumerate(ids)]

    def row(metric: str, chosen: list[str]) -> dict:
        of = dict(zip(ids, by_metric[metric], strict=True))
        found = [of[each] for each in chosen]
        return {"mean": fmean(found), "low": min(found), "high": max(found), "n": len(found), "coverage": 1.0}

    def write(draft) -> None:
        flat = [(each, metric, score) for metric, found in by_metric.items() for each, score in zip(ids, found, strict=True)]
        draft.table("eval_scores", _table(("question_id", "metric", "score"), flat))
        draft.table("members", _table(("question_id", "slice", "value"), members))
        parts = [
            {"slice": "source", "value": value, "metric": metric}
            | row(metric, [each for each, _, source in members if source == value])
            for metric in by_metric
            for value in ("handbook", "notices")
        ]
        draft.table("slices", pa.Table.from_pylist(parts))
        draft.json("summary", {metric: row(metric, ids) for metric in by_metric})
        draft.json("measures", dict.fromkeys(by_metric, "text"))
        draft.json("asked", {each: each for each in ids})
        draft.facts["questions"] = len(ids)

    return lake.once(f"eval_scores/{candidate}", code="1", config=by_metric, parents=[], write=write)


def _table(columns: tuple[str, ...], rows: list[tuple]) -> pa.Table:
    return pa.table({name: [row[place] for row in rows] for place, name in enumerate(columns)})


def documents(lake: Lake, licence: str = "CC0-1.0") -> Version:
    table = pa.table(
        {
            "source": ["handbook", "handbook", "notices"],
            "licence": [licence, licence, "MIT"],
            "consent": ["search_and_training", "search_and_training", "search"],
            "trust": ["trusted"] * 3,
        }
    )
    return lake.once("documents", code="1", config=licence, parents=[], write=lambda draft: draft.table("documents", table))


def base_model(lake: Lake, sha256: str = WEIGHTS, licence: str = "MIT") -> Version:
    folder = lake.root.parent / "base"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    known = {
        "folder": str(folder),
        "files": {"config.json": "0"},
        "weights_sha256": sha256,
        "licence": licence,
        "parameters": 9,
    }
    return lake.once(
        "base_model", code="1", config=[sha256, licence], parents=[], write=lambda d: d.json("base_model", known, data=False)
    )


def checkpoint(lake: Lake, name: str, asset: str = "checkpoint") -> Version:
    def write(draft) -> None:
        draft.file("adapter/adapter_model.safetensors").write_bytes(name.encode())
        draft.facts.update(steps=4, loss_last=0.5)

    return lake.once(asset, code="1", config=name, parents=[], write=write)


def plain(lake: Lake, asset: str, content: str = "") -> Version:
    return lake.once(asset, code="1", config=content, parents=[], write=lambda draft: draft.json("said", content))


def timings(lake: Lake, milliseconds: float = 40.0, cost: float = 0.002) -> Version:
    rows = [{"question_id": f"q{n}", "step": "answer", "milliseconds": milliseconds, "tokens_in": 90} for n in range(10)]
    table = pa.Table.from_pylist([row | {"tokens_out": 10, "cost": cost} for row in rows])
    write = lambda draft: draft.table("timings", table)  # noqa: E731
    return lake.once("answers/fine_tuned_retrieval", code="1", config=[milliseconds, cost], parents=[], write=write)


def candidate(lake: Lake, model: str = "first", values: list[float] = GOOD, base: list[float] = WEAK, **said) -> Candidate:
    """What the graph hands over: a fine-tuned model over an index, with its scores and those of its base."""
    parts = {
        "documents": documents(lake),
        "index": plain(lake, "index", said.pop("index", "passages")),
        "retrieval_settings": plain(lake, "retrieval_settings"),
        "eval_questions": plain(lake, "eval_questions"),
        "training_examples": plain(lake, "training_examples"),
        "base_model": base_model(lake),
        "checkpoint": checkpoint(lake, model),
        "answers": timings(lake),
        "eval_scores": scored(lake, "fine_tuned_retrieval", values),
        "base_eval_scores": scored(lake, "retrieval", base),
        **said.pop("parts", {}),
    }
    return Candidate(**{"spec": spec(), "settings": SETTINGS, "purpose": "Answers questions.", "parts": parts, **said})


@dataclass(frozen=True)
class FolderClient:
    """The part of an `MlflowClient` that the registry uses, with its state in one file; each method is one step."""

    path: Path

    @contextmanager
    def _state(self) -> Iterator[dict]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            stream.seek(0)
            state = json.loads(stream.read() or '{"versions": {}, "aliases": {}}')
            yield state
            stream.seek(0)
            stream.truncate()
            stream.write(json.dumps(state))

    def get_experiment_by_name(self, name: str):
        return SimpleNamespace(experiment_id="1")

    def create_registered_model(self, name: str) -> None: ...

    def create_logged_model(self, experiment: str, **said):
        return SimpleNamespace(model_id="m")

    def log_model_artifacts(self, model: str, folder: str) -> None:
        assert any(Path(folder).iterdir())

    def finalize_logged_model(self, model: str, status: str) -> None: ...

    def create_model_version(self, name: str, source: str, *, tags: dict, **_):
        with self._state() as state:
            number = str(1 + max(map(int, state["versions"]), default=0))
            state["versions"][number] = dict(tags)
        return SimpleNamespace(version=number)

    def search_model_versions(self, text: str) -> list:
        with self._state() as state:
            return [SimpleNamespace(version=number, tags=tags) for number, tags in state["versions"].items()]

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        with self._state() as state:
            state["versions"][version][key] = value

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        with self._state() as state:
            state["aliases"][alias] = version

    def get_model_version_by_alias(self, name: str, alias: str):
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

        with self._state() as state:
            number = state["aliases"].get(alias)
            if number not in state["versions"]:
                raise MlflowException("no such alias", RESOURCE_DOES_NOT_EXIST)
            return SimpleNamespace(version=number, tags=state["versions"][number])

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        with self._state() as state:
            del state["aliases"][alias]

    def delete_model_version(self, name: str, version: str) -> None:
        with self._state() as state:
            del state["versions"][version]


def world(folder: Path, client=None, name: str = "shop") -> Moves:
    """A product's lake, history and registry in a folder."""
    registry = Registry(client or FolderClient(folder / "registry.json"), name)
    return Moves(Lake(folder / "lake", name), History(folder / "releases"), lambda: registry)


def says(version: Version) -> dict:
    return version.json("release")


def bundle_of(moves: Moves) -> str:
    """A digest of everything that answers now."""
    live = moves.history.live()
    return digest({} if live is None else {"parts": live.parts, "settings": live.settings, "candidate": live.candidate})
