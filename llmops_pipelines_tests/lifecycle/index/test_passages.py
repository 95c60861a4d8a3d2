"""Stage `cut`: stable ids, shared work, and only what changed is cut again."""

from llmops_pipelines.config.pipeline import Chunks, Embeddings
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.index.passages import texts_to_embed
from llmops_pipelines.lifecycle.lake.digests import text_digest

from .conftest import FERRY, LIGHT, QUAY


def test_rows_lead_back_to_the_text(lake, chunks) -> None:
    version = chunks({"guide/ferry.md": FERRY, "guide/light.md": LIGHT})
    rows = version.table().to_pylist()

    assert [(row["doc_id"], row["ordinal"]) for row in rows] == [
        ("guide/ferry.md", 0), ("guide/ferry.md", 1), ("guide/light.md", 0), ("guide/light.md", 1)
    ]  # fmt: skip
    assert index.passages(lake, version)[1] == "## Dogs\n\nDogs travel free, but only on the open deck."
    embedded = texts_to_embed(lake, version.table())
    assert embedded[1] == "The ferry > Dogs\n" + index.passages(lake, version)[1]
    assert [row["text_hash"] for row in rows] == [text_digest(text) for text in embedded]


def test_a_table_that_was_cut_brings_its_header_and_a_page_its_number(lake, chunks) -> None:
    rows = "\n".join(f"| boat {n} | carries {n} cars and their drivers on every day of the week |" for n in range(12))
    text = f"# Fleet\n\n| boat | cars |\n| --- | --- |\n{rows}\n\n\f\n\n" + "The last page has much to say. " * 20
    version = chunks({"guide/fleet.md": text})
    found = version.table().to_pylist()
    later = [row for row in found if "| boat 11 |" in text[row["start"] : row["end"]]]
    assert "boat | cars" in later[0]["head"] and later[0]["page"] == 1
    assert [row["page"] for row in found if "last page" in text[row["start"] : row["end"]]][-1] == 2


def test_what_is_said_of_a_document_travels_with_its_chunks(documents, lake) -> None:
    published = documents({"guide/quay.md": QUAY}, access={"guide/quay.md": ["crew"]}, licence="MIT", trust="untrusted")
    rows = index.cut(lake, published, Chunks(), Embeddings()).table().to_pylist()
    assert {(tuple(row["access"]), row["licence"], row["trust"], row["consent"]) for row in rows} == {
        (("crew",), "MIT", "untrusted", "search")
    }


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
