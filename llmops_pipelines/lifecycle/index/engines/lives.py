"""Filters of a collection that holds many versions: a point is in version n while added_in <= n < removed_in."""

from typing import TYPE_CHECKING

from .contract import Where

if TYPE_CHECKING:
    from qdrant_client.models import Condition, Filter

OPEN = 2**53 - 1  # removed_in of a point that is in the newest version; the largest whole number that JSON keeps exact


def alive(sequence: int, where: Where, *more: "Condition") -> "Filter":
    """Points of that version that `where` shows."""
    from qdrant_client.models import FieldCondition, Filter, MatchAny, Range

    wanted = [FieldCondition(key=field, match=MatchAny(any=values)) for field, values in where.any_of().items()]
    life = [
        FieldCondition(key="added_in", range=Range(lte=sequence)),
        FieldCondition(key="removed_in", range=Range(gt=sequence)),
    ]
    return Filter(must=[*life, *wanted, *more])


def of_chunks(chunk_ids: list[str]) -> "Condition":
    from qdrant_client.models import FieldCondition, MatchAny

    return FieldCondition(key="chunk_id", match=MatchAny(any=chunk_ids))


def born_after(sequence: int) -> "Filter":
    """Points that no sealed version knows: a crashed build left them."""
    from qdrant_client.models import FieldCondition, Filter, Range

    return Filter(must=[FieldCondition(key="added_in", range=Range(gt=sequence))])


def ended_after(sequence: int) -> "Filter":
    """Points whose life a crashed build ended, although it is not over."""
    from qdrant_client.models import FieldCondition, Filter, Range

    return Filter(must=[FieldCondition(key="removed_in", range=Range(gt=sequence, lt=OPEN))])


def in_none_of(kept: list[int]) -> "Filter":
    """Points that lived only between the kept versions, before the first of them, and not after the last."""
    from qdrant_client.models import FieldCondition, Filter, Range

    gaps = zip([0, *sorted(kept)], sorted(kept), strict=False)
    return Filter(
        should=[
            Filter(
                must=[
                    FieldCondition(key="added_in", range=Range(gt=before)),
                    FieldCondition(key="removed_in", range=Range(lte=after)),
                ]
            )
            for before, after in gaps
        ]
    )
