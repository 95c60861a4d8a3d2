"""The embedding model, tuned on the pipeline's own question-passage pairs; people adopt it by lines that the asset shows."""

import dagster as dg

from llmops_pipelines.lifecycle import index as indexing
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.lifecycle.training import contrastive as stage
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.secrets import Secrets
from llmops_pipelines.resources.tracking import Tracking
from llmops_pipelines.resources.vector_store import VectorStore

from .product import Product
from .showing import check_result, shown
from .tracked import artifacts, dataset, everything, parameters, tags
from .training import in_child


def build(product: Product) -> list:
    """Assets `embedder_pairs`, `hard_negatives` and `embedder` with its check, if the pipeline names a recipe for it."""
    recipe = product.embedder
    if recipe is None:
        return []
    words = product.pipeline
    negatives = {"hard_negatives": "hard_negatives"} if recipe.negatives.per_pair else {}

    @product.asset(group="training", kinds={"parquet"}, code=stage.CODES["embedder_pairs"])
    def embedder_pairs(
        documents: Version, chunks: Version, training_examples: Version, home: Home
    ) -> dg.MaterializeResult[Version]:
        """A question and the passage that answers it, of the side that may be learnt from."""
        lake = home.lake(product.name)
        return shown(stage.embedder_pairs(lake, documents, chunks, training_examples, words.questions.held_out))

    @product.asset(group="training", kinds={"qdrant"}, code=stage.CODES["hard_negatives"], pool="vector_store")
    def hard_negatives(
        embedder_pairs: Version,
        index: Version,
        retrieval_settings: Version,
        home: Home,
        vector_store: VectorStore,
        secrets: Secrets,
    ) -> dg.MaterializeResult[Version]:
        """Passages that the index finds for these questions although they do not answer them."""
        lake, asking = home.lake(product.name), indexing.Settings.of(retrieval_settings)

        def search(questions: list[str], k: int) -> list[list[str]]:
            doors = (vector_store.connector(words.index), secrets, product.project)
            with indexing.Retriever.open(lake, index, words.embeddings, asking, *doors) as retriever:
                return stage.found_by(retriever)(questions, k)

        return shown(stage.hard_negatives(lake, embedder_pairs, [index, retrieval_settings], search, recipe.negatives))

    @product.asset(group="training", kinds={"pytorch"}, code=stage.CODES["embedder"], pool="training", reads=negatives)
    def embedder(
        context: dg.AssetExecutionContext,
        embedder_pairs: Version,
        home: Home,
        tracking: Tracking,
        trainer: dg.PipesSubprocessClient,
        **searched: Version,
    ) -> dg.MaterializeResult[Version]:
        """The tuned embedding model, measured before and after on questions it never saw, and the YAML lines to adopt it."""
        lake, (run, followed) = home.lake(product.name), in_child(context, product, "embedder", tracking, trainer)
        parts = (embedder_pairs, searched.get("hard_negatives"), words.embeddings, recipe, home.folder)
        version = stage.tune_embedder(lake, *parts, run, followed)
        logged = everything(
            dataset(embedder_pairs, "training"), parameters(recipe=recipe), artifacts(version, "loss.png", "truth.json")
        )
        page = tracking.record(version, tags(context), logged)
        if version.json("embedder")["better"]:
            adoption = stage.adopt(version, home.folder)
            context.add_output_metadata({"adopt_it_with": dg.MetadataValue.md(f"```yaml\n{adoption.yaml}```")})
        return shown(version, table="training_log", pictures=["loss.png"], mlflow_run=page)

    @product.check("embedder")
    def the_embedder_is_what_was_tuned(embedder: Version) -> dg.AssetCheckResult:
        """Its vectors are finite, did not collapse, differ from the base's, and the saved model is the tuned one."""
        return check_result(stage.embedder_is_sound(embedder))

    searched = [hard_negatives] if negatives else []
    return [embedder_pairs, *searched, embedder, the_embedder_is_what_was_tuned]
