"""One contract for all engines: a reader sees exactly its version, whatever is written meanwhile."""

import os
import uuid
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from llmops_pipelines.lifecycle.index import IndexingError
from llmops_pipelines.lifecycle.index.engines.collection import Collection, sealed
from llmops_pipelines.lifecycle.index.engines.contract import Point, contents_digest
from llmops_pipelines.lifecycle.index.engines.edge import EdgeReader, EdgeWriter
from llmops_pipelines.lifecycle.index.engines.server import ServerReader, ServerWriter

from .conftest import direction, files_below

IDENTITY = {"embedder": "e1", "chunker": "c1"}


def point(name: str, text: str | None = None) -> Point:
    return Point(
        str(uuid.uuid5(uuid.NAMESPACE_URL, name)), f"guide/{name}.md", "guide", (text or name).encode().hex().ljust(64, "0")
    )


def vectors_of(points: list[Point]) -> np.ndarray:
    return np.stack([direction(p.text_hash) for p in points])


class EdgeVersions:
    """Versions as sealed directories."""

    def __init__(self, folder) -> None:
        self.folder, self.newest = folder, 0

    def write(self, wanted: list[Point], seal: bool = True):
        base = self.folder / str(self.newest) if self.newest else None
        path = self.folder / (str(self.newest + 1) if seal else "aborted")
        writer = EdgeWriter(path, 8, base)
        apply(writer, wanted)
        writer.reader().close()
        if seal:
            writer.seal()
            self.newest += 1
        return self.newest

    def open(self, version: int, wanted: list[Point]):
        return EdgeReader(self.folder / str(version))


class ServerVersions:
    """Versions as sequence numbers of one collection."""

    def __init__(self, client, name: str) -> None:
        self.collection = Collection(client, name, pauses=(0, 0))

    def write(self, wanted: list[Point], seal: bool = True) -> int:
        writer = ServerWriter(self.collection, 8, IDENTITY)
        apply(writer, wanted)
        return writer.seal() if seal else 0

    def open(self, version: int, wanted: list[Point]):
        return ServerReader(self.collection, version, contents_digest({p.chunk_id: p.text_hash for p in wanted}))


def apply(writer, wanted: list[Point]) -> None:
    before = writer.holdings()
    new = [p for p in wanted if before.get(p.chunk_id) != p.text_hash]
    writer.remove(sorted(before.keys() - {p.chunk_id for p in wanted}) + [p.chunk_id for p in new if p.chunk_id in before])
    if new:
        writer.upsert(new, vectors_of(new))


@pytest.fixture
def client():
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    yield client
    client.close()


@pytest.fixture(params=["edge", "client", "server"])
def versions(request, tmp_path) -> Iterator:
    from qdrant_client import QdrantClient

    if request.param == "edge":
        yield EdgeVersions(tmp_path)
        return
    if request.param == "server" and "QDRANT_URL" not in os.environ:
        pytest.skip("QDRANT_URL names no server; the in-memory client is no proof for one")
    client = QdrantClient(":memory:") if request.param == "client" else QdrantClient(os.environ["QDRANT_URL"])
    name = f"test-{uuid.uuid4().hex}"
    yield ServerVersions(client, name)
    client.delete_collection(name)
    client.close()


def held(reader) -> dict[str, str]:
    try:
        found = reader.holdings()
        assert reader.count() == len(found)
        return found
    finally:
        reader.close()


def as_held(points: list[Point]) -> dict[str, str]:
    return {p.chunk_id: p.text_hash for p in points}


def test_a_version_stays_what_it_was_while_and_after_the_next_is_written(versions) -> None:
    one = [point("a"), point("b"), point("c")]
    two = [point("b"), point("c", "rewritten"), point("d")]
    first = versions.write(one)
    versions.write(two, seal=False)  # written, not visible
    assert held(versions.open(first, one)) == as_held(one)
    second = versions.write(two)
    assert held(versions.open(first, one)) == as_held(one)
    assert held(versions.open(second, two)) == as_held(two)
    third = versions.write(one)  # what was removed comes back
    assert [held(versions.open(n, points)) for n, points in ((first, one), (second, two), (third, one))] == [
        as_held(one), as_held(two), as_held(one)
    ]  # fmt: skip


def test_search_finds_the_nearest_of_its_own_version(versions) -> None:
    one = [point(name) for name in "abcdefgh"]
    first = versions.write(one)
    second = versions.write(one[1:])
    for version, points, expected in ((first, one, one[0].chunk_id), (second, one[1:], None)):
        reader = versions.open(version, points)
        (hits,) = reader.search(vectors_of(one[:1]), 3)
        order = sorted(points, key=lambda p: -float(direction(p.text_hash) @ direction(one[0].text_hash)))
        assert [hit.chunk_id for hit in hits] == [p.chunk_id for p in order[:3]]
        assert (hits[0].chunk_id == one[0].chunk_id) == (expected is not None)
        assert hits[0].doc_id.startswith("guide/") and hits[0].source == "guide"
        assert reader.search(np.zeros((0, 8), dtype=np.float32), 3) == []
        reader.close()


