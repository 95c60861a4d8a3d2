"""Work that is done once: each blob parsed, each raw text cleaned, each cleaned text profiled. Results stay in stores.

Rows are appended batch by batch, so an interrupted run has lost at most one batch.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..lake.digests import digest, text_digest
from .children.pool import Limits, Outcome, Pool
from .cleaners import cleaning
from .discovery import blob_path
from .formats import parsers
from .similarity import duplicates
from .sources import CorpusError

if TYPE_CHECKING:
    from llmops_pipelines.config.documents import Cleaning

    from ..lake import Lake

BATCH = 256  # files or texts
PIECE = ("row", "raw", "titled", "kind", "reason", "detail")  # what is known of a piece beside its text
BATCH_CHARACTERS = 64 * 2**20
GROUP_CHARACTERS = 128 * 2**10  # texts that go to a child process together: one message costs as much as cleaning a page

T = TypeVar("T")


class DamagedBlob(CorpusError):
    """The kept bytes of a source file are not what they were."""


@dataclass(frozen=True)
class ToParse:
    """A file to parse: its bytes, its format, and the key of the result. `base` is the key of its first attempt."""

    blob: str
    kind: str
    columns: dict[str, Any] | None
    key: str
    base: str

    @classmethod
    def of(cls, blob: str, kind: str, columns: dict[str, Any] | None, limits: Limits, attempts: dict[str, int]) -> "ToParse":
        rows = columns if kind in parsers.TABULAR else None
        base = digest([blob, parsers.parser_identity(kind, rows, limits)])
        attempt = attempts.get(base, 0)
        return cls(blob, kind, rows, digest([base, attempt]) if attempt else base, base)


@dataclass(frozen=True)
class ToClean:
    """A raw text to clean: where it is in the parsed store, the title to give it, and the key of the result.

    `base` names the text and its cleaner in retries.py.
    """

    parse: str
    place: int
    title: str  # used when the parser found none
    heading: bool  # whether the title becomes the first line of the text
    format: str
    key: str
    base: str

    @classmethod
    def of(
        cls, parse: str, place: int, raw: str, title: str, heading: bool, format: str, cleaner: str, attempts: dict[str, int]
    ) -> "ToClean":
        """`raw` is the digest of the text, `cleaner` that of the cleaner."""
        first = digest([raw, title, heading, format])
        base = f"{first}/{cleaner[:16]}"
        attempt = attempts.get(base, 0)
        return cls(parse, place, title, heading, format, digest([first, attempt]) if attempt else first, base)


def cleaner_identity(settings: "Cleaning", limits: Limits) -> dict[str, Any]:
    return {"cleaning": cleaning.identity(settings), "limits": vars(limits)}


def profile_identity(similarity: float) -> dict[str, Any]:
    return {"code": duplicates.CODE, "bands": duplicates.bands(similarity)}


def parse_new(lake: "Lake", files: dict[str, ToParse], pool: Pool, limits: Limits) -> list[str]:
    """Parse files that have no row in the store yet, and return their keys. Failures are results like others."""
    store = lake.store("parsed", "v2", "parse")
    new = store.missing(files)
    tasks = [(files[key], str(blob_path(lake, files[key].blob))) for key in new]
    outcomes = pool.run(parsers.parse, ((path, f.blob, f.kind, f.columns, limits.characters) for f, path in tasks))
    done = ((file, _trusted(outcome, path, file.blob)) for (file, path), outcome in zip(tasks, outcomes, strict=True))
    for batch in _batches(done, lambda pair: _length(pair[1])):
        store.append(_parsed_table(batch))
    return new


def _length(outcome: Outcome) -> int:
    return sum(len(piece["text"]) for piece in outcome.value[0]) if outcome.value else 0


def _trusted(outcome: Outcome, path: str, blob: str) -> Outcome:
    """A child's word is not enough to delete what was kept."""
    if outcome.detail == parsers.DAMAGED_BLOB and parsers.kept_bytes(path, blob) is None:
        Path(path).unlink(missing_ok=True)
        raise DamagedBlob(f"{path}: {outcome.detail}; run it again, its source is read anew")
    return outcome


