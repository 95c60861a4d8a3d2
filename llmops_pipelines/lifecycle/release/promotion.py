"""Promotion: gate, record, alias, read back. A refusal leaves the champion alone and says why.

Asked by the graph about the newest candidate (`promote`), and by people about a release that stands in an earlier stage
(`advance`). What the graph decided is itself a version, whatever the outcome; how a release moves is `moves.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from llmops_pipelines.config.catalogue import Catalogue
from llmops_pipelines.config.gate import Gate, Stage
from llmops_pipelines.lifecycle.lake import DamagedVersion, Lake, Version, digest

from . import evidence
from .candidate import Candidate
from .gate import Finding, Outcome, Verdict, decide
from .history import Release
from .moves import Impossible, Moves, part_of
from .surroundings import code_version, packages
from .terms import cleared, terms

CODE = "4"


@dataclass(frozen=True)
class Plan:
    """What would be moved, and the verdict about it. Nothing was written."""

    release: Release
    live: Release | None
    verdict: Verdict


def promote(
    moves: Moves,
    candidate: Candidate,
    gate: Gate,
    catalogue: Catalogue | None,
    actor: str = "",
) -> Version:
    """Decide about the newest candidate, and release it into the gate's first stage if it passes.

    Asking again about the live bundle decides nothing and sets MLflow right. One that a person rolled back is not released
    again by itself. Raises what `Moves.finish` raises; then the next call goes on.
    """
    moves.resume()
    history, stage = moves.history, gate.enters
    live = history.live(stage)
    if live and live.bundle == candidate.bundle:
        moves.align(stage)
        return _decision(moves.lake, candidate, live, "promoted", live.reasons)
    waiting = [each for each in history.unfinished() if (each.stage, each.bundle) == (stage, candidate.bundle)]
    if waiting:
        return _decision(moves.lake, candidate, live, "awaiting approval", _asks(waiting[0]))
    if undone := history.withdrawn(candidate.bundle, stage):
        return _decision(moves.lake, candidate, live, "refused", [_rolled_back(undone)])

    plan = planned(moves, candidate, gate, stage, catalogue, actor)
    if plan.verdict.outcome != "promote":
        outcome = "refused" if plan.verdict.outcome == "reject" else "inconclusive"
        return _decision(moves.lake, candidate, live, outcome, plan.verdict.reasons)
    begun = carry_out(moves, plan)
    if begun.phase == "awaiting approval":
        return _decision(moves.lake, candidate, live, begun.phase, _asks(begun))
    return _decision(moves.lake, candidate, begun, "promoted", begun.reasons)


def advance(
    moves: Moves,
    epoch: int,
    stage: Stage,
    gate: Gate,
    catalogue: Catalogue | None,
    actor: str = "",
    why: str = "",
) -> Plan:
    """What promoting a release into a stage would do, by the gate of that stage. Raises `Impossible` if it cannot go there."""
    source, live = moves.history.record(epoch), moves.history.live(stage)
    if source.phase != "committed":
        raise Impossible(f"release {epoch} of {source.pipeline} is {source.phase}; only a committed one can be promoted")
    if stage not in gate.path:
        raise Impossible(f"{stage}: releases of {source.pipeline} go through {', '.join(gate.path)}; see gate.enters")
    if live and live.bundle == source.bundle:
        raise Impossible(f"release {epoch} of {source.pipeline} is live in {stage} already, as release {live.epoch}")
    been = {each.stage for each in moves.history.releases() if each.bundle == source.bundle}
    before = gate.path[max(0, gate.path.index(stage) - 1)]
    if not been & {stage, before}:
        raise Impossible(
            f"release {epoch} of {source.pipeline} was never live in {before}; promote it there first: "
            f"llmops release promote {source.pipeline} {epoch} --to {before}"
        )
    candidate = Candidate.of(moves.lake, source)
    found = planned(moves, candidate, gate, stage, catalogue, actor, why)
    carried = replace(found.release, kind="promotion", moves=source.moves or source.epoch)
    return replace(found, release=carried)


def planned(
    moves: Moves,
    candidate: Candidate,
    gate: Gate,
    stage: Stage,
    catalogue: Catalogue | None,
    actor: str = "",
    why: str = "",
) -> Plan:
    """Judge a candidate by the gate of a stage, and say what its record would be."""
    rules, history, parts = gate.at(stage), moves.history, candidate.parts
    last, live = max(history.epochs(), default=0), history.live(stage)
    scores, base = parts["eval_scores"], parts.get("base_eval_scores")
    held = evidence.measured(
        parts,
        candidate.spec.retrieves,
        evidence.against(base, scores) if candidate.spec.model == "tuned" else None,
        evidence.against(_scores_of(moves.lake, live), scores) if live and not moves.missing(live) else None,
    )
    made_from = terms(parts["documents"], parts.get("base_model"), candidate.spec, catalogue)
    verdict = Verdict(
        (
            _none("its parts were made from each other", candidate.strangers(), "inconclusive"),
            *(_none(requirement, found, "fail") for requirement, found in candidate.problems.items()),
            *decide(rules, held).findings,
            *cleared(rules, made_from, candidate.spec, catalogue),
        )
    )
    release = Release(
        epoch=last + 1,
        pipeline=moves.lake.pipeline,
        parts=candidate.named,
        settings=candidate.settings,
        scores=evidence.headline(held, rules, base),
        reasons=verdict.reasons,
        stage=stage,
        replaces=live.epoch if live else 0,
        approval=rules.approval,
        actor=actor,
        why=why or f"the gate of {stage} said {verdict.outcome}",
        candidate=candidate.described,
        judge=_judge(scores),
        terms={**made_from.recorded(), "purpose": candidate.purpose, "use": rules.use},
        evidence=evidence.recorded(rules, held, verdict, parts),
        run=candidate.run,
        code=code_version(),
        packages=packages(),
    )
    return Plan(release, live, verdict)


def carry_out(moves: Moves, plan: Plan) -> Release:
    """Write the planned record, and release it unless a person has to approve. Raises `Conflict` when the history moved on."""
    begun = moves.begin(plan.release)
    return begun if begun.phase == "awaiting approval" else moves.finish(begun)


def _scores_of(lake: Lake, live: Release) -> Version | None:
    try:
        return part_of(lake, live, "eval_scores") if "eval_scores" in live.parts else None
    except DamagedVersion:
        return None  # not measured: the gate says so


def _judge(scores: Version) -> str:
    """The judge's version: scores of two versions are never compared."""
    if not scores.has("judge.json"):
        return ""
    about = scores.json("judge")
    return f"{about['named']}, version {digest(about['identity'])[:12]}.{about['epoch']}"


def _none(requirement: str, found: Sequence[str], otherwise: Outcome) -> Finding:
    return Finding(requirement, "; ".join(found[:3]) or "no exception", otherwise if found else "pass")


def _asks(release: Release) -> list[str]:
    command = f"llmops release approve {release.pipeline} {release.epoch}"
    return [f"release {release.epoch} passed the gate of {release.stage} and waits for a person: {command}", *release.reasons]


def _rolled_back(undone: Release) -> str:
    command = f"llmops release promote {undone.pipeline} {undone.replaces} --to {undone.stage}"
    return (
        f"fail: nobody rolled it back (measured release {undone.replaces}, which release {undone.epoch} took back: "
        f"{undone.why or 'no reason given'}; if it shall answer all the same: {command})"
    )


def _decision(lake: Lake, candidate: Candidate, live: Release | None, outcome: str, reasons: list[str]) -> Version:
    decision = {
        "outcome": outcome,
        "reasons": reasons,
        "candidate": candidate.spec.name,
        "bundle": candidate.bundle,
        "epoch": live.epoch if live else 0,
        "model_version": live.model_version if live else "",
    }

    made_of = {"parts": candidate.named, "settings": candidate.settings, "described": candidate.described}

    def write(draft) -> None:
        draft.json("release", decision | made_of)
        draft.facts.update({key: decision[key] for key in ("outcome", "candidate", "epoch", "model_version")})
        draft.facts["reasons"] = reasons

    return lake.once("release", code=CODE, config=decision, parents=candidate.parts.values(), write=write)
