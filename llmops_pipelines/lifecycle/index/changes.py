"""What one build writes: the difference between what an engine holds and the chunks, in one pass over them.

Memory holds 24 bytes per chunk, a portion of new points with their vectors and texts, and a sample for verification.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.lake import Lake, Store, Version
from llmops_pipelines.lifecycle.lake.digests import text_digest

from .embedders.soundness import refuse_faults
from .embedding import vectors_of
from .engines.contract import SAID, Point, Writer, told
from .engines.holdings import Holdings, names, packed_digests, packed_ids
from .errors import IndexingError
from .passages import slices, with_head
from .search import lexical

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

PORTION = 5_000  # new points that are in memory at once, with vectors and texts about 40 MB
SAMPLES = 64  # rows of each kind, new and kept, that are remembered for verification
TEXT = 5_000  # characters kept in the index of a passage
COLUMNS = [*SAID, "start", "end", "head", "digest"]


@dataclass
class Changes:
    """What a build did. `new` and `kept` are some rows of chunks that were written and that stayed, for verification."""

    wanted: Holdings
    new: "pa.Table | None"
    kept: "pa.Table | None"
    written: "np.ndarray"  # packed ids
    vectors: "dict[str, np.ndarray]"  # by text hash, of the points that were written last
    languages: Counter[str]
    counts: Counter[str]

    @property
    def are_few(self) -> bool:
        """Most of what is wanted was there and stayed."""
        return 2 * len(self.written) < len(self.wanted)

    def sample(self, rows: int, kept: int) -> "pa.Table":
        """At most so many rows, `kept` of them of what stayed, or more where there are fewer new ones."""
        import pyarrow as pa

        if self.new is None or self.kept is None:
            return (self.kept if self.new is None else self.new).slice(0, rows)
        stayed = self.kept.slice(0, max(kept, rows - self.new.num_rows))
        return pa.concat_tables([self.new.slice(0, rows - stayed.num_rows), stayed])

    @property
    def facts(self) -> dict[str, Any]:
        counts = self.counts
        return {
            "points": len(self.wanted),
            "upserted": counts["upserted"],
            "deleted": counts["deleted"],
            "kept": len(self.wanted) - counts["upserted"],
            "built": "incremental" if counts["before"] else "cold",
            "texts_clipped": counts["clipped"],
        }


def write(lake: Lake, writer: Writer, chunks: Version, store: Store, dimension: int, place: str) -> Changes:
    """Bring a writer to exactly the chunks: remove what is gone, add what is new or says something else now.

    Raises IndexingError for unsound vectors, a chunk that is there twice, and a text that is not the one that was cut.
    """
    import numpy as np

    before = writer.holdings()
    pass_over = _Pass(before, np.zeros(len(before), dtype=bool))
    written, vectors = [np.zeros(0, "S16")], {}
    for rows in _portions(pass_over.fresh(chunks), PORTION):
        points = _points(lake, rows, pass_over.counts)
        made = _sound_vectors(points, store, dimension)
        vectors = {point.text_hash: row for (point, _), row in zip(points, made, strict=True)}
        writer.remove(pass_over.changed_among(rows))
        writer.upsert([point for point, _ in points], made, _sparse(points))
        written.append(packed_ids([point.chunk_id for point, _ in points]))
    gone = before.ids[~pass_over.seen]
    for at in range(0, len(gone), PORTION):
        writer.remove(names(gone[at : at + PORTION]))
    upserted = np.concatenate(written)
    pass_over.counts.update(upserted=len(upserted), deleted=len(gone), before=len(before))
    wanted = Holdings.of(pass_over.held, place)
    new, kept = (pass_over.samples[key].rows for key in (True, False))
    return Changes(wanted, new, kept, upserted, vectors, pass_over.languages, pass_over.counts)


def wanted_holdings(chunks: Version) -> Holdings:
    """What an index of these chunks must hold."""
    import pyarrow as pa

    tables = (pa.Table.from_batches([batch]) for batch in chunks.batches(columns=["chunk_id", "digest"]))
    return Holdings.of((_marks(rows) for rows in tables), "chunks")


@dataclass
class _Pass:
    """One look at every chunk, and what it leaves behind."""

    before: Holdings
    seen: "np.ndarray"  # bool: which of what was there is still wanted
    held: list[tuple["np.ndarray", "np.ndarray"]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    samples: "dict[bool, _Sample]" = field(default_factory=lambda: {True: _Sample(), False: _Sample()})

    def fresh(self, chunks: Version) -> "Iterator[pa.Table]":
        """The rows that are new or changed, in the order of chunks."""
        import numpy as np
        import pyarrow as pa

        for batch in chunks.batches(columns=COLUMNS):
            rows = pa.Table.from_batches([batch])
            ids, digests = _marks(rows)
            self.held.append((ids, digests))
            self.languages.update(rows.column("language").to_pylist())
            at = self.before.find(ids)
            same = at >= 0
            self.seen[at[same]] = True
            same[same] = self.before.digests[at[same]] == digests[same]
            for new, sample in self.samples.items():
                sample.add(rows, digests ^ self.before.salt, np.flatnonzero(same != new))
            if not same.all():
                yield told(rows.take(np.flatnonzero(~same)))

    def changed_among(self, rows: "pa.Table") -> list[str]:
        ids = rows.column("chunk_id").to_pylist()
        return [chunk for chunk, at in zip(ids, self.before.find(packed_ids(ids)).tolist(), strict=True) if at >= 0]


@dataclass
class _Sample:
    """The rows with the lowest marks. Those are chance and the same in each attempt, but others in the next version, so that
    in time every chunk is looked at."""

    marks: "np.ndarray | None" = None
    rows: "pa.Table | None" = None

    def add(self, rows: "pa.Table", marks: "np.ndarray", chosen: "np.ndarray") -> None:
        import numpy as np
        import pyarrow as pa

        chosen = chosen[np.argsort(marks[chosen], kind="stable")[:SAMPLES]]
        both = marks[chosen] if self.marks is None else np.concatenate([self.marks, marks[chosen]])
        table = rows.take(chosen) if self.rows is None else pa.concat_tables([self.rows, rows.take(chosen)])
        lowest = np.argsort(both, kind="stable")[:SAMPLES]
        self.marks, self.rows = both[lowest], table.take(lowest)


def _said(rows: "pa.Table") -> list[list[Any]]:
    return [rows.column(name).to_pylist() for name in SAID]


def _marks(rows: "pa.Table") -> "tuple[np.ndarray, np.ndarray]":
    return packed_ids(rows.column("chunk_id").to_pylist()), packed_digests(rows.column("digest").to_pylist())


def _portions(tables: "Iterator[pa.Table]", rows: int) -> "Iterator[pa.Table]":
    """The same rows, `rows` at a time."""
    import pyarrow as pa

    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(each.num_rows for each in waiting) >= rows:
            whole = pa.concat_tables(waiting)
            for at in range(0, whole.num_rows - rows + 1, rows):
                yield whole.slice(at, rows)
            waiting = [whole.slice(whole.num_rows // rows * rows)]
    rest = pa.concat_tables(waiting) if waiting else None
    if rest is not None and rest.num_rows:
        yield rest


def _points(lake: Lake, rows: "pa.Table", counts: Counter[str]) -> list[tuple[Point, str]]:
    """Points, and the text that was embedded for each."""
    made = []
    heads = rows.column("head").to_pylist()
    for said, head, text in zip(zip(*_said(rows), strict=True), heads, slices(lake, rows), strict=True):
        known = dict(zip(SAID, said, strict=True))
        read = with_head(head, text)
        if text_digest(read) != known["text_hash"]:
            raise IndexingError(
                f"chunk {known['chunk_id']}: its text is not the one that was cut; remove the stores and cut again"
            )
        counts["clipped"] += len(text) > TEXT
        made.append((Point(**known | {"text": text[:TEXT], "access": tuple(known["access"])}), read))
    return made


def _sparse(points: Sequence[tuple[Point, str]]):
    return lexical.document_vectors([read for _, read in points], [point.language for point, _ in points])


def _sound_vectors(points: Sequence[tuple[Point, str]], store: Store, dimension: int) -> "np.ndarray":
    hashes = list(dict.fromkeys(point.text_hash for point, _ in points))
    place = {text_hash: row for row, text_hash in enumerate(hashes)}
    rows = vectors_of(store, hashes, dimension)[[place[point.text_hash] for point, _ in points]]
    refuse_faults(rows, dimension, [point.chunk_id for point, _ in points])
    return rows
