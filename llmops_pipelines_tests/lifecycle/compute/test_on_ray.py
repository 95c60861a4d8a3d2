"""The same stage functions under Ray Data: equal results, in order. A cluster of this machine stands for a real one."""

import dagster as dg
import pyarrow as pa
import pytest

from llmops_pipelines.config.pipeline import Chunks, Embeddings
from llmops_pipelines.lifecycle.compute import HERE
from llmops_pipelines.lifecycle.index.chunkers.chunking import Chunker
from llmops_pipelines.lifecycle.index.embedders.model_files import ModelFiles
from llmops_pipelines.lifecycle.index.embedding import EmbedTexts
from llmops_pipelines.lifecycle.index.passages import CutTexts
from llmops_pipelines.resources.compute import Compute

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore"),  # Ray and dagster-ray warn of their own plans
]
TEXT = "# Ferry {}\n\nThe ferry leaves at nine. It carries forty cars, and dogs are welcome on deck {}.\n\n## Fares\n\nFree."


def texts_to_cut(count: int) -> list[pa.RecordBatch]:
    numbers = [range(at, at + 4) for at in range(0, count, 4)]
    return [
        pa.RecordBatch.from_pydict(
            {
                "key": [str(n) for n in some],
                "title": [f"Ferry {n}" for n in some],
                "format": ["markdown"] * len(some),
                "text": [TEXT.format(n, n) for n in some],
            }
        )
        for some in numbers
    ]


def test_cutting_and_embedding_give_the_same_on_a_cluster(quickstart):
    on_ray = quickstart.pipeline.model_copy(update={"compute": "ray"})
    cutting = CutTexts(Chunker(ModelFiles.find(Embeddings()), Chunks(tokens=32)))
    embedding = EmbedTexts(Embeddings())
    batches = texts_to_cut(20)
    to_embed = [
        pa.RecordBatch.from_pydict(
            {"text_hash": batch.column("key"), "chunk_id": batch.column("key"), "text": batch.column("text")}
        )
        for batch in batches[:2]
    ]
    made: dict[str, list[pa.RecordBatch]] = {}

    @dg.asset
    def bulk(context: dg.AssetExecutionContext, compute: Compute) -> None:
        cluster = compute.of(on_ray, context)
        made["cut"] = list(cluster.map(cutting, iter(batches)))
        made["embedded"] = list(cluster.map(embedding, iter(to_embed)))

    try:
        assert dg.materialize([bulk], resources={"compute": Compute()}).success
    finally:
        import ray

        ray.shutdown()
    here = pa.Table.from_batches(list(HERE.map(cutting, batches)))
    assert pa.Table.from_batches(made["cut"]).equals(here)
    vectors = pa.Table.from_batches(made["embedded"])
    assert vectors.column("text_hash").to_pylist() == [str(n) for n in range(8)]
    alone = pa.Table.from_batches(list(HERE.map(embedding, to_embed)))
    for one, other in zip(vectors.column("vector").to_pylist(), alone.column("vector").to_pylist(), strict=True):
        assert sum(a * b for a, b in zip(one, other, strict=True)) > 0.9999
