"""Stage `build`: the difference is applied, the result is as if built from nothing, and nothing wrong is published."""

import shutil
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest

from llmops_pipelines.config.pipeline import Chunks, Embeddings, Index
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.index import IndexingError, changes
from llmops_pipelines.lifecycle.index.checks import every_chunk_is_indexed, nobody_sees_what_is_not_theirs, vectors_are_sound
from llmops_pipelines.lifecycle.index.engines import drop
from llmops_pipelines.lifecycle.index.engines.contract import DENSE, Where
from llmops_pipelines.lifecycle.index.engines.edge import TAGS, EdgeReader, EdgeWriter
from llmops_pipelines.lifecycle.index.engines.holdings import Holdings
from llmops_pipelines.lifecycle.index.search.retrieval import open_reader
from llmops_pipelines.lifecycle.lake import Lake

from .conftest import FERRY, LIGHT, QUAY

pytestmark = pytest.mark.slow

ONE = {"g/ferry.md": FERRY, "g/light.md": LIGHT}
TWO = {"g/light.md": LIGHT + " It turns.", "g/quay.md": QUAY}  # ferry gone, light edited in its second chunk, quay new


@pytest.fixture(params=["edge", "client"])
def build(request, lake, chunks, embedded):
    """Index a set of documents; returns (version, chunks). The same tests run on both engines."""
    from qdrant_client import QdrantClient

    clients = [QdrantClient(":memory:")]

    def run(texts, change=lambda v: v, engine=request.param, **said):
        cut = chunks(texts, **said)
        settings = Index(url="http://qdrant:6333" if engine == "client" else None)
        version = index.build(lake, cut, embedded(cut, change), settings, run.connect if settings.url else None, "isles")
        lake.point(version)
        return version, cut

    run.connect = lambda: clients[-1]
    run.lose_everything = lambda: clients.append(QdrantClient(":memory:"))
    run.engine = request.param
    yield run
    for client in clients:
        client.close()


def test_only_the_difference_is_written(build) -> None:
    first, _ = build(ONE)
    second, cut = build(TWO)
    numbers = [{key: v.facts[key] for key in ("built", "upserted", "deleted", "kept")} for v in (first, second)]
    assert numbers == [
        {"built": "cold", "upserted": 4, "deleted": 0, "kept": 0},
        {"built": "incremental", "upserted": 4, "deleted": 4, "kept": 0},
    ]  # an edited document has a new content hash, so both of its chunks are new
    third, _ = build(TWO | {"g/ferry.md": FERRY})
    assert (third.facts["upserted"], third.facts["deleted"], third.facts["kept"]) == (2, 0, 4)
    passed, shown = every_chunk_is_indexed(second, cut, build.connect)
    assert passed and (shown["indexed"], shown["missing"], shown["orphans"]) == (4, 0, 0)


def test_however_it_was_built_the_content_is_the_same(build, lake, tmp_path) -> None:
    build(ONE)
    incremental, cut = build(TWO)
    embeddings = next(v for v in lake.versions("embeddings") if v.parents["chunks"] == cut.digest)
    (lake.root / "isles" / "index").rename(tmp_path / "forgotten")
    build.lose_everything()
    settings = Index(url="http://qdrant:6333" if build.engine == "client" else None)
    cold = index.build(lake, cut, embeddings, settings, build.connect, "isles")
    assert (incremental.facts["built"], cold.facts["built"]) == ("incremental", "cold")
    assert cold.digest == incremental.digest and cold.json("content")["ids_digest"] == incremental.json("content")["ids_digest"]
    assert cold.digest != build(ONE)[0].digest


def test_old_versions_stay_readable(build) -> None:
    first, cut_one = build(ONE)
    second, cut_two = build(TWO)
    again, _ = build(ONE)  # going back is finding the version, not building it
    assert again.reused and again.digest == first.digest
    third, cut_three = build({"g/quay.md": QUAY})  # and the next one starts from there
    for version, cut in ((first, cut_one), (second, cut_two), (third, cut_three)):
        assert every_chunk_is_indexed(version, cut, build.connect)[0]
    assert not every_chunk_is_indexed(first, cut_two, build.connect)[0]


