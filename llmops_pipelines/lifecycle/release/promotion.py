"""Promotion: gate, record, alias, read back. A refusal leaves the champion alone and says why.

The result is itself a version: the decision with its reasons, whatever the outcome.
"""

from collections.abc import Callable, Mapping
from typing import Any

from llmops_pipelines.config.pipeline import Answers, Gate
from llmops_pipelines.lifecycle.lake import Lake, Version

from .gate import decide
from .history import History, Release, bundle_digest
from .registry import Registry

CODE = "1"


def promote(
    lake: Lake,
    history: History,
    parts: list[Version],
    gate: Gate,
    answers: Answers,
    compare: Callable[[Version, Version], tuple[float, float] | None],
    registry: Callable[[], Registry],
) -> Version:
    """Decide about the bundle of `parts` (they include "eval_scores" and "checkpoint") and promote it if the gate passes.

    `compare(champion's scores, candidate's scores)` gives the 95 % interval of the paired difference, or None. `registry`
    is opened only when something must change there. Asking again about the live bundle changes nothing.
    """
    by_asset = {part.asset: part for part in parts}
    named = {part.asset: {"fingerprint": part.fingerprint, "digest": part.digest} for part in parts}
    settings = {"answers": answers.model_dump(mode="json")}
    bundle = bundle_digest(named, settings)
    live = history.live()
    if live and live.bundle == bundle:
        registry().align(live)
        return _decision(lake, parts, bundle, live, live, live.reasons, "pass")

    scores = by_asset["eval_scores"]
    summary = scores.json("summary")
    against = _against_champion(lake, live, scores, compare)
    verdict = decide(gate, summary, against, champion_exists=live is not None)
    if verdict.outcome != "pass":
        return _decision(lake, parts, bundle, live, None, verdict.reasons, verdict.outcome)

    shelf = registry()
    tags = {part.asset: part.digest for part in parts}
    model_version = shelf.register(bundle, by_asset["checkpoint"].file("adapter"), tags)
    release = Release(
        epoch=live.epoch + 1 if live else 1,
        pipeline=lake.pipeline,
        parts=named,
        settings=settings,
        scores=_headline(summary, gate.metric),
        model_version=model_version,
        reasons=verdict.reasons,
    )
    history.append(release)
    shelf.align(release)
    return _decision(lake, parts, bundle, live, release, verdict.reasons, "pass")


def _against_champion(
    lake: Lake, live: Release | None, scores: Version, compare: Callable[[Version, Version], tuple[float, float] | None]
) -> tuple[float, float] | None:
    if live is None:
        return None
    champion = lake.find("eval_scores", live.parts["eval_scores"]["fingerprint"])
    return None if champion is None else compare(champion, scores)


def _headline(summary: Mapping[str, Any], metric: str) -> dict[str, float]:
    return {
        metric: summary["fine_tuned"][metric]["mean"],
        f"base_{metric}": summary["base"][metric]["mean"],
        "hit_at_5": summary["retrieval"]["hit_at_5"]["mean"],
    }


def _decision(
    lake: Lake,
    parts: list[Version],
    bundle: str,
    before: Release | None,
    after: Release | None,
    reasons: list[str],
    outcome: str,
) -> Version:
    live = after or before
    decision = {
        "outcome": "promoted" if outcome == "pass" else "refused" if outcome == "fail" else "inconclusive",
        "reasons": reasons,
        "bundle": bundle,
        "epoch": live.epoch if live else 0,
        "model_version": live.model_version if live else "",
    }

    def write(draft) -> None:
        draft.json("release", decision)
        draft.facts.update({key: decision[key] for key in ("outcome", "epoch", "model_version")})
        draft.facts["reasons"] = reasons

    return lake.once("release", code=CODE, config=decision, parents=parts, write=write)
