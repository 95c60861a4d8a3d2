"""A Qdrant server: one collection holds all versions of an index. Points carry the sequence numbers between which they live.

A reader filters on the number that it pins; publishing writes one number into the collection's metadata. One writer at a time
(a Dagster pool sees to that); a second one takes the collection over, and the first is refused at its next batch.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import IndexingError
from .collection import Collection
from .contract import DENSE, EFS, EVERYTHING, EXACTLY, FACETS, LAYOUT, SPARSE, Found, Point, Sparse, Where
from .creation import create
from .holdings import Holdings, packed_digests, packed_ids
from .lives import OPEN, alive, born_after, ended_after, of_chunks

if TYPE_CHECKING:
    import numpy as np
    from qdrant_client.models import SearchParams

BATCH = 500  # points per request, about 5 MB of JSON with 384 components
QUERIES = 100  # per request
ASKED = 1_000  # chunk ids per request
FACET_VALUES = 10_000
EXACT_IDF = 20_000  # points; up to here term frequencies are counted among what the caller may see
OVERSAMPLING = 3.0  # how many times k candidates are compared again with their whole vectors, where those are quantized


class ServerReader:
    """The version `sequence` of a collection. `contents` is the digest that it must have, None while it is being verified.

    In a collection of more than EXACT_IDF points BM25 counts term frequencies among the points of all retained versions, dead
    ones included: its scores are those of the pinned version only as far as the versions speak of the same things.
    """

    def __init__(self, collection: Collection, sequence: int, contents: str | None = None, ef: int = EFS[0]) -> None:
        self.ef = ef
        self._collection, self._sequence = collection, sequence
        if contents is not None and not collection.state().holds(sequence, contents):
            raise IndexingError(
                f"collection {collection.name}: the server holds no version {sequence} with the content that was published; "
                "materialize the index again, it writes that version anew"
            )

    def count(self, where: Where) -> int:
        only = alive(self._sequence, where)
        return self._ask("count", self._collection.client.count, count_filter=only, exact=True).count

    def facet(self, field: str, where: Where) -> dict[str, int]:
        if field not in FACETS:
            raise ValueError(f"facet {field!r}: one of {', '.join(FACETS)}")
        only = alive(self._sequence, where)
        call = self._collection.client.facet
        answer = self._ask("facet", call, key=field, facet_filter=only, limit=FACET_VALUES, exact=True)
        return {str(hit.value): hit.count for hit in answer.hits}

    def ids(self) -> "np.ndarray":
        import numpy as np

        records = self._collection.scroll(alive(self._sequence, EVERYTHING), ["chunk_id"])
        return np.sort(packed_ids([record.payload["chunk_id"] for record in records]))

    def holdings(self) -> Holdings:
        return _holdings(self._collection, self._sequence)

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, list[float]]:
        found = self._records(chunk_ids, EVERYTHING, ["chunk_id"], [DENSE])
        return {record.payload["chunk_id"]: record.vector[DENSE] for record in found}

    def points(self, chunk_ids: Sequence[str], where: Where) -> dict[str, Point]:
        found = self._records(chunk_ids, where, True, False)
        return {record.payload["chunk_id"]: Point.of_payload(record.payload) for record in found}

    def dense(self, vectors: "np.ndarray", k: int, where: Where, *, exact: bool = False) -> list[list[Found]]:
        from qdrant_client.models import QuantizationSearchParams, SearchParams

        again = QuantizationSearchParams(ignore=exact or self.ef == EXACTLY, rescore=True, oversampling=OVERSAMPLING)
        params = SearchParams(hnsw_ef=max(self.ef, k), exact=exact or self.ef == EXACTLY, quantization=again)
        return self._search(vectors.tolist(), DENSE, k, where, params)

    def sparse(self, queries: Sequence[Sparse], k: int, where: Where) -> list[list[Found]]:
        from qdrant_client.models import IdfCorpusParams, SearchParams, SparseVector

        seen = IdfCorpusParams(corpus=alive(self._sequence, where.visible()))
        params = SearchParams(idf=seen) if self._total <= EXACT_IDF else None
        asked = [SparseVector(indices=query.indices, values=query.values) for query in queries]
        return self._search(asked, SPARSE, k, where, params)

    def close(self) -> None:
        """The client belongs to whoever made it."""

    @cached_property
    def _total(self) -> int:
        return self._ask("count", self._collection.client.count, exact=False).count

    def _search(self, queries: list[Any], using: str, k: int, where: Where, params: "SearchParams | None") -> list[list[Found]]:
        from qdrant_client.models import QueryRequest

        only = alive(self._sequence, where)
        asked = [
            QueryRequest(query=query, using=using, filter=only, limit=k, params=params, with_payload=["chunk_id"])
            for query in queries
        ]
        call = self._collection.client.query_batch_points
        answers = [
            answer
            for at in range(0, len(asked), QUERIES)
            for answer in self._ask("search", call, requests=asked[at : at + QUERIES])
        ]
        return [[_found(point) for point in answer.points] for answer in answers]

    def _records(self, chunk_ids: Sequence[str], where: Where, payload: list[str] | bool, vectors: list[str] | bool):
        for at in range(0, len(chunk_ids), ASKED):
            some = list(chunk_ids[at : at + ASKED])
            only = alive(self._sequence, where, of_chunks(some))
            named = {"scroll_filter": only, "limit": len(some), "with_payload": payload, "with_vectors": vectors}
            yield from self._ask("read points", self._collection.client.scroll, **named)[0]

    def _ask(self, what: str, call: Callable[..., Any], **named: Any) -> Any:
        return self._collection.ask(what, call, self._collection.name, **named)


class ServerWriter:
    """Writes the next sequence of a collection, or the given one when it must be written again.

    `identity` (fingerprints of embedder and chunker, and the like) is kept with the collection; another one is refused.
    """

    rebuilt = True  # for all that is known here: a server works on its graphs when it likes

    def __init__(
        self,
        collection: Collection,
        dimension: int,
        identity: dict[str, str],
        above: int = 0,
        sequence: int | None = None,
        quantization: str = "none",
    ) -> None:
        self._collection, self._identity = collection, identity | {"layout": str(LAYOUT)}
        self._claim = uuid.uuid4().hex
        create(collection, dimension, quantization, self._identity)
        newest = collection.state().newest
        self._forced = sequence is not None
        self._base = newest if sequence is None or sequence > newest else None
        self._next = sequence if sequence is not None else max(newest, above) + 1
        self._until = OPEN if self._base is not None else self._next + 1
        self._touched = False
        self._collection.write_state(writer=self._claim)
        if self._base is not None:
            self._undo_unsealed(newest)
        elif ServerReader(collection, self._next).count(EVERYTHING):
            raise IndexingError(
                f"collection {collection.name}: version {self._next} is damaged and its place is taken by others; delete the "
                "collection on the server, every version is then written again when it is needed"
            )

    def holdings(self) -> Holdings:
        return _holdings(self._collection, self._base) if self._base else Holdings.of([], self._collection.name)

    def remove(self, chunk_ids: Sequence[str]) -> None:
        """Their lives end before this version: readers of older ones keep them."""
        for at in range(0, len(chunk_ids), ASKED):
            some = list(chunk_ids[at : at + ASKED])
            self._write(
                f"remove {len(some)} chunks from {some[0]}",
                self._collection.client.set_payload,
                payload={"removed_in": self._next},
                points=alive(self._base or 0, EVERYTHING, of_chunks(some)),
                wait=True,
            )

    def upsert(self, points: Sequence[Point], vectors: "np.ndarray", sparse: Sequence[Sparse]) -> None:
        from qdrant_client.models import PointStruct, SparseVector

        life = {"added_in": self._next, "removed_in": self._until}
        for at in range(0, len(points), BATCH):
            some = slice(at, at + BATCH)
            rows = zip(points[some], vectors[some].tolist(), sparse[some], strict=True)
            made = [
                PointStruct(
                    id=self._point_id(point),
                    vector={DENSE: row, SPARSE: SparseVector(indices=terms.indices, values=terms.values)},
                    payload=point.payload() | life,
                )
                for point, row, terms in rows
            ]
            what = f"upsert {len(made)} chunks from {points[at].chunk_id}"
            self._write(what, self._collection.client.upsert, points=made, wait=True)

    def reader(self, ef: int = EFS[0]) -> ServerReader:
        return ServerReader(self._collection, self._sequence, ef=ef)

    def seal(self, contents: str) -> int:
        self._require_claim()
        collection = self._collection
        status = collection.ask("look", collection.client.get_collection, collection.name).status.value
        if status == "red":
            raise IndexingError(f"collection {collection.name}: the server reports status red; look at its log, run it again")
        collection.write_state(sealed=collection.state().sealed | {self._sequence: contents})
        return self._sequence

    def close(self) -> None:
        """The client belongs to whoever made it. What was written unsealed is undone by the next writer."""

    @property
    def _sequence(self) -> int:
        """Without a single change the newest sealed version is already the one that is wanted."""
        return self._next if self._touched or self._forced or not self._base else self._base

    def _point_id(self, point: Point) -> str:
        """One point per life of a chunk: it may be removed in one version and come back, or be another, in a later one."""
        return str(uuid.uuid5(uuid.UUID(point.chunk_id), f"{point.digest} {self._next}"))

    def _write(self, what: str, call: Callable[..., Any], **named: Any) -> None:
        self._require_claim()
        self._touched = True
        self._collection.ask(what, call, self._collection.name, **named)

    def _undo_unsealed(self, newest: int) -> None:
        """A crashed build left points that nobody was promised, and ended lives that are not over."""
        from qdrant_client.models import FilterSelector

        client, name = self._collection.client, self._collection.name
        unborn = FilterSelector(filter=born_after(newest))
        self._collection.ask("undo", client.delete, name, points_selector=unborn, wait=True)
        reopen = {"removed_in": OPEN}
        self._collection.ask("undo", client.set_payload, name, payload=reopen, points=ended_after(newest), wait=True)

    def _require_claim(self) -> None:
        if self._collection.state().metadata.get("writer") != self._claim:
            raise IndexingError(
                f"collection {self._collection.name}: another build took it over; published versions are untouched, "
                "run this one again when the other is done"
            )


def _holdings(collection: Collection, sequence: int) -> Holdings:
    def parts() -> Iterator[tuple["np.ndarray", "np.ndarray"]]:
        ids, digests = [], []
        for record in collection.scroll(alive(sequence, EVERYTHING), ["chunk_id", "digest"]):
            ids.append(record.payload["chunk_id"])
            digests.append(record.payload["digest"])
            if len(ids) >= 10_000:
                yield packed_ids(ids), packed_digests(digests)
                ids, digests = [], []
        yield packed_ids(ids), packed_digests(digests)

    return Holdings.of(parts(), f"collection {collection.name}")


def _found(point: Any) -> Found:
    return Found(point.payload["chunk_id"], point.score)
