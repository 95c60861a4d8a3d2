"""Work that is done once: each blob parsed, each raw text cleaned, each cleaned text profiled. Results stay in stores.

Rows are appended batch by batch, so an interrupted run has lost at most one batch.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..lake.digests import digest, text_digest
from . import cleaning, duplicates, language, parsers, personal_data
from .discovery import blob_path
from .pool import Limits, Outcome, Pool
from .sources import CorpusError

if TYPE_CHECKING:
    from llmops_pipelines.config.pipeline import Cleaning

    from ..lake import Lake

BATCH = 64  # files or texts


@dataclass(frozen=True)
class ToParse:
    """A file to parse: its bytes, its format, and the key of the result."""

    blob: str
    kind: str
    columns: dict[str, Any] | None
    key: str

    @classmethod
    def of(cls, blob: str, kind: str, columns: dict[str, Any] | None, limits: Limits) -> "ToParse":
        rows = columns if kind in ("csv", "jsonl") else None
        return cls(blob, kind, rows, digest([blob, parsers.parser_identity(kind, rows, limits)]))


@dataclass(frozen=True)
class ToClean:
    """A raw text to clean: where it is in the parsed store, the title to give it, and the key of the result."""

    parse: str
    place: int
    title: str  # used when the parser found none
    heading: bool  # whether the title becomes the first line of the text
    key: str


def cleaner_identity(settings: "Cleaning", limits: Limits) -> dict[str, Any]:
    libraries = (*personal_data.LIBRARIES, *language.LIBRARIES)
    return {
        "code": [cleaning.CODE, personal_data.CODE, language.CODE],
        "libraries": {name: parsers.library_version(name) for name in libraries},
        "personal_data": sorted(settings.personal_data),
        "languages": sorted(settings.languages) if "phone" in settings.personal_data else [],
        "limits": vars(limits),
    }


def profile_identity() -> dict[str, Any]:
    return {"code": duplicates.CODE, "libraries": {name: parsers.library_version(name) for name in duplicates.LIBRARIES}}


def parse_new(lake: "Lake", files: list[ToParse], pool: Pool, limits: Limits) -> None:
    """Parse files that have no row in the store yet. Failures are results like others."""
    store = lake.store("parsed", "v1", "parse")
    tasks = [(file, str(blob_path(lake, file.blob))) for file in files]
    outcomes = pool.run(parsers.parse, ((path, f.blob, f.kind, f.columns, limits.characters) for f, path in tasks))
    for batch in _batches(zip(tasks, outcomes, strict=True)):
        store.append(_parsed_table([(file, _trusted(outcome, path)) for (file, path), outcome in batch]))


def _trusted(outcome: Outcome, path: str) -> Outcome:
    if outcome.detail == parsers.DAMAGED_BLOB:
        raise CorpusError(f"{path}: {outcome.detail}; remove this file if it is there and run discover again, sources are safe")
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
                "pieces": [{name: note[name] for name in ("row", "raw", "titled", "reason", "detail")} for note in notes],
                "texts": [{"title": piece["title"], "text": piece["text"]} for piece in pieces],
            }
        )
    schema = pa.schema(
        [(name, pa.string()) for name in ("parse", "blob", "reason", "detail")]
        + [
            ("reencoded", pa.bool_()),
            ("pieces", struct("row", "raw", "titled", "reason", "detail")),
            ("texts", struct("title", "text")),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def clean_new(lake: "Lake", wanted: list[ToClean], settings: "Cleaning", pool: Pool, limits: Limits) -> set[str]:
    """Clean what was not cleaned under these settings yet. Returns the keys cleaned now."""
    store = lake.store("cleaned", digest(cleaner_identity(settings, limits)), "raw")
    by_key = {item.key: item for item in reversed(wanted)}
    missing = store.missing(dict.fromkeys(item.key for item in wanted))
    kinds, languages = tuple(sorted(settings.personal_data)), tuple(sorted(settings.languages))
    raw_texts = _raw_texts(lake, [by_key[key] for key in missing])
    outcomes = pool.run(cleaning.prepare, ((title, text, kinds, languages) for title, text in raw_texts))
    for batch in _batches(zip(missing, outcomes, strict=True)):
        _append_texts(lake, {text_digest(o.value["text"]): o.value["text"] for _, o in batch if o.value})
        store.append(_cleaned_table(batch))  # after its texts: a cleaned row always has one
    return set(missing)


def _raw_texts(lake: "Lake", wanted: list[ToClean]) -> Iterator[tuple[str, str]]:
    store = lake.store("parsed", "v1", "parse")
    for batch in _batches(wanted):
        rows = {row["parse"]: row["texts"] for row in store.take([item.parse for item in batch], ["texts"]).to_pylist()}
        for item in batch:
            found = rows[item.parse][item.place]
            title = found["title"].strip() or item.title
            yield title, f"# {title}\n\n{found['text']}" if item.heading else found["text"]


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
        value = outcome.value or {"title": "", "text": "", "language": "", "replaced": []}
        rows.append(
            {
                "raw": key,
                "reason": f"cleaner_{outcome.reason}" if outcome.reason else "",
                "detail": outcome.detail,
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


def profile_new(lake: "Lake", contents: Iterable[str], pool: Pool) -> None:
    """Signatures and paragraph digests of texts that have none yet. Raises `CorpusError` when a text cannot be profiled."""
    import pyarrow as pa

    store = lake.store("profiles", digest(profile_identity()), "content_hash")
    missing = store.missing(contents)
    texts = (text for batch in _batches(missing) for text in stored_texts(lake, batch))
    schema = pa.schema(
        [("content_hash", pa.string()), ("signature", pa.list_(pa.int64())), ("paragraphs", pa.list_(pa.string()))]
    )
    for batch in _batches(zip(missing, pool.run(duplicates.profile, ((text,) for text in texts)), strict=True)):
        for content, outcome in batch:
            if outcome.reason:
                raise CorpusError(
                    f"text {content}: comparing it with others {outcome.reason} ({outcome.detail}); raise the limits"
                )
        store.append(pa.Table.from_pylist([{"content_hash": c, **outcome.value} for c, outcome in batch], schema=schema))


def stored_texts(lake: "Lake", contents: Iterable[str]) -> list[str]:
    """The cleaned texts of these content hashes, in the order given; a repeated hash gives its text again."""
    wanted = list(contents)
    found = lake.store("texts", "v1", "content_hash").take(wanted, ["content_hash", "text"]).to_pydict() if wanted else {}
    place = dict(zip(found.get("content_hash", []), found.get("text", []), strict=True))
    return [place[content] for content in wanted]


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch
