"""The release: the gate's decision about the newest candidate, and what answers users.

While the pipeline is frozen, a run that a schedule or sensor has started releases nothing; what a person starts does.
"""

from collections.abc import Mapping, Sequence

import dagster as dg

from llmops_pipelines.config.catalogue import load_catalogue
from llmops_pipelines.lifecycle import datasets, training
from llmops_pipelines.lifecycle.evaluation import EvaluationError, Spec
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.lifecycle.release import promotion as stage
from llmops_pipelines.lifecycle.release.candidate import Candidate
from llmops_pipelines.lifecycle.release.moves import Moves
from llmops_pipelines.lifecycle.release.registry import Registry
from llmops_pipelines.resources import freeze
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.tracking import Tracking

from .product import ByPartition, Product
from .showing import check_result, shown

BY_ITSELF = ("dagster/schedule_name", "dagster/sensor_name", "dagster/from_automation_condition")
"""Tags of runs that no person has started."""


def build(product: Product) -> list:
    """Asset `release`, and the checks that the gate passed and that MLflow agrees with the history."""
    words = product.pipeline
    preferences = ["preference_pairs"] if any(recipe.method == "dpo" for recipe in product.recipes.values()) else []

    @product.asset(
        group="release",
        kinds={"mlflow"},
        code=stage.CODE,
        reads={asset: asset for asset in (*product.models, *preferences)},
        pool="release",
    )
    def release(
        context: dg.AssetExecutionContext,
        documents: Version,
        chunks: Version,
        index: Version,
        retrieval_settings: Version,
        corpus_profile: Version,
        eval_questions: Version,
        training_examples: Version,
        answers: ByPartition,
        eval_scores: ByPartition,
        comparison: Version,
        home: Home,
        tracking: Tracking,
        **models: Version | ByPartition,
    ) -> dg.MaterializeResult[Version]:
        """Promoted, refused or inconclusive, with reasons. A pass moves the alias `champion`; anything else leaves it alone."""
        pairs = {asset: models.pop(asset) for asset in preferences}
        shared = (documents, chunks, index, retrieval_settings, corpus_profile, eval_questions, training_examples, comparison)
        parts = {part.asset: part for part in (*shared, *pairs.values())} | _chosen(
            product, comparison, answers, eval_scores, models
        )
        candidate = _candidate(product, parts, tracking, _frozen(product, home, context.run.tags))
        catalogue, actor = load_catalogue(product.project), f"Dagster run {context.run_id}"
        return shown(stage.promote(moves(product, home, tracking), candidate, words.gate, catalogue, actor))

    @product.check("release", blocking=False)
    def the_candidate_passed_the_gate(release: Version) -> dg.AssetCheckResult:
        """The newest candidate is good enough; when it is not, the champion before it still answers."""
        decision = release.json("release")
        return check_result((decision["outcome"] == "promoted", {"reasons": decision["reasons"]}), warn=True)

    @product.check("release", blocking=False)
    def mlflow_follows_the_history(release: Version, home: Home, tracking: Tracking) -> dg.AssetCheckResult:
        """MLflow's aliases name the releases that the history says are live."""
        differences = moves(product, home, tracking).differences()
        return check_result((not differences, {"differences": differences}))

    return [release, the_candidate_passed_the_gate, mlflow_follows_the_history]


def moves(product: Product, home: Home, tracking: Tracking) -> Moves:
    """What moves the releases of a product; MLflow is opened only when it is asked."""

    def registry() -> Registry:
        return Registry(tracking.client(), product.name)

    return Moves(home.lake(product.name), home.history(product.name), registry)


def _chosen(
    product: Product,
    comparison: Version,
    answers: ByPartition,
    eval_scores: ByPartition,
    models: Mapping[str, Version | ByPartition],
) -> dict[str, Version]:
    """By role what belongs to the candidate that `gate.candidate` names. Raises `EvaluationError` when it was not scored."""
    wanted, choice = product.pipeline.gate.candidate, comparison.json("choice")
    name = choice["chosen"] if wanted == "chosen" else wanted
    if name is None or name not in product.candidates:
        reason = choice["why"] if name is None else f"there are {', '.join(product.candidates)}"
        raise EvaluationError(f"gate.candidate: {wanted} names no candidate: {reason}")
    if missing := [asset for asset, known in (("answers", answers), ("eval_scores", eval_scores)) if name not in known]:
        raise EvaluationError(f"candidate {name} has no {missing[0]}; see why in {product.name}/comparison")
    spec = Spec.read(answers[name].json("candidate"))
    made = product.parts(product.candidates[name], models)
    roles = {"base_model": made.base, "checkpoint": made.checkpoint, "compressed": made.compressed}
    roles |= {"answers": answers[name], "eval_scores": eval_scores[name]}
    roles["base_eval_scores"] = eval_scores.get(product.untuned(name) or "") if spec.model == "tuned" else None
    return {role: version for role, version in roles.items() if version}


def _frozen(product: Product, home: Home, tags: Mapping[str, str]) -> list[str]:
    """What a freeze says against releasing what this run made."""
    found = freeze.frozen(home, product.name)
    if found is None or not any(tag in tags for tag in BY_ITSELF):
        return []
    return [f"{found}; a run that a person starts releases all the same: llmops run {product.name} --job retrain"]


def _candidate(product: Product, parts: Mapping[str, Version], tracking: Tracking, frozen: Sequence[str] = ()) -> Candidate:
    words = product.pipeline
    learnt = [parts[asset] for asset in ("training_examples", "preference_pairs") if asset in parts]
    problems = {
        "nothing leaked from evaluation into training": [
            leak for rows in learnt for leak in datasets.leaks(parts["eval_questions"], rows, parts["documents"])
        ]
    }
    if checkpoint := parts.get("checkpoint"):
        _, truths = training.checkpoint_is_sound(checkpoint)
        problems["the checkpoint is what was trained"] = [name for name, holds in truths.items() if holds is False]
    if frozen:
        problems["the pipeline is not frozen, or a person has started this run"] = list(frozen)
    return Candidate(
        spec=Spec.read(parts["answers"].json("candidate")),
        parts=parts,
        settings={name: getattr(words, name).model_dump(mode="json") for name in ("embeddings", "index")},
        problems=problems,
        run=tracking.run_of(checkpoint or parts["eval_scores"]),
        purpose=words.description,
    )