def test_a_new_title_is_a_new_vector_of_the_same_chunk(build, lake, documents, embedded) -> None:
    build({"g/a.md": QUAY})
    table = documents({"g/a.md": QUAY}).table()
    table = table.set_column(table.schema.get_field_index("title"), "title", pa.array(["Another title"]))
    retitled = lake.once("documents", code="retitled", config={}, parents=[], write=lambda d: d.table("documents", table))
    cut = index.cut(lake, retitled, Chunks(), Embeddings())
    settings = Index(url="http://qdrant:6333" if build.engine == "client" else None)
    version = index.build(lake, cut, embedded(cut), settings, build.connect, "isles")
    assert (version.facts["upserted"], version.facts["deleted"], version.facts["kept"]) == (2, 0, 0)
    assert every_chunk_is_indexed(version, cut, build.connect)[0]


def test_a_changed_group_is_a_changed_point_with_the_same_vector(build) -> None:
    first, cut_one = build(ONE)
    closed, cut = build(ONE, access={"g/ferry.md": ["crew", "board"]})
    assert (closed.facts["upserted"], closed.facts["deleted"], closed.facts["kept"]) == (2, 0, 2)
    assert closed.digest != first.digest and not every_chunk_is_indexed(closed, cut_one, build.connect)[0]
    for version, chunks, seen in ((first, cut_one, 4), (closed, cut, 2)):
        with closing(open_reader(version, build.connect)) as reader:
            assert reader.count(Where()) == seen and reader.count(Where(groups=frozenset({"crew"}))) == 4
        assert nobody_sees_what_is_not_theirs(version, chunks, build.connect)[0]
    passed, shown = nobody_sees_what_is_not_theirs(first, cut, build.connect)
    assert not passed and shown["wrong"] == "nobody's"


def test_what_is_said_of_a_chunk_is_what_its_document_says(build) -> None:
    version, cut = build(ONE, said={"licence": "MIT", "trust": "untrusted"})
    row = cut.table().slice(1, 1).to_pylist()[0]
    with closing(open_reader(version, build.connect)) as reader:
        found = reader.points([row["chunk_id"]], Where())[row["chunk_id"]]
    assert {name: getattr(found, name) for name in ("doc_id", "source", "licence", "trust", "heading", "page")} == {
        "doc_id": "g/ferry.md", "source": "g", "licence": "MIT", "trust": "untrusted", "heading": row["heading"], "page": 0
    }  # fmt: skip
    assert found.text == FERRY[row["start"] : row["end"]] and version.json("index")["languages"] == {"en": 4}
    assert build(ONE, said={"licence": "CC0-1.0"})[0].facts["upserted"] == 4


def test_portions_and_batches_make_no_difference(build, monkeypatch) -> None:
    whole, _ = build(ONE)
    monkeypatch.setattr(changes, "PORTION", 3)
    build.lose_everything()
    parts, cut = build(TWO | ONE)
    assert parts.facts["upserted"] == 2 or parts.facts["built"] == "cold"
    assert every_chunk_is_indexed(parts, cut, build.connect)[0]
    assert parts.facts["verified_samples"] == 6 and parts.facts["recall_at_10"] == parts.facts["found_by_own_words"] == 1


def test_a_text_that_nobody_could_read_is_kept_in_part(build, monkeypatch) -> None:
    monkeypatch.setattr(changes, "TEXT", 20)
    version, cut = build(ONE)
    assert version.facts["texts_clipped"] == 4
    first = cut.table().column("chunk_id")[0].as_py()
    with closing(open_reader(version, build.connect)) as reader:
        assert reader.points([first], Where())[first].text == FERRY[:20]


def test_a_chunk_that_is_there_twice_or_of_unknown_access_is_refused(lake, chunks, embedded) -> None:
    cut = chunks(ONE)
    vectors = embedded(cut)
    table = cut.table()
    unknown = pa.array([None, *table.column("access").to_pylist()[1:]], table.schema.field("access").type)
    spoilt = {
        "is there twice": pa.concat_tables([table, table.slice(2, 1)]),
        "who may see it is unknown": table.set_column(table.schema.get_field_index("access"), "access", unknown),
    }
    for said, rows in spoilt.items():
        fake = SimpleNamespace(
            batches=lambda columns, rows=rows: rows.select(columns).to_batches(), rows=lambda rows=rows: rows.num_rows,
            digest=cut.digest, asset="chunks", json=cut.json,
        )  # fmt: skip
        with pytest.raises(IndexingError, match=said):
            index.build(lake, fake, vectors, Index(), None, "isles")
        assert not list(lake.versions("index"))


