"""A candidate as the gate sees it: the versions it is made of by role, what it does with a question, what speaks against it.

What a pipeline may say of candidates is `config/candidates.py`; whether one is released is `promotion.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmops_pipelines.lifecycle.evaluation.candidates import Spec
from llmops_pipelines.lifecycle.lake import Lake, Version, digest

from .history import Release, bundle_digest
from .moves import Impossible, part_of


@dataclass(frozen=True)
class Candidate:
    """What may become the release: its parts by role, what it does with a question, and the settings of its doors.

    Roles are those of `history.ANSWERING`, and as evidence "documents", "eval_scores", "base_eval_scores" (of the
    candidate that it must beat), "answers", "comparison", and whatever else a release shall keep. `problems` repeats the
    blocking checks that lie behind it, since they may have failed in another run: a sentence that is true when all is well
    -> what speaks against it. `run` is the MLflow run that trained it, `purpose` what the product is for, in a sentence.
    """

    spec: Spec
    parts: Mapping[str, Version]
    settings: dict[str, Any]
    problems: Mapping[str, Sequence[str]] = field(default_factory=dict)
    run: str = ""
    purpose: str = ""

    @classmethod
    def of(cls, lake: Lake, release: Release) -> "Candidate":
        """A release as a candidate for another stage. Raises `DamagedVersion` when a part of it is gone."""
        if not release.candidate:
            raise Impossible(
                f"release {release.epoch} of {release.pipeline} was made by an earlier version and does not say how it "
                f"answers; release anew with: llmops run {release.pipeline}"
            )
        parts = {role: part_of(lake, release, role) for role in release.parts}
        spec, purpose = Spec.read(release.candidate["spec"]), release.terms.get("purpose", "")
        return cls(spec, parts, release.settings, run=release.run, purpose=purpose)

    @classmethod
    def decided(cls, lake: Lake, decision: Version) -> "Candidate":
        """The candidate that a decision of the gate (a version of `release`) was about, promoted or not. Raises
        `DamagedVersion` when a part of it is gone, `Impossible` when the decision does not say what it was made of."""
        said = decision.json("release")
        if "parts" not in said:
            raise Impossible(
                f"the decision about candidate {said['candidate']} of {lake.pipeline} was made by an earlier version and does "
                f"not say what it was made of; decide anew with: llmops run {lake.pipeline}"
            )
        parts = {role: lake.read(part.get("asset", role), part["fingerprint"]) for role, part in said["parts"].items()}
        return cls(Spec.read(said["described"]["spec"]), parts, said["settings"])

    @property
    def named(self) -> dict[str, dict[str, str]]:
        return {role: _named(role, part) for role, part in self.parts.items()}

    @property
    def described(self) -> dict[str, Any]:
        return {"spec": self.spec.described(), "identity": digest(self.spec.identity)}

    @property
    def bundle(self) -> str:
        return bundle_digest(self.named, self.settings, self.described)

    def strangers(self) -> list[str]:
        """Parts that were not made from each other: a sentence for each parent that is not the part beside it."""
        known = {part.asset: part.digest for part in self.parts.values()}
        return [
            f"{part.asset} was made from {parent} {read[:12]}, the candidate has {known[parent][:12]}"
            for part in self.parts.values()
            for parent, read in part.parents.items()
            if parent in known and known[parent] != read
        ]


def _named(role: str, part: Version) -> dict[str, str]:
    said = {"fingerprint": part.fingerprint, "digest": part.digest, "seal": part.seal}
    return said if part.asset == role else said | {"asset": part.asset}
