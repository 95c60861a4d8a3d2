"""How a collection comes into being: vectors, graph, quantization and payload indexes, before the first point comes."""

from typing import Any

from ..errors import IndexingError
from .collection import Collection
from .contract import DENSE, KEYWORDS, SPARSE

M, EF_CONSTRUCT = 16, 128


def create(collection: Collection, dimension: int, quantization: str, identity: dict[str, str]) -> None:
    """Create the collection unless it exists. Raises IndexingError when it belongs to another identity."""
    client, name = collection.client, collection.name

    def made() -> None:
        if not client.collection_exists(name):  # asked each time: it may have been made, and the answer lost
            client.create_collection(name, **_described(dimension, quantization), metadata=identity)

    collection.ask("create", made)
    found = collection.state().metadata
    if any(found.get(key) != value for key, value in identity.items()):
        raise IndexingError(f"collection {name} belongs to another embedder or chunker; delete it or rename the pipeline")
    _create_indexes(collection)


def _described(dimension: int, quantization: str) -> dict[str, Any]:
    from qdrant_client.models import (
        Distance,
        HnswConfigDiff,
        Modifier,
        ScalarQuantization,
        ScalarQuantizationConfig,
        ScalarType,
        SparseVectorParams,
        VectorParams,
    )

    int8 = ScalarQuantization(scalar=ScalarQuantizationConfig(type=ScalarType.INT8, quantile=0.99, always_ram=True))
    dense = VectorParams(  # Dot of unit vectors: the cosine, stored verbatim
        size=dimension,
        distance=Distance.DOT,
        hnsw_config=HnswConfigDiff(m=M, ef_construct=EF_CONSTRUCT),
        quantization_config=int8 if quantization == "int8" else None,
        on_disk=quantization == "int8",  # the small copy stays in memory
    )
    return {
        "vectors_config": {DENSE: dense},
        "sparse_vectors_config": {SPARSE: SparseVectorParams(modifier=Modifier.IDF)},
    }


def _create_indexes(collection: Collection) -> None:
    """Before the first point comes: the graph is built for the filters that it will meet."""
    import warnings

    from qdrant_client.models import PayloadSchemaType

    kinds = dict.fromkeys(("added_in", "removed_in"), PayloadSchemaType.INTEGER)
    kinds |= dict.fromkeys(("chunk_id", *KEYWORDS), PayloadSchemaType.KEYWORD)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Payload indexes have no effect")  # the client's in-memory mode
        for field, kind in kinds.items():
            collection.ask("create", collection.client.create_payload_index, collection.name, field, kind, wait=True)
