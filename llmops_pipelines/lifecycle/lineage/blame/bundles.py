"""One side of the question "what made it worse?": a candidate with the versions behind it, and what two settings differ in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from llmops_pipelines.config.pipeline import Embeddings, Index
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.lake import DamagedVersion, Lake, Refusal, Version
from llmops_pipelines.lifecycle.release.candidate import Candidate

LONGEST = 60  # characters of a value in a sentence


class BlameError(Refusal):
    """The two cannot be told apart in the way that was asked for."""


@dataclass(frozen=True)
class Bundle:
    """A candidate and what it was made from. Raises `BlameError` for a part that it needs and does not have."""

    lake: Lake
    candidate: Candidate

    def part(self, role: str) -> Version:
        try:
            return self.candidate.parts[role]
        except KeyError:
            raise BlameError(
                f"candidate {self.candidate.spec.name} of {self.lake.pipeline} has no {role}; blame needs releases of whole "
                f"runs: llmops run {self.lake.pipeline}"
            ) from None

    def optional(self, role: str) -> Version | None:
        return self.candidate.parts.get(role)

    @property
    def spec(self):
        return self.candidate.spec

    @cached_property
    def chunks(self) -> Version:
        return self.optional("chunks") or self.lake.parent(self.part("index"), "chunks")

    @cached_property
    def chunker(self) -> dict[str, Any]:
        """Settings of the chunker, and its fingerprint."""
        return self.chunks.json("chunker")

    @cached_property
    def embeddings(self) -> Embeddings:
        return Embeddings.model_validate(self.candidate.settings["embeddings"])

    @cached_property
    def index_settings(self) -> Index:
        return Index.model_validate(self.candidate.settings["index"])

    @cached_property
    def embedder(self) -> str:
        """Fingerprint of the embedder that made the index."""
        return self.part("index").json("index")["embedder"]

    @cached_property
    def asking(self) -> index.Settings:
        return index.Settings.of(self.part("retrieval_settings"))

    @cached_property
    def trained(self) -> Version | None:
        """The checkpoint that answers; None where nothing trained does."""
        uses = self.spec.model == "tuned"
        return self.optional("checkpoint") if uses else None

    @cached_property
    def weights(self) -> str:
        """sha256 of the base model's weights; empty where none answers."""
        base = self.optional("base_model") if self.spec.model in ("base", "tuned") else None
        return base.json("base_model")["weights_sha256"] if base else ""

    @cached_property
    def judge(self) -> dict[str, Any]:
        """What is known of the judge: identity, epoch, name, metrics. Empty where nobody judged."""
        scores = self.part("eval_scores")
        return scores.json("judge") if scores.has("judge.json") else {}


def learnt_from(side: Bundle, asset: str) -> Version | None:
    """What the checkpoint was trained on: the candidate's own part where that is what training read."""
    own, trained = side.optional(asset), side.trained
    if trained is None:
        return None
    return own if own and trained.parents.get(asset) == own.digest else parent(side.lake, trained, asset)


def parent(lake: Lake, version: Version, asset: str) -> Version | None:
    """The version of `asset` that this was made from: by its seal, since equal content may have been made from other settings.
    None when it was made without, or it is gone."""
    if asset not in version.parents:
        return None
    seal = version.manifest.get("seals", {}).get(asset)
    try:
        for each in lake.manifests(asset) if seal else ():
            if each.seal == seal:
                return lake.read(asset, each.fingerprint)
        return lake.parent(version, asset)
    except DamagedVersion:
        return None


def differing(a: Any, b: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(name, before, after) of every value in which two settings differ, sections taken apart."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in sorted({*a, *b}, key=str):
            yield from differing(a.get(key), b.get(key), f"{path}.{key}" if path else str(key))
    elif a != b:
        yield path, a, b


def told(changes: Iterator[tuple[str, Any, Any]]) -> str:
    """ "tokens 96 -> 24, overlap 0 -> 8"."""
    return ", ".join(f"{name} {_short(before)} -> {_short(after)}" for name, before, after in changes)


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    text = text[:12] if len(text) == 64 and set(text) <= set("0123456789abcdef") else text
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
