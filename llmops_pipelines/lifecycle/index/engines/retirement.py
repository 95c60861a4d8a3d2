"""Forgetting versions that nobody needs any more. Who needs what is decided by the lake's garbage collection, not here."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from llmops_pipelines.lifecycle.lake import Lake, Version

from .collection import Collection
from .lives import in_none_of

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


def retire(collection: Collection, keep: set[int]) -> int:
    """Forget all sealed versions of a collection but `keep` and the newest. Returns how many points were deleted.

    Readers pinned to a forgotten version are refused from then on. May be repeated: a crash in between leaves points that
    the next call deletes. Not while a build writes to the collection: run it in the pool that builds run in.
    """
    from qdrant_client.models import FilterSelector

    sealed = collection.state().sealed
    if not sealed:
        return 0
    kept = {number: contents for number, contents in sealed.items() if number in keep or number == max(sealed)}
    if kept != sealed:
        collection.write_state(sealed=kept)
    dead = in_none_of(sorted(kept))
    client, name = collection.client, collection.name
    found = collection.ask("count", client.count, name, count_filter=dead, exact=True).count
    if found:
        collection.ask("retire", client.delete, name, points_selector=FilterSelector(filter=dead), wait=True)
    return found


def drop(lake: Lake, index: Version, connect: "Callable[[], QdrantClient] | None" = None) -> int:
    """Forget what a server holds of an index version that is about to be removed from the lake. Returns deleted points.

    Versions of the lake that are still there keep theirs. An embedded index is its directory: nothing to do.
    """
    where = index.json("index")
    if where["engine"] != "server" or connect is None:
        return 0
    others = [version.json("index") for version in lake.versions("index") if version.path != index.path]
    keep = {other["sequence"] for other in others if other["collection"] == where["collection"]}
    return retire(Collection(connect(), where["collection"]), keep)
