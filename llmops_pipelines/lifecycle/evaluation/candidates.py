"""A candidate with its files read: everything that decides its answers, in a form that a release can keep and read again.

What a pipeline may say of candidates is `config/candidates.py`; what the steps do is `steps.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llmops_pipelines.config.candidates import Candidate, Model, Search, Step
from llmops_pipelines.config.datasets import PromptFile
from llmops_pipelines.config.endpoints import ChatEndpoint
from llmops_pipelines.config.pipeline import Answers
from llmops_pipelines.lifecycle.datasets.prompts import Prompt
from llmops_pipelines.lifecycle.index import Settings
from llmops_pipelines.lifecycle.lake import Refusal, Version

PROMPTS = ("prompt", "rewrite", "verify")
WEIGHTS = {"dense": 1.0, "bm25": 0.0}


class EvaluationError(Refusal):
    """What would be measured is not what the graph claims, or nothing can be measured."""


@dataclass(frozen=True)
class Parts:
    """The versions that a candidate is made of; what it does not use may be None."""

    index: Version | None = None
    retrieval_settings: Version | None = None
    base: Version | None = None
    checkpoint: Version | None = None
    compressed: Version | None = None


@dataclass(frozen=True)
class Spec:
    """What a candidate does with a question. `verify` is None where shared words decide, `prompt` where no model answers."""

    name: str
    model: Model
    compression: str
    steps: tuple[Step, ...]
    passages: int
    max_new_tokens: int
    refusal: str
    prompt: Prompt | None
    rewrite: Prompt | None
    verify: Prompt | None
    search: Search | None
    endpoint: ChatEndpoint | None

    @classmethod
    def of(cls, candidate: Candidate, answers: Answers, project: Path = Path()) -> "Spec":
        """`candidate` as `ladder` gives it. Raises `EvaluationError` when prompt and steps do not fit together."""
        steps = candidate.steps or ("retrieve", "answer")
        by_model = "verify" in steps and candidate.verify_by == "model"
        prompt = Prompt.load(Path(candidate.prompt), project) if candidate.prompt else None
        if prompt and "retrieve" in steps and not prompt.reads_passages:
            raise EvaluationError(
                f"candidate {candidate.name}: {candidate.prompt} has no place for passages, but the candidate retrieves some; "
                "put {context} into the prompt, or leave retrieve out of the steps"
            )
        return cls(
            name=candidate.name,
            model=candidate.model,
            compression=candidate.compression,
            steps=steps,
            passages=candidate.passages or answers.passages if "retrieve" in steps else 0,
            max_new_tokens=_longest(candidate, answers),
            refusal=answers.refusal,
            prompt=prompt,
            rewrite=Prompt.load(Path(candidate.rewrite_prompt), project) if "rewrite" in steps else None,
            verify=Prompt.load(Path(candidate.verify_prompt), project) if by_model else None,
            search=candidate.retrieval,
            endpoint=candidate.endpoint,
        )

    @property
    def retrieves(self) -> bool:
        return "retrieve" in self.steps

    def described(self) -> dict[str, Any]:
        """As JSON, prompts with their text; `read` reads it."""
        words = {"search": self.search, "endpoint": self.endpoint}
        prompts = {name: getattr(self, name) for name in PROMPTS}
        said = {name: value for name, value in vars(self).items() if name not in words and name not in prompts}
        return {
            **said,
            "steps": list(self.steps),
            **{name: each.model_dump(mode="json") if each else None for name, each in words.items()},
            **{name: each.words.model_dump(mode="json") if each else None for name, each in prompts.items()},
        }

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> "Spec":
        """What `described` wrote, perhaps in an older release."""
        prompts = {name: Prompt(PromptFile.model_validate(said[name])) if said[name] else None for name in PROMPTS}
        search = Search.model_validate(said["search"]) if said["search"] else None
        endpoint = ChatEndpoint.model_validate(said["endpoint"]) if said["endpoint"] else None
        plain = {name: said[name] for name in ("name", "model", "compression", "passages", "max_new_tokens", "refusal")}
        return cls(**plain, **prompts, steps=tuple(said["steps"]), search=search, endpoint=endpoint)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the answers besides the versions: neither names and descriptions, nor prices and patience."""
        prompts = {name: each.digest if (each := getattr(self, name)) else None for name in PROMPTS}
        endpoint = self.endpoint.identity if self.endpoint else None
        return {**self.described(), **prompts, "endpoint": endpoint, "name": None}

    def models(self, parts: Parts) -> list[Version]:
        """The versions that hold its model. Raises `EvaluationError` for one that is missing or does not fit the other."""
        if self.compression != "none":
            (compressed,) = self._present({"compressed model": parts.compressed})
            _same_origin(compressed, parts)
            return [compressed]
        if self.model == "tuned":
            base, checkpoint = self._present({"base model": parts.base, "checkpoint": parts.checkpoint})
            _same_base(base, checkpoint)
            return [base, checkpoint]
        return self._present({"base model": parts.base}) if self.model == "base" else []

    def parents(self, parts: Parts) -> list[Version]:
        """The versions that its answers depend on, and no others. Raises `EvaluationError` like `models`."""
        searched = {"index": parts.index, "retrieval settings": parts.retrieval_settings}
        return [*(self._present(searched) if self.retrieves else []), *self.models(parts)]

    def _present(self, wanted: dict[str, Version | None]) -> list[Version]:
        if missing := [name for name, version in wanted.items() if version is None]:
            raise EvaluationError(f"candidate {self.name} has no {missing[0]}; materialize that asset first")
        return [version for version in wanted.values() if version]

    def searching(self, tuned: Settings) -> Settings:
        """The settings that it searches with. A reranker is a step of its own, so that its time is seen."""
        own, fusion = self.search or Search(), tuned.fusion
        if own.method:
            weight = WEIGHTS.get(own.method, own.dense_weight)
            fusion = replace(fusion, method=own.method, dense_weight=weight)
        fusion = replace(fusion, candidates=own.candidates or fusion.candidates)
        return replace(tuned, fusion=fusion, expand=own.expand or tuned.expand, reranker=None)


