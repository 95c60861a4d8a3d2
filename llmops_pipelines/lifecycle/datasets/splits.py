"""Which side of the split a document cluster is on. No list of sides is kept: the answer follows from the cluster id alone.

So a document stays where it is whatever else comes or goes, as long as its cluster keeps its id; documents that
become near-duplicates of each other land on one side together.
"""

import hashlib
from typing import Literal

Side = Literal["train", "held_out"]


def side(cluster: str, held_out: float) -> Side:
    """Side of a cluster. `held_out` is the share (0 to 1) of clusters kept for evaluation; raising it moves clusters
    only from "train" to "held_out"."""
    place = int.from_bytes(hashlib.sha256(f"split:{cluster}".encode()).digest()[:8], "big") / 2**64
    return "held_out" if place < held_out else "train"


def trainable(consent: str, trust: str) -> bool:
    """Whether a model may learn from a document: its owners agreed, and its source is trusted."""
    return consent == "search_and_training" and trust == "trusted"