def test_a_text_that_changed_under_its_hash_is_refused(lake, chunks, embedded, monkeypatch) -> None:
    cut = chunks(ONE)
    vectors = embedded(cut)
    complete = changes.slices
    monkeypatch.setattr(changes, "slices", lambda lake, rows: [text.upper() for text in complete(lake, rows)])
    with pytest.raises(IndexingError, match="its text is not the one that was cut"):
        index.build(lake, cut, vectors, Index(), None, "isles")


@pytest.mark.parametrize("build", ["client"], indirect=True)
def test_a_dropped_version_leaves_the_server_and_the_others_stay(build, lake) -> None:
    first, _ = build(ONE)
    second, cut = build(TWO)
    client = build.connect()
    (name,) = (found.name for found in client.get_collections().collections)
    assert client.count(name).count == 8
    assert drop(lake, first, build.connect) == 4 and drop(lake, first, build.connect) == 0
    assert client.count(name).count == 4 and every_chunk_is_indexed(second, cut, build.connect)[0]
    with pytest.raises(IndexingError, match="holds no version 1"):
        open_reader(first, build.connect)


def test_int8_is_another_collection(lake, chunks, embedded) -> None:
    cut = chunks(ONE)
    versions = [index.build(lake, cut, embedded(cut), Index(quantization=kind), None, "isles") for kind in ("none", "int8")]
    assert len({version.json("index")["collection"] for version in versions}) == 2
    assert versions[0].digest == versions[1].digest  # it holds the same, and finds it in another way


def test_an_empty_index_is_refused(build) -> None:
    first, cut = build(ONE)
    with pytest.raises(IndexingError, match="no chunks to index; the published index stays as it is"):
        build({})
    assert every_chunk_is_indexed(first, cut, build.connect)[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v * np.float32("nan"), r"not a number\), chunks [0-9a-f]{8}-"),
        (lambda v: v * 0, "length 0 instead of 1|all components equal"),
        (lambda v: v[:, :4], "numbers for .* vectors of 8"),
    ],
)
def test_unsound_vectors_are_refused_before_the_engine_sees_them(build, lake, change, said) -> None:
    with pytest.raises(IndexingError, match=said):
        build(ONE, change)
    assert lake.current("index") is None and not list(lake.versions("index"))


def test_an_engine_that_loses_a_point_is_not_published(lake, chunks, embedded, monkeypatch) -> None:
    complete = EdgeReader.holdings
    monkeypatch.setattr(EdgeReader, "holdings", lambda self: (h := complete(self)) and Holdings(h.ids[1:], h.digests[1:]))
    cut = chunks(ONE)
    with pytest.raises(IndexingError, match="holds 4 chunks, 4 were to be there, the first that differs is"):
        index.build(lake, cut, embedded(cut), Index(), None, "isles")
    assert not list(lake.versions("index"))


def test_an_engine_that_finds_nothing_is_not_published(lake, chunks, embedded, monkeypatch) -> None:
    monkeypatch.setattr(EdgeReader, "dense", lambda self, vectors, k, where, exact=False: [[] for _ in vectors])
    cut = chunks(ONE)
    with pytest.raises(IndexingError, match="4 of 4 chunks are not found by their own vector"):
        index.build(lake, cut, embedded(cut), Index(), None, "isles")


