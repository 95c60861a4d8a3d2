"""Closeness in meaning: cosine of the embeddings of an answer and the nearest accepted answer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np


class Embeds(Protocol):
    """Whatever turns texts into vectors of unit length; `index.Embedder` in the product."""

    def embed(self, texts: list[str]) -> "np.ndarray": ...


def similarities(embedder: Embeds, answers: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """For each answer the highest cosine with one of its references, 0 to 1. An answer without words is worth 0."""
    if not answers:
        return []
    texts = sorted({text for text in answers if text.strip()} | {text for group in references for text in group})
    place = {text: row for row, text in enumerate(texts)}
    vectors = embedder.embed(texts)
    scores = []
    for answer, group in zip(answers, references, strict=True):
        if not answer.strip():
            scores.append(0.0)
            continue
        cosine = vectors[[place[text] for text in group]] @ vectors[place[answer]]
        scores.append(float(min(1.0, max(0.0, cosine.max()))))
    return scores
