from collections.abc import Iterator

import pytest

from llmops_pipelines.lifecycle.index import Embedder, embedding
from llmops_pipelines.lifecycle.lake import Lake

from .world import Toy


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake whose texts are embedded by their words; the tests of a file share it, as what is built once is built for all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Embedder, "open", lambda settings, secrets=None: Toy(settings))
        patch.setattr(embedding, "_place", lambda embedder: "cpu")
        embedding._opened.cache_clear()
        yield Lake(tmp_path_factory.mktemp("blame") / "lake", "isles")
        embedding._opened.cache_clear()
