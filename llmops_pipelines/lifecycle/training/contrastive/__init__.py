"""Contrastive tuning of the pipeline's embedding model on its own question-passage pairs, measured on documents apart.

Language models are tuned beside this folder; how vectors are computed for the index is `index/embedders`.
"""

from .launch import CODE as _TUNE
from .launch import Adoption, adopt, tune_embedder
from .negatives import CODE as _NEGATIVES
from .negatives import Search, found_by, hard_negatives
from .pairs import CODE as _PAIRS
from .pairs import embedder_pairs
from .truth import embedder_is_sound

CODES = {"embedder_pairs": _PAIRS, "hard_negatives": _NEGATIVES, "embedder": _TUNE}

__all__ = [
    "CODES",
    "Adoption",
    "Search",
    "adopt",
    "embedder_is_sound",
    "embedder_pairs",
    "found_by",
    "hard_negatives",
    "tune_embedder",
]
