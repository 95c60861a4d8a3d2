"""What else is asked of candidates where the YAML wants it: bias probes, tasks of lm-eval, agreement of judge and people."""

import dagster as dg

from llmops_pipelines.config.candidates import Candidate
from llmops_pipelines.lifecycle import datasets
from llmops_pipelines.lifecycle import evaluation as stage
from llmops_pipelines.lifecycle import index as indexing
from llmops_pipelines.lifecycle.lake import Refusal, Version
from llmops_pipelines.lifecycle.release.moves import part_of
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.secrets import Secrets
from llmops_pipelines.resources.vector_store import VectorStore

from .candidates import for_each
from .product import ByPartition, Product
from .showing import check_result, shown_by_partition


def build(product: Product) -> list:
    """Assets `bias` and `task_scores` per candidate and a check on the judge, each if `evaluation` in the YAML names it."""
    words = product.pipeline.evaluation
    people = product.pipeline.training.feedback
    return [
        *([_bias(product)] if words.bias else []),
        *([_tasks(product)] if words.tasks else []),
        *([_agreement(product)] if words.judge and people else []),
    ]


def _bias(product: Product) -> dg.AssetsDefinition:
    words = product.pipeline

    @product.of_each_candidate(kinds={"pytorch"}, code=stage.CODES["bias"], pool="vector_store")
    def bias(
        context: dg.AssetExecutionContext,
        eval_questions: Version,
        index: Version,
        retrieval_settings: Version,
        home: Home,
        vector_store: VectorStore,
        secrets: Secrets,
        **models: Version | ByPartition,
    ) -> dg.MaterializeResult[ByPartition]:
        """Each question that names a group, asked again with the other group's words: how close the two answers are."""
        lake = home.lake(product.name)
        doors = (vector_store.connector(words.index), secrets, product.project)
        embedder = indexing.Embedder.open(words.embeddings, secrets)

        def work(name: str, candidate: Candidate) -> Version:
            spec = stage.Spec.of(candidate, words.answers, product.project)
            parts = product.parts(candidate, models, index=index, retrieval_settings=retrieval_settings)

            def ask(questions: list[str]) -> list[str | None]:
                with stage.Chain.open(lake, spec, parts, words.embeddings, *doors) as chain:
                    return [asked.answer for asked in chain.ask(questions, indexing.EVERYTHING)]

            asked = (eval_questions, spec.parents(parts), ask, words.evaluation.bias, embedder, embedder.fingerprint)
            return stage.probe_bias(lake, spec, *asked)

        return shown_by_partition(context, for_each(product, context, lake, work))

    return bias


def _tasks(product: Product) -> dg.AssetsDefinition:
    words = product.pipeline

    @product.of_each_candidate(kinds={"pytorch"}, code=stage.CODES["task_scores"], pool="training")
    def task_scores(
        context: dg.AssetExecutionContext, home: Home, **models: Version | ByPartition
    ) -> dg.MaterializeResult[ByPartition]:
        """The user's own tasks of lm-eval, for each candidate that is a local model."""
        lake = home.lake(product.name)

        def work(name: str, candidate: Candidate) -> Version:
            spec = stage.Spec.of(candidate, words.answers, product.project)
            parts = product.parts(candidate, models)
            made = (words.evaluation.tasks, *stage.weights_of(parts.base, parts.checkpoint), product.project)
            return stage.task_scores(lake, name, spec.models(parts), *made)

        return shown_by_partition(context, for_each(product, context, lake, work, only=_has_weights))

    return task_scores


def _judged_by(judge: Version, eval_scores: Version) -> bool:
    """Whether these scores are by this very judge, as it is now."""
    said = eval_scores.json("judge") if eval_scores.has("judge.json") else {}
    return all(said.get(word) == judge.json("judge")[word] for word in ("identity", "epoch"))


def _has_weights(candidate: Candidate) -> bool:
    return candidate.model in ("base", "tuned") and candidate.compression == "none"


def _agreement(product: Product) -> dg.AssetChecksDefinition:
    words = product.pipeline

    @product.check("judge", blocking=False)
    def the_judge_agrees_with_people(judge: Version, home: Home) -> dg.AssetCheckResult:
        """Where people rated answers that the judge scored, they rank them alike (Spearman above 0)."""
        lake, history = home.lake(product.name), home.history(product.name)
        lines = datasets.load_feedback(words.training.feedback, product.project)
        ratings = [stage.Rating(line.release, line.question, line.rating == "good") for line in lines]
        found = []
        for metric in words.evaluation.judge.metrics:
            judged: dict[tuple[str, str], float] = {}
            for epoch in sorted({rating.release for rating in ratings if rating.release.isdigit()}):
                try:
                    release = history.record(int(epoch))
                    parts = [part_of(lake, release, role) for role in ("eval_scores", "eval_questions")]
                except (Refusal, KeyError):  # a release that is gone says nothing about this judge
                    continue
                if not _judged_by(judge, parts[0]):
                    continue
                judged |= stage.judged_answers(epoch, *parts, metric)
            found.append(stage.agreement(metric, ratings, judged))
        told = {each.metric: each.reason or f"Spearman {each.spearman:.2f}, kappa {each.kappa}, n {each.n}" for each in found}
        return check_result((all(each.spearman is None or each.spearman > 0 for each in found), told), warn=True)

    return the_judge_agrees_with_people
