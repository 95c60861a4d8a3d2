"""A server that is slow, away, deaf or robbed: nothing is lost, nothing counts twice, and the message says what is safe."""

import pytest

from llmops_pipelines.lifecycle.index import IndexingError
from llmops_pipelines.lifecycle.index.engines import retire
from llmops_pipelines.lifecycle.index.engines.collection import Collection
from llmops_pipelines.lifecycle.index.engines.contract import EVERYTHING
from llmops_pipelines.lifecycle.index.engines.server import ServerReader, ServerWriter

from ..versions_of import IDENTITY, ServerVersions, as_held, held, point, sparse_of, vectors_of


@pytest.fixture
def client():
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    yield client
    client.close()


def put(writer: ServerWriter, *points) -> None:
    writer.upsert(points, vectors_of(points), sparse_of(points))


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


def reset(call):
    """Done, and the answer is lost."""
    call()
    raise ConnectionResetError("connection reset by peer")


def unavailable(call):
    from httpx import Headers
    from qdrant_client.http.exceptions import UnexpectedResponse

    raise UnexpectedResponse(503, "Service Unavailable", b"starting", Headers())


def wait_timeout(call):
    from qdrant_client.models import UpdateResult, UpdateStatus

    call()
    return UpdateResult(operation_id=1, status=UpdateStatus.WAIT_TIMEOUT)


def acknowledged(call):
    from qdrant_client.models import UpdateResult, UpdateStatus

    return UpdateResult(operation_id=1, status=UpdateStatus.ACKNOWLEDGED)  # and not done


class Unreliable:
    """A client between which and its server `fault` happens to the first `times` of each kind of request."""

    def __init__(self, client, fault, times: int, only: set[str] | None = None) -> None:
        self._client, self._fault, self._times, self._only = client, fault, times, only
        self._happened: dict[str, int] = {}

    def __getattr__(self, name: str):
        call = getattr(self._client, name)

        def lossy(*args, **named):
            concerned = (
                name in self._only if self._only else self._fault is reset or self._fault is unavailable or named.get("wait")
            )
            if concerned and name != "create_collection" and self._happened.get(name, 0) < self._times:
                self._happened[name] = self._happened.get(name, 0) + 1
                return self._fault(lambda: call(*args, **named))
            return call(*args, **named)

        return lossy


@pytest.mark.parametrize("fault", [reset, unavailable, wait_timeout, acknowledged])
def test_what_goes_wrong_for_a_while_is_asked_again_and_counts_once(client, fault) -> None:
    versions = ServerVersions(Unreliable(client, fault, times=2), "c")
    one, two = [point("a"), point("b")], [point("b", "rewritten"), point("c")]
    first, second = versions.write(one), versions.write(two)
    assert held(versions.open(first, one)) == as_held(one) and held(versions.open(second, two)) == as_held(two)
    assert client.count("c").count == 4


@pytest.mark.parametrize("fault", [reset, unavailable, wait_timeout])
def test_a_server_that_stays_away_stops_the_build_with_one_sentence(client, fault) -> None:
    ServerVersions(client, "c").write([point("a")])
    away = Unreliable(client, fault, times=99, only={"upsert"})
    with pytest.raises(IndexingError, match=r"(?s)collection c, upsert 1 chunks from .*published versions are untouched"):
        ServerVersions(away, "c").write([point("a"), point("b")])
    assert held(ServerVersions(client, "c").open(1, [point("a")])) == as_held([point("a")])


def test_a_request_that_is_wrong_is_not_repeated(client) -> None:
    from httpx import Headers
    from qdrant_client.http.exceptions import UnexpectedResponse

    asked = []

    def forbidden(call):
        asked.append(1)
        raise UnexpectedResponse(403, "Forbidden", b"read only key", Headers())

    with pytest.raises(IndexingError, match="403"):
        ServerVersions(Unreliable(client, forbidden, times=9, only={"upsert"}), "c").write([point("a")])
    assert len(asked) == 1


def test_a_second_writer_takes_over_and_the_first_is_refused(client) -> None:
    collection = Collection(client, "c", pauses=())
    first = ServerWriter(collection, 8, IDENTITY)
    ServerVersions(client, "c").write([point("b")])
    with pytest.raises(IndexingError, match="another build took it over"):
        put(first, point("a"))
    with pytest.raises(IndexingError, match="another build took it over"):
        first.seal("")
    assert list(collection.state().sealed) == [1]


def test_another_embedder_and_an_unknown_version_are_refused(client) -> None:
    versions = ServerVersions(client, "c")
    versions.write([point("a")])
    with pytest.raises(IndexingError, match="another embedder"):
        ServerWriter(versions.collection, 8, IDENTITY | {"embedder": "e2"})
    for version, points in ((2, [point("a")]), (1, [point("b")])):
        with pytest.raises(IndexingError, match="materialize the index again"):
            versions.open(version, points)


def test_retired_versions_leave_nothing_behind_and_kept_ones_are_whole(client) -> None:
    versions = ServerVersions(client, "c")
    lived = [[point("a"), point(f"only in {n}")] + ([point("b")] if n < 4 else []) for n in range(1, 6)]
    for wanted in lived:
        versions.write(wanted)
    versions.write([point("x")], seal=False)  # a build that will go on is left alone
    assert client.count("c").count == 8
    assert retire(versions.collection, {2, 4}) == 2  # "only in 1" and "only in 3"
    assert list(versions.collection.state().sealed) == [2, 4, 5]  # the newest stays, asked for or not
    for number in (2, 4, 5):
        assert held(versions.open(number, lived[number - 1])) == as_held(lived[number - 1])
    for number in (1, 3):
        with pytest.raises(IndexingError, match="holds no version"):
            versions.open(number, lived[number - 1])
    assert retire(versions.collection, {2, 4}) == 0
    assert versions.write([point("x"), point("y")]) == 6  # numbers are not given again
    assert retire(versions.collection, set()) == 5  # a, b, and what was only in 2, 4 and 5
    assert client.count("c").count == 2


def test_metadata_does_not_grow_with_the_number_of_versions_ever_made(client) -> None:
    versions = ServerVersions(client, "c")
    for n in range(4):
        versions.write([point(str(n))])
        retire(versions.collection, set())
    metadata = versions.collection.state().metadata
    assert set(metadata) == {*IDENTITY, "layout", "writer", "sealed"} and len(metadata["sealed"]) == 1


def test_a_version_is_written_again_in_its_old_place(client) -> None:
    """What a lost storage costs is time: the newest version comes back, and an older one beside it."""
    versions = ServerVersions(client, "c")
    one, two = [point("a"), point("b")], [point("b"), point("c")]
    for number, wanted in ((2, two), (1, one)):
        writer = ServerWriter(versions.collection, 8, IDENTITY, sequence=number)
        assert len(writer.holdings()) == 0
        put(writer, *wanted)
        assert held(ServerReader(versions.collection, number)) == as_held(wanted)
        writer.seal(as_held(wanted).contents_digest)
    for number, wanted in ((2, two), (1, one)):
        assert held(versions.open(number, wanted)) == as_held(wanted)
    with pytest.raises(IndexingError, match="version 1 is damaged"):
        ServerWriter(versions.collection, 8, IDENTITY, sequence=1)
    assert ServerReader(versions.collection, 2).count(EVERYTHING) == 2
