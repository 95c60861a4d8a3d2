"""Qdrant Edge: the engine in this process. One sealed directory per version, made from a copy of the one before.

The write-ahead log is off: `flush` before publishing is what makes a version durable, and several processes may then read it.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import IndexingError
from .contract import Found, Point

if TYPE_CHECKING:
    import numpy as np

PAGE = 10_000  # points per scroll
GRAPH_ABOVE = 20_000  # points; below, exact search takes under 2 ms
ROOM = 80 * 2**20  # bytes that an empty shard maps before it holds anything


class EdgeReader:
    """A sealed directory."""

    def __init__(self, path: Path) -> None:
        from qdrant_edge import EdgeShard

        self._shard = EdgeShard.load(str(path))

    def count(self) -> int:
        from qdrant_edge import CountRequest

        return self._shard.count(CountRequest(exact=True))

    def holdings(self) -> dict[str, str]:
        return _holdings(self._shard)

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, list[float]]:
        found = self._shard.retrieve(list(chunk_ids), with_payload=False, with_vector=True)
        return {str(record.id): record.vector for record in found}

    def search(self, vectors: "np.ndarray", k: int) -> list[list[Found]]:
        from qdrant_edge import Query, QueryBatchRequest, QueryRequest

        asked = [QueryRequest(limit=k, query=Query.Nearest(row.tolist()), with_payload=True) for row in vectors]
        answers = self._shard.query_batch(QueryBatchRequest(asked)) if asked else []
        return [
            [Found(p.payload["chunk_id"], p.payload["doc_id"], p.payload["source"], p.score) for p in points]
            for points in answers
        ]

    def close(self) -> None:
        self._shard.close()


class EdgeWriter:
    """A directory that is being written. `base` is the sealed directory of the version before, or None."""

    def __init__(self, path: Path, dimension: int, base: Path | None) -> None:
        from qdrant_edge import Distance, EdgeConfig, EdgeShard, EdgeVectorParams

        self._path = path
        if base is None:
            path.mkdir(parents=True)
            vectors = EdgeVectorParams(size=dimension, distance=Distance.Dot)  # of unit vectors: the cosine, stored verbatim
            self._shard = EdgeShard.create(str(path), EdgeConfig(vectors=vectors, wal_enabled=False))
        else:
            _require_room(
                path.parent,
                sum(file.stat().st_blocks * 512 for file in base.glob("segments/**/*.*") if ".atomicwrite" not in str(file)),
            )
            # Never hard links: the writer changes files in place. A reader that opens the base may be renaming its settings.
            shutil.copytree(base, path, copy_function=_copy_without_holes, ignore=shutil.ignore_patterns(".atomicwrite*"))
            self._shard = EdgeShard.load(str(path))
        self._open = True

    def holdings(self) -> dict[str, str]:
        return _holdings(self._shard)

    def remove(self, chunk_ids: Sequence[str]) -> None:
        from qdrant_edge import UpdateOperation

        if chunk_ids:
            self._shard.update(UpdateOperation.delete_points(list(chunk_ids)))

    def upsert(self, points: Sequence[Point], vectors: "np.ndarray") -> None:
        from qdrant_edge import Point as EdgePoint
        from qdrant_edge import UpdateOperation

        _require_room(self._path, 4 * vectors.nbytes)
        rows = zip(points, vectors.tolist(), strict=True)
        self._shard.update(UpdateOperation.upsert_points([EdgePoint(p.chunk_id, row, p.payload()) for p, row in rows]))

    def reader(self) -> EdgeReader:
        if self._shard.info().points_count > GRAPH_ABOVE:
            self._shard.optimize()
        self._shard.flush()
        self.close()
        return EdgeReader(self._path)  # the first load also settles the files: later ones leave every byte as it is

    def seal(self) -> int:
        return 0  # the directory itself is the version

    def close(self) -> None:
        if self._open:
            self._shard.close()
            self._open = False


def _holdings(shard) -> dict[str, str]:
    from qdrant_edge import ScrollRequest

    found: dict[str, str] = {}
    offset = None
    while True:
        records, offset = shard.scroll(ScrollRequest(offset=offset, limit=PAGE, with_payload=["text_hash"], with_vector=False))
        found.update((str(record.id), record.payload["text_hash"]) for record in records)
        if offset is None:
            return found


def _require_room(path: Path, needed: int) -> None:
    """The engine maps its files: a full disk kills the process by a signal, without any error message."""
    free = shutil.disk_usage(path).free
    if free < needed + ROOM:
        raise IndexingError(
            f"{path}: {free // 2**20} MB are free, the index needs about {(needed + ROOM) // 2**20} MB; make room and run again"
        )


def _copy_without_holes(source: str, target: str) -> None:
    """Copy what is written of a file. Shards map 69 MB ahead of which a small index fills one."""
    with Path(source).open("rb") as read, Path(target).open("wb") as write:
        size = os.fstat(read.fileno()).st_size
        os.ftruncate(write.fileno(), size)
        at = 0
        while at < size:
            try:
                at = os.lseek(read.fileno(), at, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing but a hole from here on
                return
            end = os.lseek(read.fileno(), at, os.SEEK_HOLE)
            os.lseek(write.fileno(), at, os.SEEK_SET)
            while at < end:
                at += os.sendfile(write.fileno(), read.fileno(), at, end - at)
