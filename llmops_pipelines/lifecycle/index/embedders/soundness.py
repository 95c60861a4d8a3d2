"""What a vector must be before it is stored or searched. Engines accept NaN and zero vectors and then never find the point."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import IndexingError

if TYPE_CHECKING:
    import numpy as np

UNIT_TOLERANCE = 1e-3  # of the length of a vector
COLLAPSED = 0.98  # length of the mean of unit vectors from which they all point the same way; 1 = all equal


def faults(vectors: "np.ndarray", dimension: int) -> dict[int, str]:
    """Row number and reason of each vector of float32 [n, d] that is not finite, constant or not of unit length."""
    import numpy as np

    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        shape = "x".join(map(str, vectors.shape))
        return dict.fromkeys(range(len(vectors)), f"shape {shape} instead of {dimension} components")
    if vectors.dtype != np.float32:
        return dict.fromkeys(range(len(vectors)), f"{vectors.dtype} instead of float32")
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))  # one pass; what is not finite makes no length of 1
        unit = np.abs(lengths - 1) <= UNIT_TOLERANCE
    suspect = ~unit | ((vectors[:, 0] == vectors[:, -1]) & (dimension > 1))
    reasons = {row: _reason(vectors[row], lengths[row]) for row in np.flatnonzero(suspect).tolist()}
    return {row: reason for row, reason in reasons.items() if reason}


def _reason(vector: "np.ndarray", length: float) -> str:
    """What is wrong with one vector; '' when nothing is."""
    import numpy as np

    if not np.isfinite(vector).all():
        return "not a number"
    if len(vector) > 1 and (vector == vector[0]).all():
        return "all components equal"
    return "" if abs(length - 1) <= UNIT_TOLERANCE else f"length {length:.3g} instead of 1"


def spread(vectors: "np.ndarray") -> float:
    """Length of the mean vector: near 0 for texts of all kinds, 1 when a broken model says the same of every text."""
    import numpy as np

    return float(np.linalg.norm(vectors.mean(axis=0))) if len(vectors) else 0.0


def refuse_faults(vectors: "np.ndarray", dimension: int, names: Sequence[str]) -> None:
    """Raise IndexingError with the names (chunk ids) of vectors that must not be stored."""
    if len(vectors) != len(names):
        raise IndexingError(f"{len(vectors)} vectors were made for {len(names)} texts, first {names[0]}; nothing was stored")
    if found := faults(vectors, dimension):
        row, reason = next(iter(found.items()))
        shown = ", ".join(names[row] for row in list(found)[:3])
        raise IndexingError(
            f"{len(found)} of {len(names)} vectors are unsound ({reason}), chunks {shown}{', ...' if len(found) > 3 else ''}; "
            "nothing of them was stored, check embeddings.model and embeddings.precision"
        )


def refuse_collapse(vectors: "np.ndarray", names: Sequence[str]) -> None:
    """Raise IndexingError when vectors of texts that have nothing in common are almost equal."""
    if (length := spread(vectors)) > COLLAPSED:
        raise IndexingError(
            f"the vectors of {len(names)} different texts are almost equal (mean vector of length {length:.3f}): {names[0]!r}, "
            f"{names[1]!r}, ...; nothing was stored, check the weights of embeddings.model"
        )
