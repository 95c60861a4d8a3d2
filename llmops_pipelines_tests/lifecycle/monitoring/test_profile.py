"""A profile is made from the one before, of what changed alone, and is what it would be if made from nothing."""

import shutil

import numpy as np
import pyarrow as pa
import pytest

from llmops_pipelines.lifecycle.index.embedding import vector_store
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lake.digests import text_digest
from llmops_pipelines.lifecycle.monitoring import corpus_profile

ONE = {"d/a": "The ferry sails at nine.", "d/b": "The ferry is blue.", "d/c": "The ferry sails at nine."}  # a and c are equal
TWO = {"d/a": "The ferry sails at ten.", "d/c": "The ferry sails at nine.", "d/d": "Gulls follow the ferry."}
EMBEDDER = "e" * 64


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path, "isles")


def parents(lake: Lake, texts: dict[str, str]) -> list[Version]:
    """Documents and embeddings of these texts, one passage each."""
    hashes = [text_digest(text) for text in texts.values()]
    kept = lake.store("texts", "v1", "content_hash")
    vectors = vector_store(lake, EMBEDDER)
    by_hash = dict(zip(hashes, texts.values(), strict=True))
    if new := kept.missing(hashes):
        kept.append(pa.table({"content_hash": new, "text": [by_hash[name] for name in new]}))
    if new := vectors.missing(hashes):
        rows = [np.random.default_rng(int(name[:8], 16)).normal(size=8).astype(np.float32) / 3 for name in new]
        vectors.append(pa.table({"text_hash": new, "vector": pa.array(rows, pa.list_(pa.float32()))}))
    lengths = [len(text) for text in texts.values()]
    documents = pa.table({"doc_id": list(texts), "content_hash": hashes, "characters": lengths, "source": ["d"] * len(texts)})

    def embeddings(draft) -> None:
        draft.table("embeddings", pa.table({"text_hash": sorted(set(hashes))}))
        draft.json("embedder", {"fingerprint": EMBEDDER, "dimension": 8})

    return [
        lake.once("documents", code="1", config=texts, parents=[], write=lambda draft: draft.table("documents", documents)),
        lake.once("embeddings", code="1", config=sorted(set(hashes)), parents=[], write=embeddings),
    ]


def profile(lake: Lake, texts: dict[str, str]) -> Version:
    made = corpus_profile(lake, *parents(lake, texts))
    lake.point(made)
    return made


def counted(version: Version) -> tuple[int, int]:
    return version.facts["texts_counted"], version.facts["vectors_added"]


def test_only_what_changed_is_counted_and_the_profile_is_as_from_nothing(lake, tmp_path) -> None:
    assert counted(profile(lake, ONE)) == (2, 2)  # equal texts are read once
    second = profile(lake, TWO)
    assert counted(second) == (4, 3)  # two texts are new, one is gone and one stands there once less
    cold = profile(Lake(tmp_path / "other", "isles"), TWO)
    assert second.digest == cold.digest and second.json("profile")["words"]["ferry"] == 3
    assert second.table("words").equals(cold.table("words")) and "blue" not in second.json("profile")["words"]
    assert second.json("vector_sum") == cold.json("vector_sum")
    mean = np.mean([parents_vector(lake, text) for text in set(TWO.values())], axis=0)
    assert np.allclose(second.json("profile")["mean_vector"], mean, atol=1e-6)


def parents_vector(lake: Lake, text: str) -> np.ndarray:
    return np.array(vector_store(lake, EMBEDDER).take([text_digest(text)]).column("vector").to_pylist()[0])


def test_there_and_back_is_where_it_was(lake, tmp_path) -> None:
    profile(lake, ONE)
    there = profile(lake, TWO)
    shutil.rmtree(lake.root / "isles" / "corpus_profile" / "versions")
    assert profile(lake, ONE).digest == profile(Lake(tmp_path / "other", "isles"), ONE).digest != there.digest


@pytest.mark.parametrize("lost", ["stores/texts", "stores/vectors", "isles/embeddings", "isles/corpus_profile/versions"])
def test_what_is_no_longer_there_costs_a_count_from_nothing_and_changes_nothing(lake, tmp_path, lost) -> None:
    """A forgotten text, a collected version: what the profile before rests on may be gone."""
    profile(lake, ONE)
    shutil.rmtree(lake.root / lost)
    second = profile(Lake(lake.root, "isles"), TWO)  # parents are made again, those of before are not
    assert second.digest == profile(Lake(tmp_path / "other", "isles"), TWO).digest
    assert 3 in counted(second)
