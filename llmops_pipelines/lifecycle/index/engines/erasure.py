"""Taking chunks out of every version that a server holds, as if they had never been there. For what must be forgotten."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .collection import Collection
from .contract import EVERYTHING
from .holdings import Holdings
from .server import ServerReader

if TYPE_CHECKING:
    from qdrant_client.models import Filter

ASKED = 1_000  # values per request


def held(collection: Collection, chunk_ids: Sequence[str], contents: Sequence[str]) -> int:
    """How many points, of whatever version, are one of the chunks or were cut from one of the contents."""
    client, name = collection.client, collection.name
    return sum(
        collection.ask("count", client.count, name, count_filter=each, exact=True).count for each in _of(chunk_ids, contents)
    )


def erase(collection: Collection, chunk_ids: Sequence[str], contents: Sequence[str]) -> None:
    """Delete these points for all versions, and say of each version what it holds now. May be repeated.

    A version keeps its number. Who still knows it by the digest that it had is let in, until its record is written anew.
    """
    from qdrant_client.models import FilterSelector

    sealed = collection.state().sealed
    for each in _of(chunk_ids, contents):
        selector = FilterSelector(filter=each)
        collection.ask("erase", collection.client.delete, collection.name, points_selector=selector, wait=True)
    now = {sequence: holdings(collection, sequence).contents_digest for sequence in sealed}
    known = collection.state().metadata.get("rewritten", [])
    moved = [f"{number} {sealed[number]} {contents}" for number, contents in now.items() if sealed[number] != contents]
    if moved:
        collection.write_state(sealed=now, rewritten=[*known, *moved])


def holdings(collection: Collection, sequence: int) -> Holdings:
    """What a version holds, whatever digest it should have."""
    return ServerReader(collection, sequence).holdings()


def languages(collection: Collection, sequence: int) -> dict[str, int]:
    return dict(sorted(ServerReader(collection, sequence).facet("language", EVERYTHING).items()))


def _of(chunk_ids: Sequence[str], contents: Sequence[str]) -> "list[Filter]":
    from qdrant_client.models import FieldCondition, Filter, MatchAny

    parts = [("chunk_id", chunk_ids), ("content_hash", contents)]
    return [
        Filter(must=[FieldCondition(key=key, match=MatchAny(any=list(values[at : at + ASKED])))])
        for key, values in parts
        for at in range(0, len(values), ASKED)
    ]
