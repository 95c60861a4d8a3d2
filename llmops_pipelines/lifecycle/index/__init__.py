"""Chunks, vectors and the index: documents cut into passages, embedded once per text, searchable one version at a time."""

from . import checks
from .embedders.embedder import Embedder
from .embedders.fidelity import the_embedder_is_faithful
from .embedding import CODE as _EMBED
from .embedding import embed, vectors
from .engines import drop
from .engines.contract import EVERYTHING, Where
from .errors import IndexingError
from .indexing import CODE as _BUILD
from .indexing import Connect, build
from .passages import CODE as _CUT
from .passages import cut, passages
from .search.retrieval import NO_GROUP, Hit, Retriever, Settings
from .search.tuning import CODE as _TUNE
from .search.tuning import TuningQuestion, tune

CODES = {"chunks": _CUT, "embeddings": _EMBED, "index": _BUILD, "retrieval_settings": _TUNE}

__all__ = [
    "CODES",
    "EVERYTHING",
    "NO_GROUP",
    "Connect",
    "Embedder",
    "Hit",
    "IndexingError",
    "Retriever",
    "Settings",
    "TuningQuestion",
    "Where",
    "build",
    "checks",
    "cut",
    "drop",
    "embed",
    "passages",
    "the_embedder_is_faithful",
    "tune",
    "vectors",
]
