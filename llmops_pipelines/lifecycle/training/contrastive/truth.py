"""Is the tuned embedder what it claims to be? Asked inside the tuning process, where the model is; the answers are stored
with the result, so that the asset check needs no torch.
"""

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.index.embedders.soundness import COLLAPSED, spread

from ...lake import Version
from ...lake.digests import file_digest
from ..progress import Point
from .encoding import Learner

if TYPE_CHECKING:
    import numpy as np

ANSWERS = (
    "every_loss_is_finite",
    "every_vector_is_finite",
    "the_saved_model_is_the_trained_one",
    "the_vectors_did_not_collapse",
    "the_vectors_changed",
)
PROBES = 64  # questions that the saved model is compared with the one in memory on
SAME = 0.999  # least cosine of the two; the index computes in another order, and maybe in another number format


def examined(
    learner: Learner, texts: list[str], before: "np.ndarray", after: "np.ndarray", keep_base: float, points: Sequence[Point]
) -> dict[str, Any]:
    """`before` and `after` are the vectors of `texts` by the base and by the saved model, as the index computes them.

    With `keep_base` above 0 the saved model is a mixture, and the comparison with the one in memory says nothing.
    """
    import numpy as np
    import torch

    with torch.inference_mode():
        inside = learner.vectors(learner.tokens(texts[:PROBES])).cpu().numpy()
    least = float((inside * after[:PROBES]).sum(axis=1).min())
    moved = float((before * after).sum(axis=1).min())
    return {
        "every_loss_is_finite": all(isfinite(point.loss) for point in points),
        "every_vector_is_finite": bool(np.isfinite(after).all()),
        "the_saved_model_is_the_trained_one": keep_base > 0 or least >= SAME,
        "the_vectors_did_not_collapse": spread(after) <= COLLAPSED,
        "the_vectors_changed": moved < 1 - 1e-5,
        "least_cosine_with_the_trained_one": number(least),
        "least_cosine_with_the_base": number(moved),
    }


def embedder_is_sound(version: Version) -> tuple[bool, dict[str, Any]]:
    """For a blocking asset check: all stored answers are yes, and the weights are still the ones they were given for."""
    stored = version.json("truth")
    answers = {name: stored.get(name) is True for name in ANSWERS}
    weights = next(version.file("model").rglob("model.safetensors"), None)
    unchanged = weights is not None and file_digest(weights) == version.json("embedder")["sha256"]
    answers["the_weights_are_the_ones_examined"] = unchanged
    return all(answers.values()), {**answers, **{name: value for name, value in stored.items() if name not in ANSWERS}}


def number(value: float) -> float | None:
    """What JSON can hold: a value that is no finite number is None."""
    return round(value, 6) if isfinite(value) else None
