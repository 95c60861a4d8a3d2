"""The documents and chunks of the large lake of `oncall_lake.py`, week by week: real texts, hashes, offsets and chunk ids.

A week edits 1 % of the documents, adds 0.1 % and removes 0.1 %. What a document says follows from its number and the weeks
in which it was edited, so that any week can be made without those before it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import corpus
import numpy as np
import pyarrow as pa

from llmops_pipelines.lifecycle.corpus.parsing import schema as documents_schema
from llmops_pipelines.lifecycle.index.engines.contract import digests_of
from llmops_pipelines.lifecycle.index.passages import _schema as chunks_schema
from llmops_pipelines.lifecycle.index.passages import chunk_id, with_head
from llmops_pipelines.lifecycle.lake.digests import text_digest

NAME = "big"  # of the pipeline
RECIPE = "configs/recipes/quickstart_lora.yaml"
CHUNKER = text_digest("chunker of the large lake")
EMBEDDER = text_digest("embedder of the large lake")
SOURCES = {"handbook": "Apache-2.0", "notices": "Apache-2.0", "tickets": "LicenseRef-Internal", "wiki": "CC-BY-4.0"}
SHARES = ("handbook",) * 4 + ("notices",) + ("tickets",) * 3 + ("wiki",) * 2  # by the tens digit of a document's number
PARAGRAPHS = 4_096
AT_ONCE = 5_000  # documents made together
COPIES, BROKEN = (200, 1), (250, 7)  # every 200th repeats the one before it, every 250th cannot be parsed


@dataclass(frozen=True)
class Scale:
    """How large the lake is. Each of the `weeks` has its own corpus, and `releases / weeks` releases."""

    documents: int = 1_000
    chunks: int = 10_000
    releases: int = 20
    weeks: int = 20
    examples: int = 5_000
    questions: int = 500
    seed: int = 7

    @property
    def releases_a_week(self) -> int:
        return -(-self.releases // self.weeks)

    @property
    def falls_at(self) -> int:
        """The release with which the answers got worse."""
        return max(2, round(0.73 * self.releases))


@dataclass(frozen=True)
class Weeks:
    """Which documents there are in each week, and when each was edited. Numbers only; no text."""

    scale: Scale

    def alive(self, week: int) -> np.ndarray:
        """int64: the numbers of the documents that the sources hold, ascending."""
        return self._grown[week][0]

    def removed(self, week: int) -> np.ndarray:
        """The numbers of all documents that were there once and are not any more."""
        return np.setdiff1d(self._grown[week][1], self.alive(week))

    def changed(self, week: int) -> np.ndarray:
        """The numbers of what was edited or added in that week."""
        return self._grown[week][2]

    def edits(self, number: int, week: int) -> list[int]:
        return [each for each in self._edited.get(number, ()) if each <= week]

    @cached_property
    def _edited(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for week in range(1, self.scale.weeks):
            for number in self._grown[week][3].tolist():
                found.setdefault(number, []).append(week)
        return found

    @cached_property
    def _grown(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """(alive, ever alive, edited or added, edited) of each week."""
        some = np.arange(self.scale.documents, dtype=np.int64)
        grown = [(some, some, some, some[:0])]
        for week in range(1, self.scale.weeks):
            draw = np.random.default_rng([self.scale.seed, week])
            few = max(1, len(some) // 1000)
            stay = np.sort(draw.permutation(some)[few:])
            edited = np.sort(draw.choice(stay, max(1, len(stay) // 100), replace=False))
            ever = grown[-1][1]
            added = np.arange(len(ever), len(ever) + few, dtype=np.int64)
            some = np.concatenate([stay, added])
            grown.append((some, np.concatenate([ever, added]), np.concatenate([edited, added]), edited))
        return grown


def source_of(number: int) -> str:
    return SHARES[number // 10 % 10]


def uri_of(number: int) -> str:
    return f"{number // 1000:05d}/{number:08d}.md"


def doc_id_of(number: int) -> str:
    return f"{source_of(number)}/{uri_of(number)}"


def is_copy(number: int) -> bool:
    return number % COPIES[0] == COPIES[1]


def is_broken(number: int) -> bool:
    return number % BROKEN[0] == BROKEN[1]


def value(number: int, ordinal: int, revision: int) -> str:
    """The form that a rule names: what questions ask for."""
    return f"form {10_000 + (number * 7_919 + ordinal * 104_729 + revision * 1_299_709) % 90_000}"


@dataclass(frozen=True)
class Words:
    """What documents say."""

    weeks: Weeks

    @cached_property
    def _paragraphs(self) -> list[str]:
        draw = random.Random(self.weeks.scale.seed)
        return [" ".join(corpus.sentence(draw) for _ in range(draw.randint(2, 4))) for _ in range(PARAGRAPHS)]

    def length(self, number: int) -> int:
        """Passages of a document: the mean is chunks / documents."""
        mean = self.weeks.scale.chunks / self.weeks.scale.documents
        return 1 + (number * 2_654_435_761 % 2**32) * round(2 * mean - 1) // 2**32

    def revision(self, number: int, ordinal: int, week: int) -> int:
        """The last week in which this passage was rewritten: an edit touches about a third of a document."""
        step = min(3, self.length(number))
        return max((each for each in self.weeks.edits(number, week) if (ordinal + each + number) % step == 0), default=0)

    def title(self, number: int) -> str:
        return f"Procedure {number}: {corpus.THINGS[number % len(corpus.THINGS)]}"

    def passage(self, number: int, ordinal: int, revision: int) -> str:
        place = (number * 2_654_435_761 + ordinal * 40_503 + revision * 97) % PARAGRAPHS
        return f"{self._paragraphs[place]} By rule {number}-{ordinal}, {value(number, ordinal, revision)} applies."

    def passages(self, number: int, week: int) -> list[str]:
        edited = self.weeks.edits(number, week)
        said = ((o, self.revision(number, o, week) if edited else 0) for o in range(self.length(number)))
        return [self.passage(number, ordinal, revision) for ordinal, revision in said]


@dataclass
class Made:
    """Documents of one batch: rows of `columns` below, their chunks, and their texts."""

    documents: pa.Table
    chunks: pa.Table
    texts: pa.Table


def made(words: Words, numbers: np.ndarray, week: int) -> Iterator[Made]:
    """The documents of these numbers as they are in a week, some at a time."""
    for at in range(0, len(numbers), AT_ONCE):
        yield _batch(words, numbers[at : at + AT_ONCE].tolist(), week)


def _batch(words: Words, numbers: list[int], week: int) -> Made:
    documents, chunks = [], []
    for number in numbers:
        title, passages = words.title(number), words.passages(number, week)
        text = "\n\n".join([f"# {title}", *passages])
        documents.append((number, title, text_digest(text), len(text), text_digest(f"{text}\n"), text))
        if not is_broken(number) and not is_copy(number):
            chunks += _cut(number, title, documents[-1][2], passages)
    return Made(_documents(documents), _chunks(chunks), _texts(documents))


def _cut(number: int, title: str, content: str, passages: list[str]) -> Iterator[tuple[Any, ...]]:
    start, doc_id = len(title) + 4, doc_id_of(number)
    for ordinal, passage in enumerate(passages):
        end = start + len(passage)
        name = chunk_id(doc_id, content, CHUNKER, ordinal)
        text_hash = text_digest(with_head(title, passage))
        yield number, name, doc_id, content, ordinal, start, end, len(passage) // 5, title, text_hash
        start = end + 2


def _documents(rows: list[tuple[Any, ...]]) -> pa.Table:
    numbers = [row[0] for row in rows]
    sources, uris = [source_of(number) for number in numbers], [uri_of(number) for number in numbers]
    said = {
        "doc_id": [doc_id_of(number) for number in numbers],
        "source": sources,
        "uri": uris,
        "file": uris,
        "title": [row[1] for row in rows],
        "content_hash": [row[2] for row in rows],
        "format": ["markdown"] * len(rows),
        "licence": [SOURCES[source] for source in sources],
        "language": ["en"] * len(rows),
        "access": [["staff"] if source == "tickets" else [] for source in sources],
        "consent": ["search" if source == "wiki" else "search_and_training" for source in sources],
        "trust": ["trusted"] * len(rows),
        "characters": [row[3] for row in rows],
        "cluster": [doc_id_of(number - 1 if is_copy(number) else number) for number in numbers],
    }
    table = pa.table(said, schema=documents_schema("cluster")).append_column("number", pa.array(numbers, pa.int64()))
    return table.append_column("blob", pa.array([row[4] for row in rows], pa.string()))


def _chunks(rows: list[tuple[Any, ...]]) -> pa.Table:
    names = ("number", "chunk_id", "doc_id", "content_hash", "ordinal", "start", "end", "tokens", "title", "text_hash")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {name: [] for name in names}
    numbers = columns["number"]
    columns["source"] = [source_of(number) for number in numbers]
    columns["licence"] = [SOURCES[source] for source in columns["source"]]
    columns["access"] = [["staff"] if source == "tickets" else [] for source in columns["source"]]
    columns["consent"] = ["search" if source == "wiki" else "search_and_training" for source in columns["source"]]
    columns |= {"heading": columns["title"], "head": columns["title"], "page": [0] * len(rows)}
    columns |= {"language": ["en"] * len(rows), "trust": ["trusted"] * len(rows)}
    fields = [each for each in chunks_schema() if each.name != "digest"]
    table = pa.table({each.name: pa.array(columns[each.name], each.type) for each in fields}, schema=pa.schema(fields))
    table = table.append_column("digest", pa.array(digests_of(table) if rows else [], pa.string()))
    return table.append_column("number", pa.array(numbers, pa.int64()))


def _texts(rows: list[tuple[Any, ...]]) -> pa.Table:
    return pa.table({"content_hash": pa.array([row[2] for row in rows]), "text": pa.array([row[5] for row in rows])})


@dataclass
class Held:
    """Documents and chunks of one week in memory, in the order of the tables: by source, then by uri. Goes forward only."""

    words: Words
    keep: Any
    """What is done with the texts of each batch before anything else: they go into their store."""
    week: int | None = None
    documents: pa.Table = field(default_factory=lambda: _documents([]))
    chunks: pa.Table = field(default_factory=lambda: _chunks([]))
    found: dict[int, Any] = field(default_factory=dict)
    """What a question about a document finds in this week, kept for the next release."""

    def at(self, week: int) -> "Held":
        while self.week is None or self.week < week:
            first = self.week is None
            self.week = week if first else self.week + 1
            self._take(self.words.weeks.alive(week) if first else self.words.weeks.changed(self.week))
        return self

    def rows_of(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First row and number of chunks of each document; the number is 0 for one that is not indexed."""
        known, first, count = self._starts
        at = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
        return first[at], np.where(known[at] == numbers, count[at], 0)

    def _take(self, fresh: np.ndarray) -> None:
        new = list(made(self.words, fresh, self.week))
        for each in new:
            self.keep(each.texts)
        gone = np.concatenate([fresh, self.words.weeks.removed(self.week)])
        self.documents = _merged(self.documents, [each.documents for each in new], gone)
        self.chunks = _merged(self.chunks, [each.chunks for each in new], gone)
        numbers = self.chunks.column("number").to_numpy()
        known, first, count = np.unique(numbers, return_index=True, return_counts=True)
        self._starts = (known, first, count)
        self.found.clear()


def _merged(old: pa.Table, new: list[pa.Table], gone: np.ndarray) -> pa.Table:
    kept = old.filter(pa.array(~np.isin(old.column("number").to_numpy(), gone))) if old.num_rows else old
    table = pa.concat_tables([kept, *new]).combine_chunks()
    numbers = table.column("number").to_numpy()
    rank = np.array([sorted(SOURCES).index(source) for source in SHARES])[numbers // 10 % 10]
    ordinal = table.column("ordinal").to_numpy() if "ordinal" in table.column_names else np.zeros_like(numbers)
    return table.take(pa.array(np.lexsort((ordinal, numbers, rank)))).combine_chunks()