def _longest(candidate: Candidate, answers: Answers) -> int:
    if candidate.model == "none":
        return 0
    return candidate.endpoint.max_tokens if candidate.endpoint else candidate.max_new_tokens or answers.max_new_tokens


def _same_origin(compressed: Version, parts: Parts) -> None:
    """A compression that failed leaves the version of before, which was made from another model."""
    for part in (parts.base, parts.checkpoint):
        if part and part.asset in compressed.parents and compressed.parents[part.asset] != part.digest:
            raise EvaluationError(
                f"{compressed.asset} was made from another {part.asset}; materialize {compressed.asset} again"
            )


def _same_base(base: Version, checkpoint: Version) -> None:
    model, trained = base.json("base_model"), checkpoint.json("checkpoint")
    if trained["base_weights_sha256"] != model["weights_sha256"]:
        raise EvaluationError(
            f"the checkpoint was trained on base weights {trained['base_weights_sha256'][:12]}, the base model has "
            f"{model['weights_sha256'][:12]}; train again on this base"
        )


def megabytes(spec: Spec, parts: Parts) -> float | None:
    """Size on disk of the weights that it answers with; None for an endpoint, whose size nobody knows."""
    if spec.model == "endpoint":
        return None
    weights: list[Path] = []
    if spec.compression != "none" and parts.compressed:
        weights = list(parts.compressed.path.rglob("*.safetensors"))
    elif spec.model in ("base", "tuned") and parts.base:
        known = parts.base.json("base_model")
        weights = [Path(known["folder"]) / name for name in known["files"] if name.endswith(".safetensors")]
        if spec.model == "tuned" and parts.checkpoint:
            whole = is_whole_model(parts.checkpoint)
            trained = parts.checkpoint.file("model" if whole else "adapter").rglob("*.safetensors")
            weights = [*trained] if whole else [*weights, *trained]
    return round(sum(path.stat().st_size for path in weights) / 1e6, 3)


def is_whole_model(checkpoint: Version) -> bool:
    """Whether training left a whole model, not an adapter for its base."""
    return checkpoint.json("checkpoint").get("kind") == "model"


def weights_of(base: Version, checkpoint: Version | None) -> tuple[Path, Path | None]:
    """Folder of a model, and of the adapter on it: None for a base alone, and for a checkpoint that is a whole model."""
    if checkpoint is not None and is_whole_model(checkpoint):
        return checkpoint.file("model"), None
    return Path(base.json("base_model")["folder"]), checkpoint.file("adapter") if checkpoint else None
