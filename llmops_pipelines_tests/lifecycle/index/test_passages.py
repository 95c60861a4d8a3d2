"""Stage `cut`: stable ids, shared work, and only what changed is cut again."""

from llmops_pipelines.config.pipeline import Chunks, Embeddings
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.lake.digests import text_digest

from .conftest import FERRY, LIGHT, QUAY


def test_rows_lead_back_to_the_text(lake, chunks) -> None:
    version = chunks({"guide/ferry.md": FERRY, "guide/light.md": LIGHT})
    rows = version.table().to_pylist()

    assert [(row["doc_id"], row["ordinal"]) for row in rows] == [
        ("guide/ferry.md", 0), ("guide/ferry.md", 1), ("guide/light.md", 0), ("guide/light.md", 1)
    ]  # fmt: skip
    assert index.passages(lake, version)[1] == "## Dogs\n\nDogs travel free, but only on the open deck."
    assert index.embedded_texts(lake, version)[1] == "The ferry > Dogs\n" + index.passages(lake, version)[1]
    assert [row["text_hash"] for row in rows] == [text_digest(text) for text in index.embedded_texts(lake, version)]


def test_equal_documents_share_the_work_and_keep_their_ids(chunks) -> None:
    version = chunks({"guide/a.md": FERRY, "guide/b.md": FERRY})
    rows = version.table().to_pylist()
    assert version.facts["cut"] == 1 and len(rows) == 4
    assert len({row["chunk_id"] for row in rows}) == 4 and len({row["text_hash"] for row in rows}) == 2


def test_only_a_changed_document_is_cut_again(chunks) -> None:
    before = chunks({"guide/ferry.md": FERRY, "guide/light.md": LIGHT})
    after = chunks({"guide/ferry.md": FERRY + " Cats too.", "guide/light.md": LIGHT})
    assert (before.facts["cut"], after.facts["cut"], after.facts["reused_cut"]) == (2, 1, 1)
    ids = [{row["chunk_id"] for row in v.table().to_pylist() if "light" in row["doc_id"]} for v in (before, after)]
    assert ids[0] == ids[1]


def test_other_settings_make_other_chunks_and_the_same_settings_none(lake, documents) -> None:
    published = documents({"guide/quay.md": QUAY})
    first = index.cut(lake, published, Chunks(), Embeddings())
    again = index.cut(lake, published, Chunks(), Embeddings())
    other = index.cut(lake, published, Chunks(tokens=48), Embeddings())
    assert again.reused and again.digest == first.digest != other.digest


def test_no_documents_are_no_chunks(chunks) -> None:
    version = chunks({})
    assert version.table().num_rows == version.facts["chunks"] == 0