def spoil_writer(monkeypatch, name: str, spoilt) -> None:
    complete = getattr(EdgeWriter, name)
    monkeypatch.setattr(EdgeWriter, name, lambda self, *given: complete(self, *spoilt(*given)))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda m: spoil_writer(m, "remove", lambda ids: (ids[1:],)), "holds 21 chunks, 20 were to be there"),
        (lambda m: spoil_writer(m, "upsert", lambda points, v, s: (points[1:], v[1:], s[1:])), "holds 19 chunks, 20"),
        (
            lambda m: spoil_writer(m, "upsert", lambda points, v, s: ([replace(p, licence="MIT") for p in points], v, s)),
            "holds 20 chunks, 20 were to be there, the first that differs is",
        ),
        (lambda m: spoil_writer(m, "upsert", lambda points, v, s: (points, v[::-1], s)), "the vector of chunk"),
    ],
)
def test_a_small_change_that_an_engine_gets_wrong_is_not_published(lake, chunks, embedded, monkeypatch, spoil, said) -> None:
    """What was there before is not asked for one by one; what a build did is, and every id."""
    many = {f"g/{n}.md": FERRY for n in range(9)}
    before, after = (chunks(many | {"g/light.md": LIGHT + more}) for more in ("", " It turns."))
    lake.point(index.build(lake, before, embedded(before), Index(), None, "isles"))
    vectors = embedded(after)
    with monkeypatch.context() as spoilt:
        spoil(spoilt)
        with pytest.raises(IndexingError, match=said):
            index.build(lake, after, vectors, Index(), None, "isles")
    second = index.build(lake, after, vectors, Index(), None, "isles")
    assert second.facts["built"] == "incremental" and every_chunk_is_indexed(second, after)[0]


def test_recall_is_measured_again_after_enough_changes(lake, chunks, embedded) -> None:
    texts = {f"g/{n}.md": f"# Quay {n}\n\nThe quay of number {n}." for n in range(20)}
    ago = []
    for number in range(4):
        cut = chunks(texts | {f"h/{n}.md": f"# Crane {n}\n\nThe crane of number {n}." for n in range(number)})
        version = index.build(lake, cut, embedded(cut), Index(), None, "isles")
        lake.point(version)
        ago.append(version.facts["recall_measured_changes_ago"])
    assert ago == [0, 1, 2, 0]  # a tenth of 20 may have changed since
    assert version.json("index")["recall"] == {"at_10": 1.0, "ef": 96, "points": 23, "changed": 0}


@pytest.mark.parametrize("damage", ["a point is gone", "a point too many", "another group"])
def test_what_happened_to_an_index_after_it_was_made_is_seen(lake, chunks, embedded, damage) -> None:
    from qdrant_edge import EdgeShard, Point, UpdateOperation

    cut = chunks(ONE)
    version = index.build(lake, cut, embedded(cut), Index(), None, "isles")
    assert every_chunk_is_indexed(version, cut)[0]
    first = cut.table().column("chunk_id")[0].as_py()
    with closing(EdgeShard.load(str(version.file("edge")))) as shard:
        shard.update(
            {
                "a point is gone": UpdateOperation.delete_points([first]),
                "a point too many": UpdateOperation.upsert_points([Point(str(uuid4()), {DENSE: [1.0] * 8}, {})]),
                "another group": UpdateOperation.set_payload(
                    [first], {TAGS: ["access guests", "source g", "language en", "trust trusted"]}
                ),
            }[damage]
        )
    passed, shown = every_chunk_is_indexed(version, cut)
    assert not passed and shown["differing"]


def test_a_base_that_was_damaged_unseen_is_found_by_the_next_build_and_done_without_by_the_one_after(
    lake, chunks, embedded
) -> None:
    from qdrant_edge import EdgeShard, UpdateOperation

    before, after = chunks(ONE), chunks(ONE | {"g/quay.md": QUAY})
    version = index.build(lake, before, embedded(before), Index(), None, "isles")
    lake.point(version)
    one = before.table().column("chunk_id")[0].as_py()
    sizes = {path: path.stat().st_size for path in version.path.rglob("*") if path.is_file()}
    with closing(EdgeShard.load(str(version.file("edge")))) as shard:
        shard.update(UpdateOperation.set_payload([one], {TAGS: ["access guests", "source g", "language en", "trust trusted"]}))
    assert sizes == {path: path.stat().st_size for path in sizes}  # so that nobody hashes it again
    vectors = embedded(after)
    with pytest.raises(IndexingError, match=f"the first that differs is {one}"):
        index.build(Lake(lake.root, "isles"), after, vectors, Index(), None, "isles")
    second = index.build(Lake(lake.root, "isles"), after, vectors, Index(), None, "isles")
    assert second.facts["built"] == "cold" and every_chunk_is_indexed(second, after)[0]


