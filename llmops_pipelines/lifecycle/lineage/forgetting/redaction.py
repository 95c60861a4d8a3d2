"""Taking documents out of tables, JSON and plain words. A function here changes values in memory; nothing is written.

A row about a forgotten document goes. Where a row is about something else and only quotes it, the quotation goes.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .knowledge import Known, token
from .windows import BETWEEN, Needles

if TYPE_CHECKING:
    import pyarrow as pa

GONE = "[forgotten]"
ERROR = "forgotten"
LEARNT = ("training_examples", "preference_pairs", "distilled_examples", "embedder_pairs", "hard_negatives")
ASKED = ("eval_questions",)
BY_KEY = {"doc_id": "documents", "chunk_id": "chunks", "content_hash": "contents", "text_hash": "text_hashes"}
NAMES = ("doc_ids", "documents")  # columns that list the documents of a row


@dataclass(frozen=True)
class Redaction:
    """What is to go from the records of one pipeline."""

    known: Known
    pipeline: str

    @cached_property
    def names(self) -> frozenset[str]:
        return self.known.of(self.pipeline)

    @property
    def needles(self) -> Needles:
        return self.known.needles

    @cached_property
    def tokens(self) -> dict[str, str]:
        return {document: token(document) for document in self.names}

    @cached_property
    def _spelled(self) -> list[tuple[str, re.Pattern[str]]]:
        """Each name where it stands for itself, not as the beginning or the end of another one."""
        return [(name, re.compile(rf"(?<![\w/.#-]){re.escape(name)}(?![\w/#-]|\.\w)")) for name in sorted(self.names)]

    def text(self, text: str) -> str:
        """A text without the forgotten passages. One that is JSON stays JSON."""
        if text in self.tokens:
            return self.tokens[text]
        for name, spelled in self._spelled:
            if name in text:
                text = spelled.sub(self.tokens[name], text)
        if not self.needles.within(text.encode()):
            return text
        if text[:1] in ("{", "[", '"') and (plain := _parsed(text)) is not None:
            return json.dumps(self.value(plain), ensure_ascii="\\u" in text)
        for start, end in reversed(self.needles.spans(text)):
            text = f"{text[:start]}{GONE}{text[end:]}"
        return GONE if self.needles.within(text.encode()) else text

    def value(self, value: Any) -> Any:
        """JSON with every string redacted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(name): self.value(each) for name, each in value.items()}
        return [self.value(each) for each in value] if isinstance(value, list) else value

    def table(
        self, table: "pa.Table", noun: str, source: str = "", fewer: Mapping[str, int] = MappingProxyType({})
    ) -> "pa.Table":
        """A table of the asset `noun` without them; the same object where nothing is to go. `source` is that of the files
        that it lists, and `fewer` says by uri how many documents went from a file that holds others too."""
        import pyarrow as pa

        stays = self._staying(table, noun, source)
        made = table if all(stays) else table.filter(pa.array(stays, pa.bool_()))
        if fewer and {"uri", "units"} <= set(made.column_names):
            made = _fewer_units(made, fewer)
        for name in made.column_names:
            cleaned = self._column(made, name, noun)
            if cleaned is not None:
                made = made.set_column(made.schema.get_field_index(name), made.schema.field(name), cleaned)
        return self._answers(made) if noun == "answers" else made

    def removed(self, table: "pa.Table", file: str) -> Counter[str]:
        """How many rows about documents go, by the column that names their file."""
        stays = self._staying(table, "", "")
        return Counter(uri for uri, kept in zip(table.column(file).to_pylist(), stays, strict=True) if not kept)

    def _staying(self, table: "pa.Table", noun: str, source: str) -> list[bool]:
        stays = [True] * table.num_rows
        for name, of in BY_KEY.items():
            if name in table.column_names:
                gone = self.names if of == "documents" else getattr(self.known, of)
                _drop(stays, [value in gone for value in table.column(name).to_pylist()])
        if "uri" in table.column_names:
            sources = table.column("source").to_pylist() if "source" in table.column_names else [source] * table.num_rows
            pairs = zip(sources, table.column("uri").to_pylist(), strict=True)
            _drop(stays, [(self.pipeline, *pair) in self.known.files for pair in pairs])
        if "blob" in table.column_names:
            _drop(stays, [value in self.known.blobs for value in table.column("blob").to_pylist()])
        for name in set(NAMES) & set(table.column_names) if noun in LEARNT + ASKED else ():
            _drop(stays, [not self.names.isdisjoint(value or ()) for value in table.column(name).to_pylist()])
        return self._without_quotes(table, stays) if noun in LEARNT else stays

    def _without_quotes(self, table: "pa.Table", stays: list[bool]) -> list[bool]:
        """A row that something learns from goes when it quotes a forgotten text, as the wrong one of two passages may."""
        for name in table.column_names:
            cells = table.column(name).to_pylist()
            if self.needles.within(BETWEEN.join(_bytes_in(cells))):
                _drop(stays, [bool(self.needles.within(BETWEEN.join(_bytes_in([cell])))) for cell in cells])
        return stays

    def _column(self, table: "pa.Table", name: str, noun: str) -> "pa.ChunkedArray | None":
        """The column redacted, None when there is nothing in it."""
        import pyarrow as pa

        kind = table.schema.field(name).type
        if not _holds_words(kind):
            return None
        cells = table.column(name).to_pylist()
        raw = _bytes_in(cells)
        if self._names_in(raw) or self.needles.within(BETWEEN.join(raw)):
            whole = noun == "answers" and name == "read"
            return pa.chunked_array([pa.array([self._passages(cell) if whole else self.value(cell) for cell in cells], kind)])
        return None

    def _names_in(self, raw: list[bytes]) -> bool:
        wanted = {name.encode() for name in self.names}
        return any(each in wanted for each in raw)

    def _passages(self, cell: list[str] | None) -> list[str] | None:
        """Of the passages that a model read, those that are forgotten go as a whole."""
        return cell and [GONE if self.needles.within(each.encode()) else each for each in cell]

    def _answers(self, after: "pa.Table") -> "pa.Table":
        """An answer that quotes a forgotten text, or to a question about it, is no answer any more, and says so."""
        import pyarrow as pa

        if not {"question_id", "answer", "error"} <= set(after.column_names):
            return after
        answers, errors = after.column("answer").to_pylist(), after.column("error").to_pylist()
        about = [each in self.known.questions for each in after.column("question_id").to_pylist()]
        quoted = [answer is not None and (asked or GONE in answer) for answer, asked in zip(answers, about, strict=True)]
        if not any(quoted):
            return after
        made = {
            "answer": [None if gone else answer for answer, gone in zip(answers, quoted, strict=True)],
            "error": [ERROR if gone else error for error, gone in zip(errors, quoted, strict=True)],
        }
        for name, cells in made.items():
            at = after.schema.get_field_index(name)
            after = after.set_column(at, after.schema.field(name), pa.array(cells, pa.string()))
        return after


def _fewer_units(table: "pa.Table", fewer: Mapping[str, int]) -> "pa.Table":
    """Else the ledger would not balance."""
    import pyarrow as pa

    rows = table.select(["uri", "units"]).to_pylist()
    units = pa.array([row["units"] - fewer.get(row["uri"], 0) for row in rows], pa.int64())
    return table.set_column(table.schema.get_field_index("units"), "units", units)


def _drop(stays: list[bool], gone: list[bool]) -> None:
    for row, each in enumerate(gone):
        stays[row] = stays[row] and not each


def _bytes_in(value: Any) -> list[bytes]:
    """Every string in lists and structs."""
    if isinstance(value, str):
        return [value.encode()]
    if isinstance(value, bytes):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [each for item in value for each in _bytes_in(item)] if isinstance(value, list) else []


def _holds_words(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return True
    return any(_holds_words(kind.field(at).type) for at in range(kind.num_fields))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
