"""Promotion: gate, record, alias, read back. A refusal leaves the champion alone and says why.

The result is itself a version: the decision with its reasons, whatever the outcome.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmops_pipelines.config.pipeline import Gate
from llmops_pipelines.lifecycle.lake import DamagedVersion, Lake, Version

from .gate import Finding, Outcome, Verdict, decide
from .history import ANSWERING, History, Release, bundle_digest
from .registry import Registry

CODE = "2"
Compare = Callable[[Version, Version], tuple[float, float] | None]


@dataclass(frozen=True)
class Candidate:
    """What may become the release: its parts by asset, and the settings that answers depend on.

    `problems` repeats the blocking checks that lie behind it, since they may have failed in another run: a sentence that
    is true when all is well -> what speaks against it.
    """

    parts: Mapping[str, Version]
    settings: dict[str, Any]
    problems: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def named(self) -> dict[str, dict[str, str]]:
        return {asset: {"fingerprint": part.fingerprint, "digest": part.digest} for asset, part in self.parts.items()}

    @property
    def bundle(self) -> str:
        return bundle_digest(self.named, self.settings)

    def strangers(self) -> list[str]:
        """Parts that were not made from each other: a sentence for each parent that is not the part beside it."""
        return [
            f"{asset} was made from {parent} {read[:12]}, the candidate has {self.parts[parent].digest[:12]}"
            for asset, part in self.parts.items()
            for parent, read in part.parents.items()
            if parent in self.parts and self.parts[parent].digest != read
        ]


def promote(
    lake: Lake, history: History, candidate: Candidate, gate: Gate, compare: Compare, registry: Callable[[], Registry]
) -> Version:
    """Decide about a candidate (its parts include "eval_scores" and "checkpoint") and promote it if the gate passes.

    `compare(champion's scores, candidate's scores)` gives the 95 % interval of the paired difference, or None. Asking
    again about the live bundle decides nothing and sets MLflow's alias right.
    """
    live = history.live()
    if live and live.bundle == candidate.bundle:
        registry().align(live)
        return _decision(lake, candidate, live, "promoted", live.reasons)

    verdict = _judged(lake, candidate, gate, compare, live)
    if verdict.outcome != "pass":
        return _decision(lake, candidate, live, "refused" if verdict.outcome == "fail" else "inconclusive", verdict.reasons)

    shelf, checkpoint = registry(), candidate.parts["checkpoint"]
    tags = {asset: part.digest for asset, part in candidate.parts.items()}
    release = Release(
        epoch=live.epoch + 1 if live else 1,
        pipeline=lake.pipeline,
        parts=candidate.named,
        settings=candidate.settings,
        scores=_headline(candidate.parts["eval_scores"].json("summary"), gate.metric),
        model_version=shelf.register(candidate.bundle, checkpoint.file("adapter"), tags),
        reasons=verdict.reasons,
    )
    history.append(release)
    shelf.align(release)
    return _decision(lake, candidate, release, "promoted", verdict.reasons)


def _judged(lake: Lake, candidate: Candidate, gate: Gate, compare: Compare, live: Release | None) -> Verdict:
    scores = candidate.parts["eval_scores"]
    defended = live if live and _answers_still(lake, live) else None
    against = None if defended is None else _against_champion(lake, defended, scores, compare)
    scored = decide(gate, scores.json("summary"), against, champion_exists=defended is not None)
    return Verdict(
        (
            _none("its parts were made from each other", candidate.strangers(), "inconclusive"),
            *(_none(requirement, found, "fail") for requirement, found in candidate.problems.items()),
            *scored.findings,
        )
    )


def _none(requirement: str, found: Sequence[str], otherwise: Outcome) -> Finding:
    return Finding(requirement, "; ".join(found[:3]) or "no exception", otherwise if found else "pass")


def _answers_still(lake: Lake, live: Release) -> bool:
    """Whether the champion has what it answers with. One whose parts are gone, as after losing the lake, is not defended."""
    try:
        for asset in ANSWERING:
            if asset in live.parts:
                lake.read(asset, live.parts[asset]["fingerprint"])
    except DamagedVersion:
        return False
    return True


def _against_champion(lake: Lake, live: Release, scores: Version, compare: Compare) -> tuple[float, float] | None:
    try:
        return compare(lake.read("eval_scores", live.parts["eval_scores"]["fingerprint"]), scores)
    except DamagedVersion:
        return None  # not measured: the gate says so


def _headline(summary: Mapping[str, Any], metric: str) -> dict[str, float]:
    return {
        metric: summary["fine_tuned"][metric]["mean"],
        f"base_{metric}": summary["base"][metric]["mean"],
        "hit_at_5": summary["retrieval"]["hit_at_5"]["mean"],
    }


def _decision(lake: Lake, candidate: Candidate, live: Release | None, outcome: str, reasons: list[str]) -> Version:
    decision = {
        "outcome": outcome,
        "reasons": reasons,
        "bundle": candidate.bundle,
        "epoch": live.epoch if live else 0,
        "model_version": live.model_version if live else "",
    }

    def write(draft) -> None:
        draft.json("release", decision)
        draft.facts.update({key: decision[key] for key in ("outcome", "epoch", "model_version")})
        draft.facts["reasons"] = reasons

    return lake.once("release", code=CODE, config=decision, parents=candidate.parts.values(), write=write)
