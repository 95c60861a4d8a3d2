"""One contract for all engines: a reader sees exactly its version, and of it only what its caller may see."""

import os
import uuid
from collections.abc import Iterator

import numpy as np
import pytest

from llmops_pipelines.lifecycle.index import IndexingError
from llmops_pipelines.lifecycle.index.engines import collection, edge, server
from llmops_pipelines.lifecycle.index.engines.contract import EVERYTHING, Where
from llmops_pipelines.lifecycle.index.engines.holdings import Holdings, names, packed_ids
from llmops_pipelines.lifecycle.index.search import lexical

from ..versions_of import EdgeVersions, ServerVersions, as_held, held, point, said_of, vectors_of

pytestmark = pytest.mark.slow

STAFF, BOARD = Where(groups=frozenset({"staff"})), Where(groups=frozenset({"staff", "board"}))
MIXED = [
    point("a", "Ferries leave the harbour at nine."),
    point("b", "Ferries leave the harbour at ten.", access=("staff",), source="desk"),
    point("c", "Ferries leave the harbour at noon.", access=("board", "owners"), source="vault", trust="untrusted"),
    point("d", "Die Fähre fährt um neun.", language="de"),
]


@pytest.fixture(params=["edge", "memory", "folder", "server"])
def versions(request, tmp_path) -> Iterator:
    from qdrant_client import QdrantClient

    if request.param == "edge":
        yield EdgeVersions(tmp_path)
        return
    if request.param == "server" and "QDRANT_URL" not in os.environ:
        pytest.skip("QDRANT_URL names no server; the client's local mode is no proof for one")
    places = {"memory": {"location": ":memory:"}, "folder": {"path": str(tmp_path)}}
    client = QdrantClient(**places.get(request.param, {"url": os.environ.get("QDRANT_URL")}))
    name = f"test-{uuid.uuid4().hex}"
    yield ServerVersions(client, name)
    client.delete_collection(name)
    client.close()


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


def test_a_pinned_reader_that_is_open_sees_nothing_of_a_later_version(versions) -> None:
    one, two = [point("a"), point("b")], [point("b", "rewritten"), point("c")]
    reader = versions.open(versions.write(one), one)
    before = [reader.dense(vectors_of(one), 3, EVERYTHING), reader.facet("doc_id", EVERYTHING)]
    versions.write(two)
    assert [reader.dense(vectors_of(one), 3, EVERYTHING), reader.facet("doc_id", EVERYTHING)] == before
    assert held(reader) == as_held(one)


def test_search_finds_the_nearest_of_its_own_version(versions) -> None:
    one = [point(name) for name in "abcdefgh"]
    first = versions.write(one)
    second = versions.write(one[1:])
    for version, points, expected in ((first, one, one[0].chunk_id), (second, one[1:], None)):
        reader = versions.open(version, points)
        for exact in (False, True):
            (hits,) = reader.dense(vectors_of(one[:1]), 3, EVERYTHING, exact=exact)
            order = sorted(points, key=lambda p: -float(vectors_of([p])[0] @ vectors_of(one[:1])[0]))
            assert [hit.chunk_id for hit in hits] == [p.chunk_id for p in order[:3]]
            assert (hits[0].chunk_id == one[0].chunk_id) == (expected is not None)
            assert said_of(reader, hits) == order[:3]
        assert reader.dense(np.zeros((0, 8), dtype=np.float32), 3, EVERYTHING) == []
        reader.close()


def test_words_find_the_passages_that_have_them(versions) -> None:
    points = [point("a", "lighthouse lamp"), point("b", "ferry lamp"), point("c", "ferry lamp ferry"), point("d", "quay")]
    reader = versions.open(versions.write(points), points)
    lamp, light, nothing = reader.sparse(
        lexical.question_vectors(["lamp", "lamp of the lighthouse", "zeppelin"]), 9, EVERYTHING
    )
    assert {point.text for point in said_of(reader, lamp)} == {"lighthouse lamp", "ferry lamp", "ferry lamp ferry"}
    assert said_of(reader, light)[0].text == "lighthouse lamp" and light[0].score > light[1].score > 0
    assert nothing == [] == reader.sparse([], 3, EVERYTHING)
    reader.close()


def test_rare_words_count_more_than_frequent_ones_of_the_same_version(versions) -> None:
    """The inverse document frequency is that of the version: dead points and those of other versions do not count."""
    common = [point(f"x{n}", "ferry") for n in range(6)]
    one = [point("a", "lamp"), *common]
    two = [point("a", "lamp"), *[point(f"y{n}", "lamp") for n in range(6)], point("f", "ferry")]
    first, second = versions.write(one), versions.write(two)
    for version, points, rare in ((first, one, "lamp"), (second, two, "ferry")):
        reader = versions.open(version, points)
        (hits,) = reader.sparse(lexical.question_vectors(["ferry lamp"]), 9, EVERYTHING)
        assert said_of(reader, hits)[0].text == rare and hits[0].score > 2 * hits[1].score
        reader.close()


