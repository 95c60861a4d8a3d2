"""Evaluation: what both models answer to the held-out questions, and how good that is."""

import dagster as dg

from llmops_pipelines.lifecycle import evaluation as stage
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.secrets import Secrets
from llmops_pipelines.resources.tracking import Tracking
from llmops_pipelines.resources.vector_store import VectorStore

from .product import Product
from .showing import check_result, shown
from .tracked import artifacts, dataset, everything, parameters, tags


def build(product: Product) -> list:
    """Assets `answers` and `eval_scores`, and the check on coverage."""
    words = product.pipeline

    @product.asset(group="evaluation", kinds={"pytorch"}, code=stage.CODES["answers"], pool="vector_store")
    def answers(
        eval_questions: Version,
        index: Version,
        retrieval_settings: Version,
        base_model: Version,
        checkpoint: Version,
        home: Home,
        vector_store: VectorStore,
        secrets: Secrets,
    ) -> dg.MaterializeResult[Version]:
        """What the base and the fine-tuned model answer, from the same retrieved passages and the same prompt."""
        read = (eval_questions, index, retrieval_settings, base_model, checkpoint)
        doors = (vector_store.connector(words.index), secrets, product.project)
        return shown(stage.answer(home.lake(product.name), *read, words.answers, words.embeddings, *doors))

    @product.asset(group="evaluation", kinds={"ragas"}, code=stage.CODES["eval_scores"])
    def eval_scores(
        context: dg.AssetExecutionContext,
        eval_questions: Version,
        answers: Version,
        documents: Version,
        home: Home,
        tracking: Tracking,
        secrets: Secrets,
    ) -> dg.MaterializeResult[Version]:
        """Retrieval and answer quality per question, with bootstrap intervals, base and fine-tuned side by side."""
        lake = home.lake(product.name)
        version = stage.score(lake, eval_questions, answers, documents, words.answers, words.embeddings, secrets)
        files = artifacts(version, "scores.png", "summary.json")
        settings = (parameters(words.answers), parameters(words.embeddings), parameters(words.gate))
        logged = everything(dataset(eval_questions, "evaluation"), *settings, files)
        page = tracking.record(version, tags(context), logged)
        return shown(version, mlflow_run=page, pictures=["scores.png"])

    @product.check("eval_scores", blocking=False)  # the gate measures it too, and records the refusal
    def every_question_was_scored(eval_scores: Version) -> dg.AssetCheckResult:
        """The share of questions with a finite score reaches `gate.coverage`."""
        coverage = eval_scores.facts["coverage"]
        return check_result((coverage >= words.gate.coverage, {"coverage": coverage, "required": words.gate.coverage}))

    return [answers, eval_scores, every_question_was_scored]
