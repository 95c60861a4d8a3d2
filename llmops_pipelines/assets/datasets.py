"""Datasets: questions to measure with and examples to learn from, never from the same documents."""

from pathlib import Path
from types import MappingProxyType

import dagster as dg

from llmops_pipelines.lifecycle import datasets as stage
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.secrets import Secrets
from llmops_pipelines.resources.vector_store import VectorStore

from .product import Product
from .showing import check_result, shown

SEARCHED = MappingProxyType({"index": "index", "retrieval_settings": "retrieval_settings"})  # by what people's words are placed
WRITTEN = MappingProxyType({"written_pairs": "written_pairs"})


def build(product: Product) -> list:
    """Assets `eval_questions`, `training_examples` and what the YAML asks for besides (`preference_pairs`, `written_pairs`),
    and the leak checks between them."""
    words = product.pipeline

    @product.asset(group="datasets", kinds={"json"}, code=stage.CODES["eval_questions"])
    def eval_questions(documents: Version, home: Home) -> dg.MaterializeResult[Version]:
        """Questions with gold answers and source documents, of the document clusters that are held out of training."""
        version = stage.eval_questions(home.lake(product.name), documents, words.questions, product.project)
        return shown(version, also=["dropped"])

    learnt = [_examples(product)]
    if any(recipe.method == "dpo" for recipe in product.recipes.values()):
        learnt.append(_preferences(product))
    written = [_written(product)] if words.training.written_pairs else []  # what of it is learnt is checked there
    return [eval_questions, *written, *learnt, *(check for asset in learnt for check in _checks(product, asset.key.path[-1]))]


def _examples(product: Product) -> dg.AssetsDefinition:
    words = product.pipeline

    @product.asset(
        group="datasets", kinds={"parquet"}, code=stage.CODES["training_examples"], reads=_reads(product), pool="vector_store"
    )
    def training_examples(
        documents: Version, chunks: Version, home: Home, vector_store: VectorStore, secrets: Secrets, **read: Version
    ) -> dg.MaterializeResult[Version]:
        """Prompts and completions from the other clusters: their questions, pairs made from their sentences, what people
        corrected, what a teacher model wrote."""
        lake = home.lake(product.name)
        material = _material(product, lake, vector_store, secrets, read)
        settings = (words.questions, words.training, words.answers, product.project, material)
        return shown(stage.training_examples(lake, documents, chunks, *settings))

    return training_examples


def _preferences(product: Product) -> dg.AssetsDefinition:
    words = product.pipeline

    @product.asset(
        group="datasets", kinds={"parquet"}, code=stage.CODES["preference_pairs"], reads=_reads(product), pool="vector_store"
    )
    def preference_pairs(
        documents: Version, chunks: Version, home: Home, vector_store: VectorStore, secrets: Secrets, **read: Version
    ) -> dg.MaterializeResult[Version]:
        """Two answers to one prompt and which is better: said by people, or right against plausibly wrong."""
        lake = home.lake(product.name)
        material = _material(product, lake, vector_store, secrets, read)
        settings = (words.questions, words.training, words.answers, product.project, material)
        return shown(stage.preference_pairs(lake, documents, chunks, *settings))

    return preference_pairs


def _written(product: Product) -> dg.AssetsDefinition:
    words = product.pipeline
    window = words.training.decontamination.window

    @product.asset(group="datasets", kinds={"openai"}, code=stage.CODES["written_pairs"], pool="teacher")
    def written_pairs(documents: Version, chunks: Version, home: Home, secrets: Secrets) -> dg.MaterializeResult[Version]:
        """Question-answer pairs that a teacher model wrote about training passages, each checked against its passage."""
        settings = (words.questions, words.training.written_pairs, window, product.project, secrets)
        return shown(stage.written_pairs(home.lake(product.name), documents, chunks, *settings), also=["rejected"])

    return written_pairs


def _checks(product: Product, asset: str) -> list[dg.AssetChecksDefinition]:
    decontamination = product.pipeline.training.decontamination

    @product.check(asset, reads={"rows": asset})
    def nothing_leaks_into_training(eval_questions: Version, documents: Version, rows: Version) -> dg.AssetCheckResult:
        """No document, duplicate cluster, question or passage is on both sides of the split."""
        leaks = stage.leaks(eval_questions, rows, documents)
        return check_result((not leaks, {"leaks": len(leaks), "first_leaks": leaks[:10]}))

    @product.check(asset, reads={"rows": asset})
    def training_is_not_contaminated(
        eval_questions: Version, rows: Version, home: Home, secrets: Secrets
    ) -> dg.AssetCheckResult:
        """No training example says in the same or in other words what evaluation asks."""
        embedder = stage.Remembering(home.lake(product.name), index.Embedder.open(product.pipeline.embeddings, secrets))
        found = stage.contaminated(eval_questions, rows, embedder, decontamination)
        return check_result((not found, {"kinds": len(found), "found": found}))

    return [nothing_leaks_into_training, training_is_not_contaminated]


def _reads(product: Product) -> dict[str, str]:
    training = product.pipeline.training
    return {**(WRITTEN if training.written_pairs else {}), **(SEARCHED if training.feedback else {})}


def _material(
    product: Product, lake: Lake, vector_store: VectorStore, secrets: Secrets, read: dict[str, Version]
) -> stage.Material:
    """What examples are made with besides documents and questions. `read` holds the parents that `_reads` asked for."""
    words = product.pipeline

    def find(questions: list[str], k: int) -> list[list[index.Hit]]:
        asking, connect = index.Settings.of(read["retrieval_settings"]), vector_store.connector(words.index)
        parts = (lake, read["index"], words.embeddings, asking, connect, secrets, product.project)
        with index.Retriever.open(*parts) as retriever:
            return retriever.search(questions, k, index.EVERYTHING)

    feedback = words.training.feedback
    return stage.Material(
        prompt=stage.Prompt.load(Path(words.answers.prompt), product.project),
        people=stage.People(feedback, find, (read["index"], read["retrieval_settings"]), words.cleaning) if feedback else None,
        written=read.get("written_pairs"),
        decontamination=words.training.decontamination,
        embedder=stage.Remembering(lake, index.Embedder.open(words.embeddings, secrets)),
    )
