"""Qdrant Edge: the engine in this process. One sealed directory per version, made from a copy of the one before.

The write-ahead log is off: a shard is flushed when it is closed, and its files reach the disk before a version is published;
several processes may then read it.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import IndexingError
from .contract import DENSE, EFS, EVERYTHING, EXACTLY, FACETS, SPARSE, Found, Point, Sparse, Where
from .files import copy_shard, require_room
from .holdings import Holdings, packed_digests, packed_ids

if TYPE_CHECKING:
    import numpy as np
    from qdrant_edge import EdgeConfig, EdgeShard, Filter, Record, SearchParams

PAGE = 10_000  # points per scroll
BATCH = 500  # points per request: the numbers of more of them no longer fit into the processor's cache as Python objects
GRAPH_ABOVE = 20_000  # points; below, exact search takes under 2 ms
FACET_VALUES = 100_000  # of all tags together
GRAPH_KB = 10_000  # of vectors; a part of the index (or what a filter leaves of it) that is smaller is searched exactly
M, EF_CONSTRUCT = 16, 128  # of the graph; benchmarks/vector_store.py shows what they buy
OVERSAMPLING = 3.0  # how many times k candidates are compared again with their whole vectors, where those are quantized
SAID = "said"  # one payload field for all that is never filtered on: conversion to the engine costs 6 µs per field
TAGS = "tags"  # one for all but the document that is: each index of a field is 13 files to copy, load, flush and hash
TAGGED = ("access", "source", "language", "trust")


class EdgeReader:
    """A sealed directory."""

    def __init__(self, path: Path, ef: int = EFS[0]) -> None:
        self.ef = ef
        self._shard: EdgeShard = _whole(path)
        if TAGS not in self._shard.info().payload_schema:
            raise IndexingError(f"{path}: this index is of an earlier layout; materialize the index again")
        self._total = _count(self._shard, None)
        self._filter: Callable[[Where], Filter | None] = lru_cache(256)(self._needed_filter)

    def count(self, where: Where) -> int:
        return _count(self._shard, self._filter(where))

    def facet(self, field: str, where: Where) -> dict[str, int]:
        from qdrant_edge import FacetRequest

        if field not in FACETS:
            raise ValueError(f"facet {field!r}: one of {', '.join(FACETS)}")
        key = TAGS if field in TAGGED else field
        answer = self._shard.facet(FacetRequest(key, limit=FACET_VALUES, exact=True, filter=self._filter(where)))
        found = {str(hit.value): hit.count for hit in answer.hits}
        if key != TAGS:
            return found
        return {value: count for tag, count in found.items() for name, value in [_field(tag)] if name == field}

    def ids(self) -> "np.ndarray":
        import numpy as np

        found = [b"".join(each.id.bytes for each in records) for records in _scroll(self._shard, False)]
        return np.sort(np.frombuffer(b"".join(found), "S16"))

    def holdings(self) -> Holdings:
        return _holdings(self._shard)

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, list[float]]:
        found = self._shard.retrieve(list(chunk_ids), with_payload=False, with_vector=[DENSE])
        return {str(record.id): record.vector[DENSE] for record in found}

    def points(self, chunk_ids: Sequence[str], where: Where) -> dict[str, Point]:
        from qdrant_edge import Filter, HasIdCondition, ScrollRequest

        if not chunk_ids:
            return {}
        hidden = self._filter(where)
        if hidden is None:
            records = self._shard.retrieve(list(chunk_ids), with_payload=True, with_vector=False)
        else:
            only = Filter(must=[HasIdCondition(set(chunk_ids)), hidden])
            asked = ScrollRequest(limit=len(chunk_ids), filter=only, with_payload=True, with_vector=False)
            records, _ = self._shard.scroll(asked)
        return {str(record.id): _point(record) for record in records}

    def dense(self, vectors: "np.ndarray", k: int, where: Where, *, exact: bool = False) -> list[list[Found]]:
        from qdrant_edge import QuantizationSearchParams, Query, SearchParams

        again = QuantizationSearchParams(ignore=exact or self.ef == EXACTLY, rescore=True, oversampling=OVERSAMPLING)
        params = SearchParams(hnsw_ef=max(self.ef, k), exact=exact or self.ef == EXACTLY, quantization=again)
        return self._ask([Query.Nearest(row, using=DENSE) for row in vectors.tolist()], k, where, params)

    def sparse(self, queries: Sequence[Sparse], k: int, where: Where) -> list[list[Found]]:
        from qdrant_edge import IdfParams, Query, SearchParams, SparseVector

        # Frequencies among exactly what the caller may see cost a look at all of it. In a large index those of all points
        # are used; there, removed points count until their segment is rewritten (a fifth of it removed).
        seen = self._filter(where.visible()) or _filter_of(EVERYTHING)
        params = SearchParams(idf=IdfParams(seen)) if self._total <= GRAPH_ABOVE else None
        asked = [Query.Nearest(SparseVector(query.indices, query.values), using=SPARSE) for query in queries]
        return self._ask(asked, k, where, params)

    def close(self) -> None:
        self._shard.close()

    def _ask(self, queries: list[Any], k: int, where: Where, params: "SearchParams | None") -> list[list[Found]]:
        from qdrant_edge import QueryBatchRequest, QueryRequest

        only = self._filter(where)
        asked: list[QueryRequest] = [
            QueryRequest(limit=k, query=query, filter=only, params=params, with_payload=False) for query in queries
        ]
        answers = self._shard.query_batch(QueryBatchRequest(asked)) if asked else []
        return [[Found(str(p.id), p.score) for p in points] for points in answers]

    def _needed_filter(self, where: Where) -> "Filter | None":
        """None when it would hide nothing: a filter costs the graph search more than the question itself."""
        made = _filter_of(where)
        return None if _count(self._shard, made) == self._total else made


def _whole(path: Path) -> "EdgeShard":
    """Open a directory that may be exchanged for another one meanwhile: then what was read of it is read anew."""
    from qdrant_edge import EdgeShard

    while True:
        before = path.stat().st_ino
        try:
            shard = EdgeShard.load(str(path))
        except Exception:
            if path.stat().st_ino == before:
                raise
            continue
        if path.stat().st_ino == before:
            return shard
        shard.close()


class EdgeWriter:
    """A directory that is being written. `base` is the sealed directory of the version before, or None; `known` is what was
    found in it when it was verified.

    `copied` says how the base was taken over: "reflink", "bytes", or "nothing" without one.
    """

    def __init__(
        self, path: Path, dimension: int, base: Path | None, quantization: str = "none", known: Holdings | None = None
    ) -> None:
        from qdrant_edge import EdgeShard, PayloadSchemaType, UpdateOperation

        self._path, self._known, self.rebuilt = path, known, base is None
        if base is None:
            require_room(path.parent, 0)
            path.mkdir(parents=True)
            self.copied = "nothing"
            self._shard: EdgeShard = EdgeShard.create(str(path), _config(dimension, quantization))
            for field in ("doc_id", TAGS):
                self._shard.update(UpdateOperation.create_field_index(field, PayloadSchemaType.Keyword))
        else:
            self.copied = copy_shard(base, path)
            self._shard = EdgeShard.load(str(path))
        self._open = True

    def holdings(self) -> Holdings:
        return self._known or _holdings(self._shard)

    def remove(self, chunk_ids: Sequence[str]) -> None:
        from qdrant_edge import UpdateOperation

        if chunk_ids:
            self._shard.update(UpdateOperation.delete_points(list(chunk_ids)))

    def upsert(self, points: Sequence[Point], vectors: "np.ndarray", sparse: Sequence[Sparse]) -> None:
        from qdrant_edge import Point as EdgePoint
        from qdrant_edge import SparseVector, UpdateOperation

        require_room(self._path, 4 * vectors.nbytes)
        for at in range(0, len(points), BATCH):
            some = slice(at, at + BATCH)
            rows = zip(points[some], vectors[some].tolist(), sparse[some], strict=True)
            made = [
                EdgePoint(
                    point.chunk_id, {DENSE: row, SPARSE: SparseVector(terms.indices, terms.values)}, _payload(point.payload())
                )
                for point, row, terms in rows
            ]
            self._shard.update(UpdateOperation.upsert_points(made))

    def reader(self, ef: int = EFS[0]) -> EdgeReader:
        if self._shard.info().points_count > GRAPH_ABOVE:
            self.rebuilt = self._shard.optimize()  # only what grew: few new points stay beside the graph, searched exactly
        self.close()  # flushes
        return EdgeReader(self._path, ef)  # the first load also settles the files: later ones leave every byte as it is

    def seal(self, contents: str) -> int:
        return 0  # the directory itself is the version

    def close(self) -> None:
        if self._open:
            self._shard.close()
            self._open = False


def _config(dimension: int, quantization: str) -> "EdgeConfig":
    from qdrant_edge import (
        Distance,
        EdgeConfig,
        EdgeOptimizersConfig,
        EdgeSparseVectorParams,
        EdgeVectorParams,
        HnswIndexConfig,
        Memory,
        Modifier,
        ScalarQuantizationConfig,
        ScalarType,
    )

    int8 = ScalarQuantizationConfig(ScalarType.Int8, quantile=0.99) if quantization == "int8" else None
    dense = EdgeVectorParams(size=dimension, distance=Distance.Dot)  # of unit vectors: the cosine, stored verbatim
    return EdgeConfig(
        vectors={DENSE: dense},
        sparse_vectors={SPARSE: EdgeSparseVectorParams(modifier=Modifier.Idf)},
        hnsw_config=HnswIndexConfig(M, EF_CONSTRUCT, full_scan_threshold=GRAPH_KB),
        optimizers=EdgeOptimizersConfig(indexing_threshold=GRAPH_KB),
        quantization_config=int8,
        payload_memory=Memory.Cached,  # else the first look at each of ten passages costs as much as the question
        wal_enabled=False,
    )


def _filter_of(where: Where) -> "Filter":
    from qdrant_edge import FieldCondition, Filter, MatchAny

    wanted = ([_tag(field, value) for value in values] for field, values in where.any_of().items())
    return Filter(must=[FieldCondition(TAGS, match=MatchAny(tags)) for tags in wanted])


def _tag(field: str, value: str) -> str:
    return f"{field} {value}"


def _field(tag: str) -> tuple[str, str]:
    field, _, value = tag.partition(" ")
    return field, value


def _count(shard: "EdgeShard", only: "Filter | None") -> int:
    from qdrant_edge import CountRequest

    return shard.count(CountRequest(exact=True, filter=only))


def _payload(said: dict[str, Any]) -> dict[str, Any]:
    kept = {name: said.pop(name) for name in ("doc_id", "digest")}
    tags = [_tag("access", group) for group in said.pop("access")] + [_tag(name, said.pop(name)) for name in TAGGED[1:]]
    return kept | {TAGS: tags, SAID: json.dumps(said)}  # the ASCII form: its encoder is twice as fast


def _point(record: "Record") -> Point:
    payload = record.payload
    tagged = [_field(tag) for tag in payload[TAGS]]
    access = [value for field, value in tagged if field == "access"]
    return Point.of_payload(payload | json.loads(payload[SAID]) | dict(tagged) | {"access": access})


def _holdings(shard: "EdgeShard") -> Holdings:
    def parts() -> Iterator[tuple["np.ndarray", "np.ndarray"]]:
        for records in _scroll(shard, ["digest"]):
            yield packed_ids([str(each.id) for each in records]), packed_digests([each.payload["digest"] for each in records])

    return Holdings.of(parts(), "this index")


def _scroll(shard: "EdgeShard", payload: list[str] | bool) -> "Iterator[list[Record]]":
    from qdrant_edge import ScrollRequest

    offset = None
    while True:
        records, offset = shard.scroll(ScrollRequest(offset=offset, limit=PAGE, with_payload=payload, with_vector=False))
        yield records
        if offset is None:
            return
