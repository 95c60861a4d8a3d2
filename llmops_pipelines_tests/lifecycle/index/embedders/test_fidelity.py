"""Fidelity: measured once per embedder, refused when vectors are not those of fp32."""

import numpy as np
import pytest

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.index import Embedder, embedding
from llmops_pipelines.lifecycle.index.embedders import fidelity

from ..conftest import FERRY, LIGHT, QUAY, direction

ROUNDED = Embeddings(precision="bf16")


@pytest.fixture
def published(lake, chunks, monkeypatch):
    """Chunks, and embeddings made with `noise` in bf16; `asked` counts the texts that go through fp32."""
    asked: list[str] = []

    def publish(noise: float):
        def embed(self: Embedder, texts) -> np.ndarray:
            vectors = np.stack([direction(embedding.text_digest(text), 384) for text in texts])
            if self.settings.precision == "fp32":
                asked.extend(texts)
                return vectors
            vectors = vectors + np.random.default_rng(1).normal(scale=noise, size=vectors.shape).astype(np.float32)
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

        monkeypatch.setattr(Embedder, "embed", embed)
        monkeypatch.setattr(embedding, "_place", lambda embedder: "cpu")  # the question imports torch
        version = chunks({"g/a.md": FERRY, "g/b.md": LIGHT, "g/c.md": QUAY})
        return version, index.embed(lake, version, ROUNDED)

    publish.asked = asked
    return publish


def test_vectors_near_those_of_fp32_pass_and_are_measured_once(lake, published) -> None:
    versions = published(noise=1e-5)
    passed, found = fidelity.the_embedder_is_faithful(lake, *versions, ROUNDED)
    assert passed and found["texts"] == 6 and found["cosine_least"] > 0.9999 and found["same_neighbours"] == 1
    assert len(published.asked) == 6
    assert fidelity.the_embedder_is_faithful(lake, *versions, ROUNDED) == (passed, found)
    assert len(published.asked) == 6


def test_vectors_of_another_model_do_not_pass(lake, published) -> None:
    passed, found = fidelity.the_embedder_is_faithful(lake, *published(noise=0.01), ROUNDED)
    assert not passed and found["cosine_mean"] < 0.99


def test_fp32_computed_here_has_nothing_to_be_compared_with(lake, published) -> None:
    assert fidelity.the_embedder_is_faithful(lake, *published(noise=0), Embeddings()) == (
        True,
        {"compared_with": "nothing: computed here in fp32"},
    )


def test_agreement_counts_equal_neighbours() -> None:
    vectors = np.random.default_rng(1).normal(size=(50, 16))
    other = np.random.default_rng(2).normal(size=(50, 16))
    assert fidelity.agreement(vectors, vectors) == 1
    assert 0.05 < fidelity.agreement(vectors, other) < 0.4  # by chance 10 of 49
    assert fidelity.agreement(vectors[:1], other[:1]) == 1
    assert fidelity.agreement(vectors[:2], other[:2]) == 1
