"""A Qdrant server: one collection holds all versions of an index. Points carry the sequence numbers between which they live.

A reader filters on the number that it pins; publishing writes one number into the collection's metadata. One writer at a time
(a Dagster pool sees to that); a second one takes the collection over, and the first is refused at its next batch.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import IndexingError
from .collection import Collection, sealed
from .contract import Found, Point, contents_digest

if TYPE_CHECKING:
    import numpy as np
    from qdrant_client.models import Filter

OPEN = 2**53 - 1  # removed_in of a point that is in the newest version; the largest whole number that JSON keeps exact
BATCH = 500  # points per request, about 5 MB of JSON with 384 components


def _alive(sequence: int) -> "Filter":
    from qdrant_client.models import FieldCondition, Filter, Range

    return Filter(
        must=[
            FieldCondition(key="added_in", range=Range(lte=sequence)),
            FieldCondition(key="removed_in", range=Range(gt=sequence)),
        ]
    )


class ServerReader:
    """The version `sequence` of a collection. `contents` is the digest that it must have, None while it is being verified."""

    def __init__(self, collection: Collection, sequence: int, contents: str | None = None) -> None:
        self._collection, self._sequence = collection, sequence
        if contents is not None and sealed(collection.metadata()).get(sequence) != contents:
            raise IndexingError(
                f"collection {collection.name}: the server holds no version {sequence} with the content that was published; "
                "materialize the index again, it writes that version anew"
            )

    def count(self) -> int:
        call = self._collection.client.count
        answer = self._collection.ask("count", call, self._collection.name, count_filter=_alive(self._sequence), exact=True)
        return answer.count

    def holdings(self) -> dict[str, str]:
        found = self._collection.scroll(_alive(self._sequence), ["chunk_id", "text_hash"])
        return {record.payload["chunk_id"]: record.payload["text_hash"] for record in found}

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, list[float]]:
        from qdrant_client.models import FieldCondition, Filter, MatchAny

        where = Filter(
            must=[*(_alive(self._sequence).must or []), FieldCondition(key="chunk_id", match=MatchAny(any=list(chunk_ids)))]
        )
        records, _ = self._collection.ask(
            "read vectors",
            self._collection.client.scroll,
            self._collection.name,
            scroll_filter=where,
            limit=len(chunk_ids) + 1,
            with_payload=["chunk_id"],
            with_vectors=True,
        )
        return {record.payload["chunk_id"]: record.vector for record in records}

    def search(self, vectors: "np.ndarray", k: int) -> list[list[Found]]:
        from qdrant_client.models import QueryRequest

        where = _alive(self._sequence)
        asked = [QueryRequest(query=row.tolist(), filter=where, limit=k, with_payload=True) for row in vectors]
        call = self._collection.client.query_batch_points
        answers = self._collection.ask("search", call, self._collection.name, requests=asked) if asked else []
        return [
            [Found(p.payload["chunk_id"], p.payload["doc_id"], p.payload["source"], p.score) for p in answer.points]
            for answer in answers
        ]

    def close(self) -> None:
        """The client belongs to whoever made it."""


class ServerWriter:
    """Writes the next sequence of a collection, or the given one when it must be written again.

    `identity` (embedder and chunker fingerprint) is kept with the collection; another one is refused.
    """

    def __init__(
        self, collection: Collection, dimension: int, identity: dict[str, str], above: int = 0, sequence: int | None = None
    ) -> None:
        self._collection, self._identity = collection, identity
        self._claim = uuid.uuid4().hex
        self._create(dimension)
        newest = max(sealed(collection.metadata()), default=0)
        self._forced = sequence is not None
        self._base = newest if sequence is None or sequence > newest else None
        self._next = sequence if sequence is not None else max(newest, above) + 1
        self._until = OPEN if self._base is not None else self._next + 1
        self._places: dict[str, Any] = {}
        self._touched = False
        self._update_metadata(writer=self._claim)
        if self._base is not None:
            self._undo_unsealed(newest)
        elif ServerReader(collection, self._next).count():
            raise IndexingError(
                f"collection {collection.name}: version {self._next} is damaged and its place is taken by others; delete the "
                "collection on the server, every version is then written again when it is needed"
            )

    def holdings(self) -> dict[str, str]:
        if not self._base:
            return {}
        found: dict[str, str] = {}
        for record in self._collection.scroll(_alive(self._base), ["chunk_id", "text_hash"]):
            found[record.payload["chunk_id"]] = record.payload["text_hash"]
            self._places[record.payload["chunk_id"]] = record.id
        return found

    def remove(self, chunk_ids: Sequence[str]) -> None:
        client = self._collection.client
        for at in range(0, len(chunk_ids), BATCH):
            batch = chunk_ids[at : at + BATCH]
            self._write(
                f"remove {len(batch)} chunks from {batch[0]}",
                client.set_payload,
                payload={"removed_in": self._next},
                points=[self._places[chunk_id] for chunk_id in batch],
                wait=True,
            )

    def upsert(self, points: Sequence[Point], vectors: "np.ndarray") -> None:
        from qdrant_client.models import PointStruct

        life = {"added_in": self._next, "removed_in": self._until}
        for at in range(0, len(points), BATCH):
            batch, rows = points[at : at + BATCH], vectors[at : at + BATCH].tolist()
            made = [
                PointStruct(id=self._point_id(point.chunk_id), vector=row, payload={**point.payload(), **life})
                for point, row in zip(batch, rows, strict=True)
            ]
            what = f"upsert {len(batch)} chunks from {batch[0].chunk_id}"
            self._write(what, self._collection.client.upsert, points=made, wait=True)

    def reader(self) -> ServerReader:
        return ServerReader(self._collection, self._sequence)

    def seal(self) -> int:
        contents = contents_digest(self.reader().holdings())
        self._require_claim()
        if (
            str(self._collection.ask("look", self._collection.client.get_collection, self._collection.name).status.value)
            == "red"
        ):
            raise IndexingError(
                f"collection {self._collection.name}: the server reports status red; look at its log, run it again"
            )
        self._update_metadata(writer=self._claim, **{f"sequence_{self._sequence}": contents})
        return self._sequence

    def close(self) -> None:
        """The client belongs to whoever made it. What was written unsealed is undone by the next writer."""

    @property
    def _sequence(self) -> int:
        """Without a single change the newest sealed version is already the one that is wanted."""
        return self._next if self._touched or self._forced or not self._base else self._base

    def _point_id(self, chunk_id: str) -> str:
        """One point per life of a chunk: it may be removed in one version and come back in a later one."""
        return str(uuid.uuid5(uuid.UUID(chunk_id), str(self._next)))

    def _write(self, what: str, call: Callable[..., Any], **named: Any) -> None:
        self._require_claim()
        self._touched = True
        self._collection.ask(what, call, self._collection.name, **named)

    def _create(self, dimension: int) -> None:
        import warnings

        from qdrant_client.models import Distance, PayloadSchemaType, VectorParams

        ask, client, name = self._collection.ask, self._collection.client, self._collection.name
        if not ask("look", client.collection_exists, name):
            vectors = VectorParams(size=dimension, distance=Distance.DOT)  # of unit vectors: the cosine, stored verbatim
            ask("create", client.create_collection, name, vectors_config=vectors, metadata=self._identity)
        found = self._collection.metadata()
        if any(found.get(key) != value for key, value in self._identity.items()):
            raise IndexingError(f"collection {name} belongs to another embedder or chunker; delete it or rename the pipeline")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Payload indexes have no effect")  # the client's in-memory mode
            for field in ("added_in", "removed_in"):
                ask("create", client.create_payload_index, name, field, PayloadSchemaType.INTEGER, wait=True)
            ask("create", client.create_payload_index, name, "chunk_id", PayloadSchemaType.KEYWORD, wait=True)

    def _undo_unsealed(self, newest: int) -> None:
        """A crashed build left points that nobody was promised, and ended lives that are not over."""
        from qdrant_client.models import FieldCondition, Filter, FilterSelector, Range

        client, name = self._collection.client, self._collection.name
        unborn = Filter(must=[FieldCondition(key="added_in", range=Range(gt=newest))])
        self._collection.ask("undo", client.delete, name, points_selector=FilterSelector(filter=unborn), wait=True)
        ended = Filter(must=[FieldCondition(key="removed_in", range=Range(gt=newest, lt=OPEN))])
        self._collection.ask("undo", client.set_payload, name, payload={"removed_in": OPEN}, points=ended, wait=True)

    def _update_metadata(self, **changes: Any) -> None:
        known = self._collection.metadata() | self._identity | changes
        self._collection.ask("metadata", self._collection.client.update_collection, self._collection.name, metadata=known)

    def _require_claim(self) -> None:
        if self._collection.metadata().get("writer") != self._claim:
            raise IndexingError(
                f"collection {self._collection.name}: another build took it over; published versions are untouched, "
                "run this one again when the other is done"
            )