def test_vectors_come_back_as_they_were(versions) -> None:
    points = [point("a"), point("b")]
    reader = versions.open(versions.write(points), points)
    stored = reader.vectors([points[1].chunk_id, str(uuid.uuid4())])
    assert list(stored) == [points[1].chunk_id]
    assert np.allclose(stored[points[1].chunk_id], direction(points[1].text_hash), atol=1e-6)
    reader.close()


def test_many_points_need_several_requests(versions) -> None:
    points = [point(str(n)) for n in range(1_200)]
    assert held(versions.open(versions.write(points), points)) == as_held(points)


def test_reading_changes_no_byte_of_a_sealed_directory(tmp_path) -> None:
    versions = EdgeVersions(tmp_path)
    points = [point("a"), point("b")]
    versions.write(points)
    before = files_below(tmp_path / "1")
    readers = [versions.open(1, points) for _ in range(2)]  # at once
    for reader in readers:
        reader.search(vectors_of(points), 2)
        assert held(reader) == as_held(points)
    versions.write([point("b"), point("c")])
    assert files_below(tmp_path / "1") == before


def test_an_almost_empty_shard_takes_little_room(tmp_path) -> None:
    versions = EdgeVersions(tmp_path)
    versions.write([point("a")])
    versions.write([point("b")])  # a copy of the one before
    for name in "12":
        assert sum(file.stat().st_blocks * 512 for file in (tmp_path / name).rglob("*")) < 8 * 2**20


def test_no_room_on_the_disk_is_said_before_the_engine_dies_of_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2**20))
    with pytest.raises(IndexingError, match="1 MB are free"):
        EdgeVersions(tmp_path).write([point("a")])


def test_an_unchanged_version_takes_no_new_number(client) -> None:
    versions = ServerVersions(client, "c")
    assert [versions.write([point("a")]), versions.write([point("a")]), versions.write([point("b")])] == [1, 1, 2]


def test_what_a_crashed_build_left_is_undone(client) -> None:
    versions = ServerVersions(client, "c")
    versions.write([point("a"), point("b")])
    versions.write([point("b"), point("c"), point("d")], seal=False)
    wanted = [point("a"), point("e")]
    assert versions.write(wanted) == 2
    assert held(versions.open(2, wanted)) == as_held(wanted)
    assert client.count("c").count == 3  # a, b (until 2) and e: nothing of the crash


class Unreliable:
    """A client that does what it is told and then loses the answer, `times` times."""

    def __init__(self, client, times: int) -> None:
        self._client, self.times = client, times

    def __getattr__(self, name: str):
        call = getattr(self._client, name)

        def lossy(*args, **named):
            answer = call(*args, **named)
            if name == "upsert" and self.times:
                self.times -= 1
                raise ConnectionResetError("connection reset by peer")
            return answer

        return lossy


def test_a_lost_answer_is_asked_again_and_counts_once(client) -> None:
    versions = ServerVersions(Unreliable(client, times=2), "c")
    points = [point("a"), point("b")]
    assert held(versions.open(versions.write(points), points)) == as_held(points)


def test_a_server_that_stays_away_stops_the_build_with_one_sentence(client) -> None:
    ServerVersions(client, "c").write([point("a")])
    with pytest.raises(IndexingError, match=r"collection c, upsert 1 chunks from .*connection reset.* untouched"):
        ServerVersions(Unreliable(client, times=99), "c").write([point("a"), point("b")])
    assert held(ServerVersions(client, "c").open(1, [point("a")])) == as_held([point("a")])


def test_only_completed_counts_as_written(client, monkeypatch) -> None:
    from qdrant_client.models import UpdateResult, UpdateStatus

    monkeypatch.setattr(client, "upsert", lambda *a, **k: UpdateResult(operation_id=1, status=UpdateStatus.WAIT_TIMEOUT))
    with pytest.raises(IndexingError, match="wait_timeout"):
        ServerVersions(client, "c").write([point("a")])


def test_a_second_writer_takes_over_and_the_first_is_refused(client) -> None:
    collection = Collection(client, "c", pauses=())
    first = ServerWriter(collection, 8, IDENTITY)
    ServerVersions(client, "c").write([point("b")])
    with pytest.raises(IndexingError, match="another build took it over"):
        first.upsert([point("a")], vectors_of([point("a")]))
    with pytest.raises(IndexingError, match="another build took it over"):
        first.seal()
    assert list(sealed(collection.metadata())) == [1]


def test_another_embedder_and_an_unknown_version_are_refused(client) -> None:
    versions = ServerVersions(client, "c")
    versions.write([point("a")])
    with pytest.raises(IndexingError, match="another embedder"):
        ServerWriter(versions.collection, 8, IDENTITY | {"embedder": "e2"})
    for version, points in ((2, [point("a")]), (1, [point("b")])):
        with pytest.raises(IndexingError, match="materialize the index again"):
            versions.open(version, points)
