"""Stage `embed`: once per text, and nothing unsound is ever stored."""

import shutil

import numpy as np
import pyarrow as pa
import pytest

from llmops_pipelines.config.pipeline import Embeddings
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.compute import Local
from llmops_pipelines.lifecycle.index import Embedder, IndexingError, embedding
from llmops_pipelines.lifecycle.index.passages import texts_to_embed
from llmops_pipelines.lifecycle.lake import Lake

from .conftest import FERRY, LIGHT, QUAY, direction


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch):
    """Replace the numbers that the model makes; `asked` collects its texts."""
    asked: list[str] = []

    def answer(spoil=lambda vectors: vectors) -> list[str]:
        def embed(self: Embedder, texts) -> np.ndarray:
            asked.extend(texts)
            return spoil(np.stack([direction(embedding.text_digest(text), 384) for text in texts]))

        monkeypatch.setattr(Embedder, "embed", embed)
        monkeypatch.setattr(embedding, "_place", lambda embedder: "cpu")  # the question imports torch
        return asked

    return answer


def test_each_text_is_embedded_once_for_ever(lake, chunks, model) -> None:
    asked = model()
    version = chunks({"g/a.md": FERRY, "g/b.md": FERRY})
    first = index.embed(lake, version, Embeddings())
    texts = set(texts_to_embed(lake, version.table()))
    assert first.facts["embedded"] == 2 == len(texts) and sorted(asked) == sorted([*texts, *embedding.PROBES])
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


def test_vectors_are_stored_portion_by_portion_and_a_crash_costs_one(lake, chunks, model, monkeypatch) -> None:
    monkeypatch.setattr(embedding, "WINDOW", 4)
    monkeypatch.setattr(embedding, "TEXTS_AT_ONCE", {"cpu": 1})
    monkeypatch.setattr(embedding, "STORED_AT_ONCE", 2)
    version = chunks({"g/a.md": FERRY, "g/b.md": LIGHT, "g/c.md": QUAY})  # six texts
    asked = model()
    calls = iter(range(100))

    def fail(vectors: np.ndarray) -> np.ndarray:
        return vectors * np.nan if next(calls) == 1 + 3 else vectors  # the probes, then one text after the other

    model(fail)
    with pytest.raises(IndexingError, match="unsound"):
        index.embed(lake, version, Embeddings())
    asked.clear()
    again = index.embed(lake, version, Embeddings())
    assert again.facts["embedded"] == 4 and len(asked) == 4 + len(embedding.PROBES)
    assert again.facts["texts"] == 6 and again.facts["reused_embedded"] == 2


def test_a_text_that_stands_in_many_windows_is_embedded_once(lake, chunks, model, monkeypatch) -> None:
    monkeypatch.setattr(embedding, "WINDOW", 1)
    asked = model()
    index.embed(lake, chunks({f"g/{name}.md": FERRY for name in "abcde"}), Embeddings())
    assert len(asked) == 2 + len(embedding.PROBES)


@pytest.mark.slow  # two processes load torch and the model
def test_worker_processes_make_the_same_vectors(lake, chunks, tmp_path, one_thread, monkeypatch) -> None:
    monkeypatch.setattr(embedding, "TEXTS_AT_ONCE", {"cpu": 2})
    version = chunks({"g/a.md": FERRY, "g/b.md": LIGHT, "g/c.md": QUAY})
    hashes, here = index.vectors(lake, index.embed(lake, version, Embeddings()))
    shutil.rmtree(embedding.vector_store(lake, Embedder.open(Embeddings()).fingerprint).path)
    with Local(workers=2, patience=0) as local:
        other = Lake(lake.root, "other")
        there = index.embed(other, version, Embeddings(), local)
    assert index.vectors(other, there)[0] == hashes
    assert np.allclose(index.vectors(other, there)[1], here, atol=1e-5)


def test_vectors_of_an_older_store_are_still_read(lake, chunks, model, embedded) -> None:
    version = chunks({"g/a.md": FERRY})
    old = embedded(version)  # lists without a fixed length
    store = embedding.vector_store(lake, "e" * 64)
    made = np.stack([direction("ab" * 32)])
    batch = pa.RecordBatch.from_arrays([pa.array(["ab" * 32]), embedding._as_column(made)], names=["text_hash", "vector"])
    store.append(pa.Table.from_batches([batch]))
    hashes = [*old.table().column("text_hash").to_pylist(), "ab" * 32]
    assert np.array_equal(embedding.vectors_of(store, hashes, 8), np.stack([direction(text_hash) for text_hash in hashes]))


def test_emulated_bf16_is_told(lake, chunks, model, monkeypatch, caplog) -> None:
    monkeypatch.setattr(embedding, "bf16_in_hardware", lambda place: False)
    model()
    version = index.embed(lake, chunks({"g/a.md": FERRY}), Embeddings(precision="bf16"))
    assert version.facts["bf16_in_hardware"] is False and "fp32 is faster here" in caplog.text


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
