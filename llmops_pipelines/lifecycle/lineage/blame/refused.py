"""The newest candidate that did not become a release, put together again from the decision about it."""

from collections.abc import Mapping
from typing import Any

from llmops_pipelines.lifecycle.evaluation.candidates import Spec
from llmops_pipelines.lifecycle.lake import DamagedVersion, Lake, Version
from llmops_pipelines.lifecycle.release.candidate import Candidate

from .bundles import BlameError

CHOSEN = ("answers", "eval_scores", "compressed")  # assets with a version per candidate
MODELS = ("base_model", "checkpoint")  # assets that may carry the name of a recipe


def refused(lake: Lake, settings: Mapping[str, Any]) -> Candidate:
    """The candidate of the newest decision of the gate. `settings` are those of the pipeline now: sections embeddings and
    index as JSON, which a decision does not repeat.

    Raises `BlameError` when there is no decision, when it was a promotion, or when these settings are not those of then.
    """
    decision = lake.current("release")
    if decision is None:
        raise BlameError(f"{lake.pipeline} has no decision about a candidate yet; make one with: llmops run {lake.pipeline}")
    said = decision.json("release")
    if said["outcome"] == "promoted":
        raise BlameError(
            f"the newest candidate of {lake.pipeline} was promoted, as release {said['epoch']}; "
            f"ask without --candidate: llmops blame {lake.pipeline}"
        )
    parts = _parts(lake, decision, said["candidate"])
    if "answers" not in parts:
        raise BlameError(f"the decision about candidate {said['candidate']} of {lake.pipeline} does not say how it answered")
    found = Candidate(Spec.read(parts["answers"].json("candidate")), parts, dict(settings))
    if found.bundle != said["bundle"]:
        raise BlameError(
            f"embeddings or index of {lake.pipeline} were changed in its YAML since the candidate was refused; "
            f"decide about it anew with: llmops run {lake.pipeline}"
        )
    return found


def _parts(lake: Lake, decision: Version, name: str) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for asset, digest in decision.parents.items():
        noun, _, of = asset.partition("/")
        model = next((each for each in MODELS if asset == each or asset.startswith(f"{each}_")), None)
        role = "base_eval_scores" if noun == "eval_scores" and of != name else model or (noun if noun in CHOSEN else asset)
        found[role] = _version(lake, asset, digest)
    return found


def _version(lake: Lake, asset: str, digest: str) -> Version:
    for each in lake.manifests(asset):
        if each.digest == digest:
            return lake.read(asset, each.fingerprint)
    raise DamagedVersion(f"{asset} {digest[:12]} is gone; make it again with: llmops run {lake.pipeline}")