def _parsed_table(results: list[tuple[ToParse, Outcome]]):
    """Texts have a column of their own: most readers need only what stands beside them."""
    import pyarrow as pa

    def struct(*names: str) -> pa.DataType:
        return pa.list_(pa.struct([(name, pa.bool_() if name == "titled" else pa.string()) for name in names]))

    rows = []
    for file, outcome in results:
        pieces, reencoded = outcome.value if outcome.value is not None else ([], False)
        notes = [
            {**piece, "titled": bool(piece["title"].strip()), "raw": digest([piece["title"], piece["text"]])}
            for piece in pieces
        ]
        rows.append(
            {
                "parse": file.key,
                "blob": file.blob,
                "reason": f"parser_{outcome.reason}" if outcome.reason else "",
                "detail": outcome.detail,
                "reencoded": reencoded,
                "pieces": [{name: note[name] for name in PIECE} for note in notes],
                "texts": [{"title": piece["title"], "text": piece["text"]} for piece in pieces],
            }
        )
    schema = pa.schema(
        [(name, pa.string()) for name in ("parse", "blob", "reason", "detail")]
        + [
            ("reencoded", pa.bool_()),
            ("pieces", struct(*PIECE)),
            ("texts", struct("title", "text")),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def clean_new(lake: "Lake", wanted: list[ToClean], settings: "Cleaning", pool: Pool, limits: Limits) -> set[str]:
    """Clean what was not cleaned under these settings yet. Returns the keys cleaned now."""
    store = _cleaned_store(lake, settings, limits)
    by_key = {item.key: item for item in reversed(wanted)}
    missing = store.missing(dict.fromkeys(item.key for item in wanted))
    raw_texts = _raw_texts(lake, [by_key[key] for key in missing])
    preparing = cleaning.Preparing.of(settings)
    outcomes = grouped(pool, cleaning.prepare_many, raw_texts, lambda item: len(item[1]), preparing)
    for batch in _batches(zip(missing, outcomes, strict=True), lambda pair: len(pair[1].value["text"]) if pair[1].value else 0):
        _append_texts(lake, {text_digest(o.value["text"]): o.value["text"] for _, o in batch if o.value})
        store.append(_cleaned_table(batch))  # after its texts: a cleaned row always has one
    return set(missing)


def cleaned(lake: "Lake", keys: list[str], settings: "Cleaning", limits: Limits) -> dict[str, dict[str, Any]]:
    """What cleaning said of each key, without the text."""
    return {row["raw"]: row for row in _cleaned_store(lake, settings, limits).take(keys).to_pylist()} if keys else {}


def _cleaned_store(lake: "Lake", settings: "Cleaning", limits: Limits):
    return lake.store("cleaned", digest(cleaner_identity(settings, limits)), "raw")


def grouped(
    pool: Pool, function: Callable[..., list[Any]], items: Iterable[T], size: Callable[[T], int], *more: Any
) -> Iterator[Outcome]:
    """`function(items, *more)` on groups of items, one outcome per item. A group that fails is tried item by item."""
    groups: list[list[T]] = []

    def tasks() -> Iterator[tuple[Any, ...]]:
        for group in _batches(items, size, BATCH, GROUP_CHARACTERS):
            groups.append(group)
            yield (group, *more)

    for outcome in pool.run(function, tasks()):
        group = groups.pop(0)
        if outcome.reason and len(group) > 1:
            for alone in pool.run(function, (([item], *more) for item in group)):
                yield Outcome(alone.value[0]) if alone.value else alone
        elif outcome.reason:
            yield outcome
        else:
            yield from (Outcome(value) for value in outcome.value)


def _raw_texts(lake: "Lake", wanted: list[ToClean]) -> Iterator[tuple[str, str, str]]:
    store = lake.store("parsed", "v2", "parse")
    for batch in _batches(wanted, lambda _: 0):
        rows = {row["parse"]: row["texts"] for row in store.take([item.parse for item in batch], ["texts"]).to_pylist()}
        for item in batch:
            found = rows[item.parse][item.place]
            title = found["title"].strip() or item.title
            yield title, f"# {title}\n\n{found['text']}" if item.heading else found["text"], item.format


def _append_texts(lake: "Lake", texts: dict[str, str]) -> None:
    import pyarrow as pa

    store = lake.store("texts", "v1", "content_hash")
    new = store.missing(texts)
    schema = pa.schema([("content_hash", pa.string()), ("text", pa.string())])
    store.append(pa.table({"content_hash": new, "text": [texts[content] for content in new]}, schema=schema))


def _cleaned_table(batch: list[tuple[str, Outcome]]):
    import pyarrow as pa

    rows = []
    for key, outcome in batch:
        value = outcome.value or {"title": "", "text": "", "language": "", "replaced": [], "reason": "", "detail": ""}
        rows.append(
            {
                "raw": key,
                "reason": f"cleaner_{outcome.reason}" if outcome.reason else value["reason"],
                "detail": outcome.detail or value["detail"],
                "title": value["title"],
                "language": value["language"],
                "replaced": value["replaced"],
                "content_hash": text_digest(value["text"]),
                "characters": len(value["text"]),
                "empty": not any(map(str.isalnum, value["text"])),
            }
        )
    schema = pa.schema(
        [(name, pa.string()) for name in ("raw", "reason", "detail", "title", "language", "content_hash")]
        + [("characters", pa.int64()), ("empty", pa.bool_())]
        + [("replaced", pa.list_(pa.struct([("kind", pa.string()), ("count", pa.int64())])))]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def stored_texts(lake: "Lake", contents: Iterable[str]) -> list[str]:
    """The cleaned texts of these content hashes, in the order given; a repeated hash gives its text again."""
    wanted = list(contents)
    found = lake.store("texts", "v1", "content_hash").take(wanted, ["content_hash", "text"]).to_pydict() if wanted else {}
    place = dict(zip(found.get("content_hash", []), found.get("text", []), strict=True))
    return [place[content] for content in wanted]


def _batches(
    items: Iterable[T], size: Callable[[T], int], count: int = BATCH, characters: int = BATCH_CHARACTERS
) -> Iterator[list[T]]:
    batch: list[T] = []
    total = 0
    for item in items:
        batch.append(item)
        total += size(item)
        if len(batch) >= count or total >= characters:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch
