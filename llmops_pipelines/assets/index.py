"""The index: chunks, vectors, a searchable version that is verified before anyone can read it, and how it is asked."""

import dagster as dg

from llmops_pipelines.lifecycle import datasets
from llmops_pipelines.lifecycle import index as stage
from llmops_pipelines.lifecycle.lake import Version
from llmops_pipelines.resources.compute import Compute
from llmops_pipelines.resources.home import Home
from llmops_pipelines.resources.secrets import Secrets
from llmops_pipelines.resources.vector_store import VectorStore

from .corpus import POOL
from .product import Product
from .showing import check_result, shown


def build(product: Product) -> list:
    """Assets `chunks`, `embeddings`, `index` and `retrieval_settings`, and their checks."""
    words = product.pipeline

    @product.asset(group="index", kinds={"parquet"}, code=stage.CODES["chunks"], follows="documents", pool=POOL)
    def chunks(
        context: dg.AssetExecutionContext, documents: Version, home: Home, compute: Compute
    ) -> dg.MaterializeResult[Version]:
        """Passages that are verbatim slices of their documents, with character offsets, heading path and token count."""
        return shown(stage.cut(home.lake(product.name), documents, words.chunks, words.embeddings, compute.of(words, context)))

    @product.asset(group="index", kinds={"pytorch"}, code=stage.CODES["embeddings"], follows="chunks", pool=POOL)
    def embeddings(
        context: dg.AssetExecutionContext, chunks: Version, home: Home, compute: Compute, secrets: Secrets
    ) -> dg.MaterializeResult[Version]:
        """One vector per distinct passage, computed once per content and embedding model."""
        return shown(stage.embed(home.lake(product.name), chunks, words.embeddings, compute.of(words, context), secrets))

    @product.asset(group="index", kinds={"qdrant"}, code=stage.CODES["index"], follows="embeddings", pool="vector_store")
    def index(chunks: Version, embeddings: Version, home: Home, vector_store: VectorStore) -> dg.MaterializeResult[Version]:
        """A searchable version in Qdrant, built from the one before by its difference, verified before it is published."""
        connect = vector_store.connector(words.index)
        return shown(stage.build(home.lake(product.name), chunks, embeddings, words.index, connect, product.name))

    @product.asset(group="index", kinds={"matplotlib"}, code=stage.CODES["retrieval_settings"], pool="vector_store")
    def retrieval_settings(
        index: Version, documents: Version, home: Home, vector_store: VectorStore, secrets: Secrets
    ) -> dg.MaterializeResult[Version]:
        """How the index is asked: dense, BM25 or a mix, chosen by cross-validation on questions that the gate does not use."""
        asked = [
            stage.TuningQuestion(each.question, frozenset(each.documents), each.cluster)
            for each in datasets.train_side(documents, words.questions, product.project)
        ]
        connect = vector_store.connector(words.index)
        lake = home.lake(product.name)
        version = stage.tune(lake, index, asked, words.embeddings, words.retrieval, connect, secrets)
        return shown(version, pictures=["tuning.png"])

    @product.check("embeddings")
    def every_vector_is_sound(embeddings: Version, home: Home) -> dg.AssetCheckResult:
        """Each vector is finite and of unit length, and they are not all the same."""
        return check_result(stage.checks.vectors_are_sound(home.lake(product.name), embeddings))

    @product.check("embeddings")
    def the_embedder_is_faithful(embeddings: Version, chunks: Version, home: Home, secrets: Secrets) -> dg.AssetCheckResult:
        """bf16 makes the vectors that fp32 makes, and an endpoint those that it made before, on a sample."""
        lake = home.lake(product.name)
        return check_result(stage.the_embedder_is_faithful(lake, chunks, embeddings, words.embeddings, secrets))

    @product.check("index")
    def every_chunk_is_indexed(index: Version, chunks: Version, vector_store: VectorStore) -> dg.AssetCheckResult:
        """The engine holds exactly the chunks, with the texts that they have now."""
        return check_result(stage.checks.every_chunk_is_indexed(index, chunks, vector_store.connector(words.index)))

    @product.check("index")
    def nobody_sees_what_is_not_theirs(index: Version, chunks: Version, vector_store: VectorStore) -> dg.AssetCheckResult:
        """The engine shows a caller exactly the chunks of the caller's groups and those for everybody."""
        connect = vector_store.connector(words.index)
        return check_result(stage.checks.nobody_sees_what_is_not_theirs(index, chunks, connect))

    @product.check("index", blocking=False)
    def the_graph_finds_enough(index: Version) -> dg.AssetCheckResult:
        """The graph finds at least 0.99 of the exact ten nearest passages; else every passage is looked at, which is slow."""
        return check_result(stage.checks.the_graph_finds_enough(index), warn=True)

    return [
        chunks,
        embeddings,
        index,
        retrieval_settings,
        every_vector_is_sound,
        the_embedder_is_faithful,
        every_chunk_is_indexed,
        nobody_sees_what_is_not_theirs,
        the_graph_finds_enough,
    ]
