"""Questions to passages, with the real model: verbatim text, the right document, and refusal of what does not fit together."""

import pytest

from llmops_pipelines.config.pipeline import Chunks, Embeddings, Index
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.index import Embedder, IndexingError, Retriever
from llmops_pipelines.lifecycle.lake import Lake, Version

from .conftest import FERRY, LIGHT, QUAY, publish_documents


@pytest.fixture(scope="module")
def published(tmp_path_factory, one_thread):
    lake = Lake(tmp_path_factory.mktemp("lake"), "isles")
    texts = {"g/ferry.md": FERRY, "g/light.md": LIGHT, "g/quay.md": QUAY, "h/ferry.md": FERRY}
    cut = index.cut(lake, publish_documents(lake, texts), Chunks(), Embeddings())
    return lake, index.build(lake, cut, index.embed(lake, cut, Embeddings()), Index(), None, "isles"), cut


def fewer_chunks(lake: Lake) -> Version:
    return index.cut(lake, publish_documents(lake, {"g/ferry.md": FERRY}), Chunks(), Embeddings())


def test_nothing_new_to_embed_is_no_work_for_the_model(published, monkeypatch) -> None:
    monkeypatch.delattr(Embedder, "embed")
    lake = published[0]
    fewer = index.embed(lake, fewer_chunks(lake), Embeddings())
    assert (fewer.facts["embedded"], fewer.facts["reused_embedded"]) == (0, 2)


def test_a_question_finds_its_passage(published) -> None:
    lake, version, cut = published
    with Retriever.open(lake, version, cut, Embeddings()) as retriever:
        dogs, lamp = retriever.search(["May I take my dog along?", "Who built the lighthouse?"], k=3)
        assert retriever.search([], k=3) == []
        assert len(retriever.search(["Anything"], k=50)[0]) == 8
    assert {hit.doc_id for hit in dogs[:2]} == {"g/ferry.md", "h/ferry.md"}  # equal text in two documents: both are found
    assert dogs[0].text == "## Dogs\n\nDogs travel free, but only on the open deck." and dogs[0].heading == "The ferry > Dogs"
    assert lamp[0].doc_id == "g/light.md" and "Ada Holm" in lamp[0].text and lamp[0].title == "The light"
    assert 1 >= lamp[0].score >= lamp[1].score >= lamp[2].score > -1


def test_another_embedder_or_other_chunks_are_refused(published) -> None:
    lake, version, cut = published
    with pytest.raises(IndexingError, match="was made by embedder"):
        Retriever.open(lake, version, cut, Embeddings(precision="bf16"))
    with pytest.raises(IndexingError, match="was built of chunks"):
        Retriever.open(lake, version, fewer_chunks(lake), Embeddings())
