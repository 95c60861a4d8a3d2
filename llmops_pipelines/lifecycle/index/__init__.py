"""Chunks, vectors and the index: documents cut into passages, embedded once per text, searchable one version at a time."""

from . import checks
from .embedder import Embedder
from .embedding import CODE as _EMBED
from .embedding import embed, vectors
from .errors import IndexingError
from .indexing import CODE as _BUILD
from .indexing import build
from .passages import CODE as _CUT
from .passages import cut, embedded_texts, passages
from .retrieval import Hit, Retriever

CODES = {"chunks": _CUT, "embeddings": _EMBED, "index": _BUILD}

__all__ = [
    "CODES",
    "Embedder",
    "Hit",
    "IndexingError",
    "Retriever",
    "build",
    "checks",
    "cut",
    "embed",
    "embedded_texts",
    "passages",
    "vectors",
]
