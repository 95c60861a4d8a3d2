"""Evaluation: what each candidate answers to the held-out questions, how good that is, and how they compare."""

import dagster as dg

from llmops_pipelines.config.candidates import Candidate
from llmops_pipelines.lifecycle import evaluation as stage
from llmops_pipelines.lifecycle import index as indexing
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.secrets import Secrets
from llmops_pipelines.resources.tracking import Tracking
from llmops_pipelines.resources.vector_store import VectorStore

from .candidates import for_each
from .product import ByPartition, Product
from .showing import check_result, shown, shown_by_partition
from .tracked import artifacts, dataset, everything, parameters, tags


def build(product: Product) -> list:
    """Assets `answers` and `eval_scores` per candidate, `comparison` of all, `judge` where one is named, and their checks."""
    judged = [_judge(product)] if product.pipeline.evaluation.judge else []
    return [*judged, _answers(product), _eval_scores(product), *_comparison(product)]


def _answers(product: Product) -> dg.AssetsDefinition:
    words = product.pipeline

    @product.of_each_candidate(kinds={"pytorch"}, code=stage.CODES["answers"], pool="vector_store")
    def answers(
        context: dg.AssetExecutionContext,
        eval_questions: Version,
        index: Version,
        retrieval_settings: Version,
        home: Home,
        vector_store: VectorStore,
        secrets: Secrets,
        tracking: Tracking,
        **models: Version | ByPartition,
    ) -> dg.MaterializeResult[ByPartition]:
        """What each candidate says to every question, from the passages it finds; a candidate that fails is named, and the
        others go on."""
        lake = home.lake(product.name)
        doors = (vector_store.connector(words.index), secrets, product.project)

        def work(name: str, candidate: Candidate) -> Version:
            parts = product.parts(candidate, models, index=index, retrieval_settings=retrieval_settings)
            version = stage.answer(lake, candidate, eval_questions, parts, words.answers, words.embeddings, *doors)
            tracking.prompts(product.name, version)
            return version

        return shown_by_partition(context, for_each(product, context, lake, work))

    return answers


def _judge(product: Product) -> dg.AssetsDefinition:
    words = product.pipeline

    @product.asset(group="evaluation", kinds={"openai"}, code=stage.CODES["judge"], pool="judge")
    def judge(eval_questions: Version, home: Home, secrets: Secrets) -> dg.MaterializeResult[Version]:
        """The judge, examined anew: does it tell right from wrong, does it repeat itself, does it obey what it reads, and is
        it the one that it was?"""
        embedder = indexing.Embedder.open(words.embeddings, secrets)
        settings = (words.evaluation.judge, eval_questions, embedder, secrets, product.project)
        return shown(stage.examine(home.lake(product.name), *settings), table="anchors")

    return judge


def _eval_scores(product: Product) -> dg.AssetsDefinition:
    words = product.pipeline
    judging = words.evaluation.judge

    @product.asset(
        group="evaluation",
        kinds={"ragas"},
        code=stage.CODES["eval_scores"],
        partitions=product.by_candidate,
        reads={"judge": "judge"} if judging else {},
    )
    def eval_scores(
        context: dg.AssetExecutionContext,
        eval_questions: Version,
        answers: ByPartition,
        documents: Version,
        home: Home,
        tracking: Tracking,
        secrets: Secrets,
        **judge: Version,
    ) -> dg.MaterializeResult[ByPartition]:
        """Retrieval and answer quality per question and candidate, with bootstrap intervals and by slice."""
        lake, pages = home.lake(product.name), {}
        measured = {"secrets": secrets, "judging": judging, **judge}

        def work(name: str, candidate: Candidate) -> Version:
            said = stage.made_from(answers, name, eval_questions)
            settings = (said, documents, words.answers, words.embeddings)
            version = stage.score(lake, name, eval_questions, *settings, **measured)
            logged = (dataset(eval_questions, "evaluation"), parameters(candidate=candidate, gate=words.gate))
            pages[name] = tracking.record(
                version, tags(context), everything(*logged, artifacts(version, "scores.png", "summary.json"))
            )
            return version

        done = for_each(product, context, lake, work)
        return shown_by_partition(context, done, also=["slices"], pictures=["scores.png"], mlflow_runs=pages)

    return eval_scores


def _comparison(product: Product) -> list:
    gate = product.pipeline.gate

    @product.asset(group="evaluation", kinds={"matplotlib"}, code=stage.CODES["comparison"])
    def comparison(
        eval_questions: Version, answers: ByPartition, eval_scores: ByPartition, home: Home
    ) -> dg.MaterializeResult[Version]:
        """All candidates side by side: quality against time, tokens, cost and size; the cheapest that is as good as the best
        is marked."""
        version = _compared(home.lake(product.name), product, eval_questions, answers, eval_scores)
        return shown(version, table="standings", also=["candidates"], pictures=["comparison.png"])

    @product.check("comparison", blocking=False)
    def every_candidate_was_scored(comparison: Version) -> dg.AssetCheckResult:
        """Each candidate answered and was scored; what is compared leaves nobody out."""
        reasons = {row["candidate"]: row["reason"] for row in comparison.table("candidates").to_pylist() if row["reason"]}
        return check_result((not reasons, reasons), warn=True)

    @product.check("comparison", blocking=False)  # the gate measures it too, and records the refusal
    def every_question_was_scored(comparison: Version, eval_scores: ByPartition) -> dg.AssetCheckResult:
        """The share of questions with a finite score reaches `gate.coverage`, for every candidate."""
        shares = {name: version.facts["coverage"] for name, version in eval_scores.items()}
        return check_result((min(shares.values(), default=0.0) >= gate.coverage, {**shares, "required": gate.coverage}))

    return [comparison, every_candidate_was_scored, every_question_was_scored]


def _compared(lake: Lake, product: Product, eval_questions: Version, answers: ByPartition, eval_scores: ByPartition) -> Version:
    """Of the candidates as they are now; one whose scores are of other questions or answers is named with that reason."""
    scores, failed = {}, {}
    for name in product.candidates:
        try:
            said = stage.made_from(answers, name, eval_questions)
            scores[name] = stage.made_from(eval_scores, name, eval_questions, said)
        except stage.EvaluationError as reason:
            failed[name] = str(reason)
    said = {name: answers[name] for name in scores}
    gate = product.pipeline.gate
    return stage.compare_candidates(lake, scores, said, metric=gate.metric, coverage=gate.coverage, failed=failed)
