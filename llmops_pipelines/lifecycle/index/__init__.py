"""Chunks, vectors and the index: documents cut into passages, embedded once per text, searchable one version at a time."""

from . import checks
from .embedder import Embedder
from .embedding import embed, vectors
from .errors import IndexingError
from .indexing import build
from .passages import cut, embedded_texts, passages
from .retrieval import Hit, Retriever

__all__ = [
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
