"""The engine in this process: sealed directories that no reader changes, room on the disk, the graph, and int8."""

import fcntl
import mmap
import os
import subprocess
import sys
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pytest

from llmops_pipelines.lifecycle.index import IndexingError
from llmops_pipelines.lifecycle.index.engines import edge, files
from llmops_pipelines.lifecycle.index.engines.contract import EFS, EVERYTHING, EXACTLY, Where
from llmops_pipelines.lifecycle.index.verification import _sufficient_recall, recall_at

from ..conftest import files_below
from ..versions_of import EdgeVersions, as_held, held, point, said_of, sparse_of, vectors_of

pytestmark = pytest.mark.slow


def test_reading_changes_no_byte_of_a_sealed_directory(tmp_path) -> None:
    versions = EdgeVersions(tmp_path)
    points = [point("a"), point("b")]
    versions.write(points)
    before = files_below(tmp_path / "1")
    readers = [versions.open(1, points) for _ in range(2)]  # at once
    for reader in readers:
        reader.dense(vectors_of(points), 2, EVERYTHING)
        reader.facet("source", Where())
        assert held(reader) == as_held(points)
    versions.write([point("b"), point("c")])
    assert files_below(tmp_path / "1") == before


def test_a_reader_in_another_process_keeps_its_version_while_the_next_is_written(tmp_path) -> None:
    versions = EdgeVersions(tmp_path)
    one = [point("a"), point("b")]
    versions.write(one)
    code = """
import sys
from pathlib import Path
from llmops_pipelines.lifecycle.index.engines.edge import EdgeReader
reader = EdgeReader(Path(sys.argv[1]))
for line in sys.stdin:
    print(reader.holdings().contents_digest, flush=True)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "1")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin and other.stdout

        def seen() -> str:
            print("look", file=other.stdin, flush=True)
            return other.stdout.readline().strip()

        assert seen() == as_held(one).contents_digest
        versions.write([point("b", "rewritten"), point("c")])
        assert seen() == as_held(one).contents_digest
        other.stdin.close()


def test_an_almost_empty_shard_takes_little_room(tmp_path) -> None:
    with (tmp_path / "hole").open("wb+") as file:
        file.truncate(1 << 16)
        with mmap.mmap(file.fileno(), 0) as mapped:
            assert not mapped[:].strip(b"\0")
        if os.fstat(file.fileno()).st_blocks:
            pytest.skip("here (tmpfs) even what is only read takes room")
    versions = EdgeVersions(tmp_path)
    versions.write([point("a")])
    versions.write([point("b")])  # a copy of the one before
    for name in "12":
        assert sum(file.stat().st_blocks * 512 for file in (tmp_path / name).rglob("*")) < 8 * 2**20


def test_no_room_on_the_disk_is_said_before_the_engine_dies_of_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2**20))
    with pytest.raises(IndexingError, match="1 MB are free"):
        EdgeVersions(tmp_path).write([point("a")])


@pytest.mark.parametrize("shares", [True, False])
def test_blocks_are_shared_where_the_file_system_can(tmp_path, monkeypatch, shares) -> None:
    def ioctl(to: int, request: int, source: int) -> None:
        assert request == files.FICLONE
        if not shares:
            raise OSError(95, "not supported")
        with open(source, "rb", closefd=False) as read, open(to, "wb", closefd=False) as write:
            write.write(read.read())

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    base = tmp_path / "base"
    (base / "segments").mkdir(parents=True)
    (base / "segments" / "data").write_bytes(b"kept" * 1000)
    with (base / "hole").open("wb") as file:
        file.truncate(1 << 20)
    assert files.copy_shard(base, tmp_path / "copy") == ("reflink" if shares else "bytes")
    assert files_below(tmp_path / "copy") == files_below(base)


def many(count: int):
    return [point(f"p{n}", f"passage {n}", access=("staff",) if n % 10 == 0 else ()) for n in range(count)]


def spread_out(count: int, dimension: int) -> np.ndarray:
    """Vectors that lie near a plane of few dimensions, as those of texts do."""
    chance = np.random.default_rng(7 + count)
    plane = np.random.default_rng(1).normal(size=(12, dimension))
    vectors = (chance.normal(size=(count, 12)) @ plane + 0.5 * chance.normal(size=(count, dimension))).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("quantization", ["none", "int8"])
def test_a_graph_finds_what_exact_search_finds_also_behind_a_filter(tmp_path, monkeypatch, quantization) -> None:
    monkeypatch.setattr(edge, "GRAPH_ABOVE", 1_000)
    monkeypatch.setattr(edge, "GRAPH_KB", 64)
    dimension, points = 64, many(1_500)
    vectors = spread_out(len(points), dimension)
    writer = edge.EdgeWriter(tmp_path / "1", dimension, None, quantization)
    writer.upsert(points, vectors, sparse_of(points))
    reader = writer.reader()
    assert reader._shard.info().indexed_vectors_count >= len(points)  # else this test would compare exact with exact
    questions = spread_out(50, dimension)
    assert recall_at(reader, questions, 10) >= 0.99
    seen = said_of(reader, [hit for answer in reader.dense(questions, 50, Where()) for hit in answer])
    assert {point.access for point in seen} == {()} and reader.count(Where()) == 1_350
    exact = np.argsort(-(questions[:1] @ vectors.T))[0]
    seen = [points[n].chunk_id for n in exact if not points[n].access][:10]
    (found,) = reader.dense(questions[:1], 10, Where())
    assert len({hit.chunk_id for hit in found} & set(seen)) >= 9
    reader.close()

    writer = edge.EdgeWriter(tmp_path / "2", dimension, tmp_path / "1", quantization)
    writer.remove([p.chunk_id for p in points[:5]])
    writer.upsert([point("new", "a new passage")], -vectors[:1], sparse_of([point("new", "a new passage")]))
    reader = writer.reader()  # beside the graph, found at once
    assert said_of(reader, reader.dense(-vectors[:1], 1, EVERYTHING)[0])[0].text == "a new passage"
    assert reader.dense(vectors[:1], 1, EVERYTHING)[0][0].chunk_id != points[0].chunk_id
    assert reader.count(EVERYTHING) == len(points) - 4
    reader.close()


def test_recall_can_be_bad() -> None:
    """The bad control of the measure that publishing depends on."""
    hit = lambda score: SimpleNamespace(score=score)  # noqa: E731
    answers = {False: [[hit(0.9), hit(0.2)]], True: [[hit(0.9), hit(0.8)]]}
    reader = SimpleNamespace(dense=lambda vectors, k, where, exact=False: answers[exact])
    assert recall_at(reader, np.zeros((1, 2)), 2) == 0.5


def test_a_graph_that_finds_too_little_is_given_up_for_exact_search() -> None:
    """Vectors without any order, as of a broken model, are the graph's worst case; a search must be right all the same."""

    class Reader:
        ef = EFS[0]

        def dense(self, vectors, k, where, exact=False):
            score = 0.9 if exact or self.ef == EXACTLY else 0.1
            return [[SimpleNamespace(score=score)]]

    reader = Reader()
    assert _sufficient_recall(reader, np.zeros((1, 2)), "here") == 1.0
    assert reader.ef == EXACTLY


def test_an_exact_reader_asks_no_graph(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(edge, "GRAPH_ABOVE", 1_000)
    monkeypatch.setattr(edge, "GRAPH_KB", 64)
    points = many(1_500)
    vectors = np.random.default_rng(3).normal(size=(len(points), 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    writer = edge.EdgeWriter(tmp_path / "1", 128, None, "none")
    writer.upsert(points, vectors, sparse_of(points))
    questions = vectors[:60] + vectors[60:120]
    with closing(writer.reader(ef=10)) as reader:
        assert recall_at(reader, questions, 10) < 0.99  # the bad control
        reader.ef = EXACTLY
        assert recall_at(reader, questions, 10) == 1.0