@pytest.mark.parametrize(
    ("where", "seen"),
    [
        (Where(), "ad"),
        (STAFF, "abd"),
        (BOARD, "abcd"),
        (Where(groups=frozenset({"others"})), "ad"),
        (EVERYTHING, "abcd"),
        (Where(groups=None, sources=("desk", "vault")), "bc"),
        (Where(sources=("vault",)), ""),
        (Where(languages=("de",)), "d"),
        (Where(groups=None, trusted_only=True), "abd"),
    ],
)
def test_a_caller_sees_only_what_is_theirs_wherever_they_look(versions, where, seen) -> None:
    expected = {p.chunk_id for p in MIXED if p.doc_id[6] in seen}
    reader = versions.open(versions.write(MIXED), MIXED)
    assert reader.count(where) == len(expected)
    for exact in (False, True):
        assert {hit.chunk_id for hit in reader.dense(vectors_of(MIXED[1:2]), 9, where, exact=exact)[0]} == expected
    words = lexical.question_vectors(["ferries at nine, ten, noon; um neun"])
    assert {hit.chunk_id for hit in reader.sparse(words, 9, where)[0]} == expected
    assert set(reader.points([p.chunk_id for p in MIXED], where)) == expected
    assert reader.points([], where) == {}
    for field in ("source", "language", "trust", "doc_id"):
        counts: dict[str, int] = {}
        for p in MIXED:
            if p.chunk_id in expected:
                counts[getattr(p, field)] = counts.get(getattr(p, field), 0) + 1
        assert reader.facet(field, where) == counts
    reader.close()


def test_scores_tell_nothing_of_passages_that_are_hidden(versions) -> None:
    """Whether a hidden passage has a word would show in the weight of that word."""
    secret = [point(f"s{n}", "takeover", access=("board",)) for n in range(5)]
    seen = [point("a", "takeover of the ferry"), point("b", "ferry")]
    words = lexical.question_vectors(["takeover ferry"])
    scores = []
    for wanted in (seen, seen + secret):
        reader = versions.open(versions.write(wanted), wanted)
        scores.append([hit.score for hit in reader.sparse(words, 9, Where())[0]])
        reader.close()
    assert scores[0] == pytest.approx(scores[1])


def test_groups_themselves_are_no_facet(versions) -> None:
    reader = versions.open(versions.write(MIXED), MIXED)
    with pytest.raises(ValueError, match="one of doc_id, source, language, trust"):
        reader.facet("access", EVERYTHING)
    reader.close()


def test_a_changed_group_is_another_point_in_the_new_version_alone(versions) -> None:
    open_to_all, closed = [point("a"), point("b")], [point("a", access=("board",)), point("b")]
    first, second = versions.write(open_to_all), versions.write(closed)
    for version, points, seen in ((first, open_to_all, 2), (second, closed, 1)):
        reader = versions.open(version, points)
        assert (reader.count(Where()), reader.count(EVERYTHING)) == (seen, 2)
        assert np.allclose(reader.vectors([points[0].chunk_id])[points[0].chunk_id], vectors_of(points)[0], atol=1e-6)
        reader.close()


def test_vectors_and_points_come_back_as_they_were(versions) -> None:
    points = [point("a", 'Größe 渡輪 \u2028 "quoted" \\ back'), point("b", access=("staff", "board"), page=7, ordinal=3)]
    reader = versions.open(versions.write(points), points)
    stored = reader.vectors([points[1].chunk_id, str(uuid.uuid4())])
    assert list(stored) == [points[1].chunk_id]
    assert np.allclose(stored[points[1].chunk_id], vectors_of(points)[1], atol=1e-6)
    asked = [*(p.chunk_id for p in points), str(uuid.uuid4())]
    assert reader.points(asked, EVERYTHING) == {p.chunk_id: p for p in points}
    reader.close()


def test_many_points_need_several_requests(versions, monkeypatch) -> None:
    for place, sizes in ((edge, ("PAGE", "BATCH")), (collection, ("PAGE",)), (server, ("BATCH", "QUERIES", "ASKED"))):
        for name in sizes:
            monkeypatch.setattr(place, name, 7)
    points = [point(str(n)) for n in range(40)]
    reader = versions.open(versions.write(points), points)
    assert len(reader.dense(vectors_of(points), 3, EVERYTHING)) == len(reader.points([p.chunk_id for p in points], EVERYTHING))
    assert held(reader) == as_held(points)
    assert held(versions.open(versions.write(points[:20]), points[:20])) == as_held(points[:20])


def test_payloads_that_kill_or_slow_an_engine_are_refused(versions) -> None:
    nested: dict = {}
    for _ in range(200):
        nested = {"deeper": nested}
    for bad, said in (
        (point("a", title=nested), "only words and whole numbers"),
        (point("a", access=(nested,)), "not a list of group names"),
        (point("a", "x" * 40_000), "lower chunks.tokens"),
    ):
        with pytest.raises(IndexingError, match=said):
            bad.payload()
    fine = [point("a", "x" * 8_000)]
    assert held(versions.open(versions.write(fine), fine)) == as_held(fine)


def test_holdings_know_what_differs_and_refuse_what_is_there_twice() -> None:
    one, two = as_held([point("a"), point("b")]), as_held([point("b", "other"), point("c")])
    ids = {name: point(name).chunk_id for name in "abc"}
    assert one.differing(two) == two.differing(one) == sorted(ids.values())
    assert one.differing(as_held([point("b"), point("a")])) == [] and one == as_held([point("b"), point("a")])
    assert one.contents_digest == as_held([point("b"), point("a")]).contents_digest != two.contents_digest
    assert one.find(packed_ids([ids["c"], ids["a"]])).tolist() == [-1, sorted([ids["a"], ids["b"]]).index(ids["a"])]
    ending = ["00000000-0000-0000-0000-000000000000", "10000000-0000-0000-0000-00000000ff00"]  # zeros at the end count
    assert names(packed_ids(ending)) == ending
    with pytest.raises(IndexingError, match=f"{ids['a']} is there twice"):
        as_held([point("a"), point("a", "other")])
    assert len(Holdings.of([], "nothing")) == 0 and Holdings.of([], "").differing(one) == sorted([ids["a"], ids["b"]])
