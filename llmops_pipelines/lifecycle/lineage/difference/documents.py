"""Documents that were added, removed, renamed, edited, or put under other terms between two versions of a corpus."""

import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmops_pipelines.lifecycle import corpus
from llmops_pipelines.lifecycle.lake import Lake

from .edits import Line, changed, edit
from .sides import Side, reading

if TYPE_CHECKING:
    import pyarrow as pa

TERMS = ("source", "licence", "language", "access", "consent", "trust")
LISTED = 2_000  # documents named of each kind
READ = 100  # edited documents whose texts are compared


@dataclass(frozen=True)
class Edited:
    """A document with another text. `changed` is how many letters went or came, None where the texts were not compared."""

    doc_id: str
    before: str
    after: str
    changed: int | None
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Moved:
    """A document under another term: its licence, access, trust and the like."""

    doc_id: str
    term: str
    before: str
    after: str


@dataclass(frozen=True)
class Documents:
    """`counts` has before, after, added, removed, renamed, edited, moved; `more` says what is not listed. Edited documents
    stand in order of their change, the largest first."""

    counts: dict[str, int]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    edited: tuple[Edited, ...]
    moved: tuple[Moved, ...]
    more: str = ""

    @property
    def touched(self) -> frozenset[str]:
        """Every document listed as another one than before."""
        return frozenset([*self.added, *self.removed, *(each.doc_id for each in self.edited)])


def documents(before: Side, after: Side, first: Collection[str] = ()) -> Documents:
    """`first` are documents whose texts are compared before others. Raises `Unknown`."""
    import pyarrow.compute as pc

    old, new = _table(before), _table(after)
    at = pc.index_in(new["doc_id"], value_set=old["doc_id"])
    kept = at.is_valid()
    here, there = new.filter(kept), old.take(at.drop_null())
    added = new.filter(pc.invert(kept)).select(["doc_id", "content_hash"]).to_pylist()
    lost = pc.invert(pc.is_in(old["doc_id"], value_set=new["doc_id"]))
    removed = old.filter(lost).select(["doc_id", "content_hash"]).to_pylist()
    renamed = _renamed(removed, added)
    names = {each for pair in renamed for each in pair}
    edited, moved = _edited(there, here), [each for term in TERMS for each in _moved(there, here, term)]
    gone = tuple(row["doc_id"] for row in removed if row["doc_id"] not in names)
    came = tuple(row["doc_id"] for row in added if row["doc_id"] not in names)
    told = _told(after.lake, edited, frozenset(first))
    kinds = {"added": came, "removed": gone, "renamed": renamed, "edited": told, "moved": moved}
    counts = {"before": old.num_rows, "after": new.num_rows, **{name: len(found) for name, found in kinds.items()}}
    cut = [f"{counts[name] - LISTED:,} more {name}" for name in kinds if counts[name] > LISTED]
    return Documents(
        counts, came[:LISTED], gone[:LISTED], renamed[:LISTED], told[:LISTED], tuple(moved[:LISTED]), "; ".join(cut)
    )


def _table(side: Side) -> "pa.Table":
    """doc_id, content_hash and the terms, each as text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    with reading(side, "documents"):
        table = side.part("documents").table(columns=["doc_id", "content_hash", *TERMS]).combine_chunks()
    for place, name in enumerate(table.column_names):
        column = table.column(name)
        if pa.types.is_list(column.type):
            table = table.set_column(place, name, pc.binary_join(column, _scalar(", ")))
    return table


def _scalar(text: str) -> "pa.Scalar":
    """What `pa.scalar` makes, which imports pandas for it and takes a third of a second."""
    import pyarrow as pa

    data = text.encode("utf-8")
    offsets = pa.py_buffer(struct.pack("=2i", 0, len(data)))
    return pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(data)])[0]


def _renamed(removed: Sequence[dict], added: Sequence[dict]) -> tuple[tuple[str, str], ...]:
    """(old, new) for a document that went while another with the same text came."""
    waiting: dict[str, list[str]] = {}
    for row in removed:
        waiting.setdefault(row["content_hash"], []).append(row["doc_id"])
    return tuple((waiting[row["content_hash"]].pop(0), row["doc_id"]) for row in added if waiting.get(row["content_hash"]))


def _edited(old: "pa.Table", new: "pa.Table") -> list[tuple[str, str, str]]:
    import pyarrow.compute as pc

    other = pc.not_equal(old["content_hash"], new["content_hash"])
    columns = (new["doc_id"], old["content_hash"], new["content_hash"])
    return list(zip(*(column.filter(other).to_pylist() for column in columns), strict=True))


def _moved(old: "pa.Table", new: "pa.Table", term: str) -> Iterator[Moved]:
    import pyarrow.compute as pc

    nothing = _scalar("")
    first, second = pc.fill_null(old[term], nothing), pc.fill_null(new[term], nothing)
    other = pc.not_equal(first, second)
    columns = (column.filter(other).to_pylist() for column in (new["doc_id"], first, second))
    yield from (Moved(doc_id, term, was, now) for doc_id, was, now in zip(*columns, strict=True))


def _told(lake: Lake, edited: list[tuple[str, str, str]], first: Collection[str]) -> tuple[Edited, ...]:
    chosen = sorted(edited, key=lambda row: row[0] not in first)
    found = list(_compared(lake, chosen[:READ]))
    found += [Edited(*row, changed=None, lines=()) for row in chosen[READ:]]
    return tuple(sorted(found, key=lambda each: (each.changed is None, -(each.changed or 0), each.doc_id)))


def _compared(lake: Lake, rows: list[tuple[str, str, str]]) -> Iterator[Edited]:
    """With their texts; without, where a clean-up took those away."""
    try:
        texts = corpus.texts(lake, [content for _, old, new in rows for content in (old, new)])
    except KeyError:
        yield from (Edited(*row, changed=None, lines=()) for row in rows)
        return
    for place, row in enumerate(rows):
        lines = edit(*texts[2 * place : 2 * place + 2])
        yield Edited(*row, changed=changed(lines), lines=lines)
