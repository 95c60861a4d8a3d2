"""Datasets: questions to measure with and examples to learn from, never from the same documents."""

import dagster as dg

from llmops_pipelines.lifecycle import datasets as stage
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.resources.home import Home

from .product import Product
from .showing import check_result, shown


def build(product: Product) -> list:
    """Assets `eval_questions` and `training_examples`, and the leak check between them."""
    words = product.pipeline

    @product.asset(group="datasets", kinds={"json"}, code=stage.CODES["eval_questions"])
    def eval_questions(documents: Version, home: Home) -> dg.MaterializeResult[Version]:
        """Questions with gold answers and source documents, of the document clusters that are held out of training."""
        version = stage.eval_questions(home.lake(product.name), documents, words.questions, product.project)
        return shown(version, also=["dropped"])

    @product.asset(group="datasets", kinds={"parquet"}, code=stage.CODES["training_examples"])
    def training_examples(documents: Version, chunks: Version, home: Home) -> dg.MaterializeResult[Version]:
        """Prompts and completions from the other clusters: their questions, and pairs made from their sentences."""
        lake = home.lake(product.name)
        settings = (words.questions, words.training, words.answers)
        return shown(stage.training_examples(lake, documents, chunks, *settings, product.project))

    @product.check("training_examples")
    def nothing_leaks_into_training(
        eval_questions: Version, training_examples: Version, documents: Version
    ) -> dg.AssetCheckResult:
        """No document, duplicate cluster, question or passage is on both sides of the split."""
        leaks = stage.leaks(eval_questions, training_examples, documents)
        return check_result((not leaks, {"leaks": len(leaks), "first_leaks": leaks[:10]}))

    return [eval_questions, training_examples, nothing_leaks_into_training]
