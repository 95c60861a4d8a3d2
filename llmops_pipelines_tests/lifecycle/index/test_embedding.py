"""Stage `embed`: once per text, and nothing unsound is ever stored."""

import numpy as np
import pytest

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.index import Embedder, IndexingError, embedding

from .conftest import FERRY, LIGHT, direction


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch):
    """Replace the numbers that the model makes; `asked` collects its texts."""
    asked: list[str] = []

    def answer(spoil=lambda vectors: vectors) -> list[str]:
        def embed(self: Embedder, texts) -> np.ndarray:
            asked.extend(texts)
            return spoil(np.stack([direction(embedding.text_digest(text), 384) for text in texts]))

        monkeypatch.setattr(Embedder, "embed", embed)
        return asked

    return answer


def test_each_text_is_embedded_once_for_ever(lake, chunks, model) -> None:
    asked = model()
    first = index.embed(lake, chunks({"g/a.md": FERRY, "g/b.md": FERRY}), Embeddings())
    assert first.facts["embedded"] == 2 and [text for text in asked if text not in embedding.PROBES] == sorted(
        set(index.embedded_texts(lake, chunks({"g/a.md": FERRY}))), key=asked.index
    )
    asked.clear()
    second = index.embed(lake, chunks({"g/a.md": FERRY, "g/c.md": LIGHT}), Embeddings())
    assert (second.facts["embedded"], second.facts["reused_embedded"]) == (2, 2)
    assert len(asked) == 2 + len(embedding.PROBES)

    hashes, vectors = index.vectors(lake, second)
    assert hashes == sorted(hashes) and vectors.shape == (4, 384) and vectors.dtype == np.float32
    expected = direction(hashes[0], 384)
    assert np.array_equal(vectors[0], expected)


SPOILED = {
    "not a number": lambda v: np.where(np.arange(len(v))[:, None] == 0, np.nan, v).astype(np.float32),
    "infinite": lambda v: np.where(np.arange(len(v))[:, None] == 0, np.inf, v).astype(np.float32),
    "zero": lambda v: v * 0,
    "length 2": lambda v: v * 2,
    "constant": lambda v: np.full_like(v, 384**-0.5),
    "float64": lambda v: v.astype(np.float64),
    "dimension": lambda v: v[:, :100],
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED.keys())
def test_unsound_vectors_are_refused_by_chunk_id_and_not_stored(lake, chunks, model, monkeypatch, spoil) -> None:
    monkeypatch.setattr(embedding, "_check_probes", lambda *_: None)  # these would notice first
    version = chunks({"g/a.md": FERRY})
    model(spoil)
    with pytest.raises(IndexingError, match=r"vectors are unsound .*chunks [0-9a-f]{8}-"):
        index.embed(lake, version, Embeddings())
    model()
    assert index.embed(lake, version, Embeddings()).facts["embedded"] == 2  # nothing had been kept


def test_a_model_that_says_the_same_of_everything_is_refused(lake, chunks, model) -> None:
    model(lambda vectors: np.repeat(vectors[:1], len(vectors), axis=0))
    with pytest.raises(IndexingError, match="almost equal"):
        index.embed(lake, chunks({"g/a.md": FERRY}), Embeddings())


def test_a_model_that_changed_its_mind_is_refused(lake, chunks, model) -> None:
    model()
    index.embed(lake, chunks({"g/a.md": FERRY}), Embeddings())
    model(lambda vectors: np.roll(vectors, 1, axis=1))
    with pytest.raises(IndexingError, match="makes other vectors"):
        index.embed(lake, chunks({"g/a.md": LIGHT}), Embeddings())