def test_another_embedder_is_another_collection(lake, chunks, embedded) -> None:
    cut = chunks(ONE)
    first = index.build(lake, cut, embedded(cut), Index(), None, "isles")
    lake.point(first)
    other = index.build(lake, cut, embedded(cut, embedder="f" * 64), Index(), None, "isles")
    assert other.facts["built"] == "cold" and other.facts["collection"] != first.facts["collection"]


@pytest.mark.parametrize("build", ["client"], indirect=True)
def test_a_server_that_lost_its_data_gets_each_version_back(build) -> None:
    first, cut_one = build(ONE)
    second, cut_two = build(TWO)
    build.lose_everything()
    assert not every_chunk_is_indexed(second, cut_two, build.connect)[0]
    for texts in (TWO, ONE):  # the newest first: the older one then fits in before it
        assert build(texts)[0].reused
    for version, cut in ((first, cut_one), (second, cut_two)):
        assert every_chunk_is_indexed(version, cut, build.connect)[0]
    third, cut_three = build({"g/quay.md": QUAY})
    assert third.json("index")["sequence"] == 3
    assert (
        every_chunk_is_indexed(third, cut_three, build.connect)[0] and every_chunk_is_indexed(first, cut_one, build.connect)[0]
    )


@pytest.mark.parametrize("build", ["client"], indirect=True)
def test_numbers_of_lost_versions_are_not_given_again(build) -> None:
    build(ONE)
    build.lose_everything()
    assert build(TWO)[0].json("index")["sequence"] == 2


def test_a_server_index_needs_a_connection(lake, chunks, embedded) -> None:
    cut = chunks(ONE)
    with pytest.raises(IndexingError, match="index.url"):
        index.build(lake, cut, embedded(cut), Index(url="http://qdrant:6333"), None, "isles")


def test_the_check_of_vectors_sees_what_went_wrong_later(lake, chunks, embedded) -> None:
    good = embedded(chunks(ONE))
    passed, shown = vectors_are_sound(lake, good)
    assert passed and shown["vectors"] == 4 and shown["unsound"] == 0
    bad = embedded(chunks({"g/quay.md": QUAY}), change=lambda v: v * 3, embedder="b" * 64)
    passed, shown = vectors_are_sound(lake, bad)
    assert not passed and "length 3" in shown["first_unsound"]
    same = embedded(chunks(ONE), change=lambda v: np.repeat(v[:1], len(v), axis=0), embedder="c" * 64)
    assert not vectors_are_sound(lake, same)[0]
    shutil.rmtree(lake.root / "stores" / "vectors")
    assert not vectors_are_sound(lake, good)[0]


def test_unchanged_input_is_cheap(lake: Lake, documents, one_thread) -> None:
    """Cut, embed and build of what exists import nothing heavy. In a process of its own, for its imports."""
    version = documents(ONE)
    code = f"""
import sys, time
from pathlib import Path
from llmops_pipelines.config.pipeline import Chunks, Embeddings, Index
from llmops_pipelines.lifecycle import index
from llmops_pipelines.lifecycle.index.search.retrieval import open_reader
from llmops_pipelines.lifecycle.lake import Lake
lake = Lake(Path({str(lake.root)!r}), "isles")
started = time.process_time()
cut = index.cut(lake, lake.find("documents", {version.fingerprint!r}), Chunks(), Embeddings())
embeddings = index.embed(lake, cut, Embeddings())
built = index.build(lake, cut, embeddings, Index(), None, "isles")
heavy = {{"torch", "transformers", "tokenizers", "numpy", "pyarrow", "deltalake", "qdrant_edge", "qdrant_client"}}
print(built.reused, time.process_time() - started < 0.3, sorted(heavy & set(sys.modules)))
"""
    cut = index.cut(lake, version, Chunks(), Embeddings())
    index.build(lake, cut, index.embed(lake, cut, Embeddings()), Index(), None, "isles")
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    assert said == "True True []"
