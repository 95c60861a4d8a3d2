"""The release: the gate's decision about the newest candidate, and the champion that answers users."""

from functools import partial

import dagster as dg

from llmops_pipelines.lifecycle import datasets, evaluation, training
from llmops_pipelines.lifecycle import release as stage
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.tracking import Tracking

from .product import Product
from .showing import check_result, shown


def build(product: Product) -> list:
    """Asset `release`, and the checks that the gate passed and that MLflow agrees with the history."""
    words = product.pipeline

    settings = {name: getattr(words, name).model_dump(mode="json") for name in ("answers", "embeddings", "index")}

    @product.asset(group="release", kinds={"mlflow"}, code=stage.CODES["release"], pool="release")
    def release(
        documents: Version,
        chunks: Version,
        index: Version,
        retrieval_settings: Version,
        corpus_profile: Version,
        eval_questions: Version,
        training_examples: Version,
        base_model: Version,
        checkpoint: Version,
        answers: Version,
        eval_scores: Version,
        home: Home,
        tracking: Tracking,
    ) -> dg.MaterializeResult[Version]:
        """Promoted, refused or inconclusive, with reasons. A pass moves the alias `champion`; anything else leaves it alone."""
        parts = (documents, chunks, index, retrieval_settings, corpus_profile, eval_questions, training_examples)
        parts += (base_model, checkpoint, answers, eval_scores)
        _, truths = training.checkpoint_is_sound(checkpoint)
        problems = {
            "nothing leaked from evaluation into training": datasets.leaks(eval_questions, training_examples, documents),
            "the adapter is what was trained": [name for name, holds in truths.items() if holds is False],
        }
        candidate = stage.Candidate({part.asset: part for part in parts}, settings, problems)

        def registry() -> stage.Registry:
            return stage.Registry(tracking.client(), product.name, tracking.run_of(checkpoint))

        compare = partial(evaluation.compare, metric=words.gate.metric)
        lake, history = home.lake(product.name), home.history(product.name)
        return shown(stage.promote(lake, history, candidate, words.gate, compare, registry))

    @product.check("release", blocking=False)
    def the_candidate_passed_the_gate(release: Version) -> dg.AssetCheckResult:
        """The newest candidate is good enough; when it is not, the champion before it still answers."""
        decision = release.json("release")
        return check_result((decision["outcome"] == "promoted", {"reasons": decision["reasons"]}), warn=True)

    @product.check("release", blocking=False)
    def the_champion_alias_follows_the_history(release: Version, home: Home, tracking: Tracking) -> dg.AssetCheckResult:
        """MLflow's alias `champion` names the model version of the newest release record."""
        live = home.history(product.name).live()
        champion = stage.Registry(tracking.client(), product.name).champion()
        expected = live.model_version if live else None
        return check_result((champion == expected, {"alias": str(champion), "history": str(expected)}))

    return [release, the_candidate_passed_the_gate, the_champion_alias_follows_the_history]
