"""A lake with documents, and embeddings made of numbers: only tests of the embedder itself load the model."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from llmops_pipelines.config.pipeline import Chunks, Embeddings
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.index.embedding import vector_store
from llmops_pipelines.lifecycle.lake import Lake, Version
from llmops_pipelines.lifecycle.lake.digests import text_digest

FERRY = "# The ferry\n\nThe ferry to Sula leaves at nine.\n\n## Dogs\n\nDogs travel free, but only on the open deck."
LIGHT = "# The light\n\nThe lighthouse was built in 1911 by Ada Holm.\n\n## Lamp\n\nIts lamp is seen at twenty miles."
QUAY = "# The quay\n\nThe old quay is closed to lorries.\n\n## Crane\n\nThe crane lifts eight tonnes."


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", "ignore:Local mode performs exact")  # of qdrant-client: it is a stand-in here


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", "isles")


def publish_documents(lake: Lake, texts: dict[str, str], access: dict[str, list[str]] | None = None, **said: str) -> Version:
    """Publish documents from doc_id -> text; the first line is the title. `access` has the groups of some of them, `said`
    what is true of all."""
    hashes = {name: text_digest(text) for name, text in sorted(texts.items())}
    by_hash = {hashes[name]: text for name, text in texts.items()}
    store = lake.store("texts", "v1", "content_hash")
    new = store.missing(by_hash)
    store.append(pa.table({"content_hash": new, "text": [by_hash[content] for content in new]}))
    titles = [texts[name].partition("\n")[0].lstrip("# ") for name in hashes]
    known = {"format": "markdown", "language": "en", "licence": "CC0-1.0", "consent": "search", "trust": "trusted"} | said
    columns = {name: [value] * len(hashes) for name, value in known.items()}
    groups = [(access or {}).get(name, []) for name in hashes]
    columns |= {"doc_id": list(hashes), "source": [name.split("/")[0] for name in hashes], "title": titles}
    columns |= {"content_hash": list(hashes.values()), "access": pa.array(groups, pa.list_(pa.string()))}
    config = {"hashes": hashes, "access": access, "said": known}
    table = pa.table(columns)
    return lake.once("documents", code="test", config=config, parents=[], write=lambda d: d.table("documents", table))


@pytest.fixture
def documents(lake: Lake) -> Callable[..., Version]:
    return lambda texts, access=None, **said: publish_documents(lake, texts, access, **said)


@pytest.fixture(scope="session")
def one_thread() -> None:
    """For tests that load the model: on a busy machine two threads wait for each other longer than they work."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def chunks(lake: Lake, documents: Callable[..., Version]) -> Callable[..., Version]:
    """Cut documents; `access` and what `documents` takes may be given, other words are settings."""

    def cut(texts: dict[str, str], access: dict[str, list[str]] | None = None, said: dict[str, str] | None = None, **words):
        return index.cut(lake, documents(texts, access, **(said or {})), Chunks(**words), Embeddings())

    return cut


def direction(text_hash: str, dimension: int = 8) -> np.ndarray:
    """A unit vector that follows from a text hash: an embedder for tests that need none."""
    numbers = np.random.default_rng(int(text_hash[:8], 16)).normal(size=dimension).astype(np.float32)
    return numbers / np.linalg.norm(numbers)


@pytest.fixture
def embedded(lake: Lake) -> Callable[..., Version]:
    """Publish embeddings of chunks without a model; `change` may spoil the vectors before they are stored."""

    def publish(chunks: Version, change: Callable[[np.ndarray], np.ndarray] = lambda v: v, embedder: str = "e" * 64) -> Version:
        hashes = sorted(set(chunks.table().column("text_hash").to_pylist()))
        store = vector_store(lake, embedder)
        if new := store.missing(hashes):
            made = change(np.stack([direction(text_hash) for text_hash in new]))
            store.append(pa.table({"text_hash": new, "vector": pa.array(list(made), pa.list_(pa.float32()))}))

        def write(draft) -> None:
            draft.table("embeddings", pa.table({"text_hash": pa.array(hashes, pa.string())}))
            draft.json("embedder", {"fingerprint": embedder, "dimension": 8})

        return lake.once("embeddings", code="test", config={"embedder": embedder}, parents=[chunks], write=write)

    return publish


def files_below(folder: Path) -> dict[str, str]:
    names = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in names}
