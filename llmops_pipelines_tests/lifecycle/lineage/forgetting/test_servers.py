"""Erasing from a Qdrant server: the points go from every version, and each version says what it holds now."""

import pytest

from llmops_pipelines.lifecycle.index import IndexingError
from llmops_pipelines.lifecycle.index.engines import erasure
from llmops_pipelines.lifecycle.index.engines.server import ServerReader

from ...index.versions_of import ServerVersions, as_held, held, point

A, B, C = point("a"), point("b"), point("c", content_hash="d" * 64)


@pytest.fixture
def versions():
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    made = ServerVersions(client, "c")
    made.write([A, B])
    made.write([A, B, C])
    yield made
    client.close()


def test_a_chunk_goes_from_every_version_and_the_others_stay(versions):
    assert erasure.held(versions.collection, [A.chunk_id], []) == 1
    erasure.erase(versions.collection, [A.chunk_id], [])
    assert held(versions.open(1, [B])) == as_held([B])
    assert held(versions.open(2, [B, C])) == as_held([B, C])
    assert erasure.held(versions.collection, [A.chunk_id], []) == 0


def test_points_are_found_by_their_content_too(versions):
    erasure.erase(versions.collection, [], [C.content_hash])
    assert held(versions.open(2, [A, B])) == as_held([A, B])


def test_who_knows_a_version_by_its_old_digest_is_let_in_and_nobody_else(versions):
    erasure.erase(versions.collection, [A.chunk_id], [])
    assert held(versions.open(2, [A, B, C])) == as_held([B, C])
    with pytest.raises(IndexingError, match="no version 2 with the content"):
        ServerReader(versions.collection, 2, as_held([C]).contents_digest)


def test_the_next_version_starts_from_what_is_left(versions):
    erasure.erase(versions.collection, [A.chunk_id], [])
    erasure.erase(versions.collection, [A.chunk_id], [])  # may be repeated
    assert versions.write([B, C, point("e")]) == 3
    assert held(versions.open(3, [B, C, point("e")])) == as_held([B, C, point("e")])
