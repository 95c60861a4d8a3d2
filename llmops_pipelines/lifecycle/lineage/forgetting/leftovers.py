"""Everything below the home that is no version and no store: leftovers of killed runs, training folders, mirrors, databases,
logs and artifacts. What holds the text is redacted where its form is known, and else removed or reported.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from llmops_pipelines.lifecycle.lake import Lake, files, retention

from . import databases
from .knowledge import lakes_of
from .redaction import Redaction
from .scanning import every_file, in_file
from .versions import STAGING

Note = Callable[[str, str], None]  # what was done with which place


def unlink_blobs(lake: Lake, redaction: Redaction, note: Note) -> None:
    for name in sorted(redaction.known.blobs | redaction.known.shared_blobs):
        path = lake.root / "blobs" / name[:2] / name
        if path.is_file():
            path.unlink()
            note("removed", path.relative_to(lake.root).as_posix())


def sweep(lake: Lake, redaction: Redaction, note: Note) -> None:
    """Leftovers of killed runs, and of a killed erasure, in all pipelines; the notes of the last looks at sources."""
    for each in lakes_of(lake.root):
        folder = lake.root / each.pipeline
        for path in [*folder.rglob("staging/*"), *folder.rglob("versions/*.damaged-*"), *folder.rglob("versions/*.replaced")]:
            ours = path.name.startswith(STAGING)
            if (ours or (not retention.in_use(path) and _holds(path, redaction))) and path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
                note("removed", path.relative_to(lake.root).as_posix())
        for look in folder.glob("raw_documents/*/look.parquet"):
            _redact_look(each, look, redaction, note)
    for mirror in (lake.root / "mirrors").glob("*"):
        if _holds(mirror, redaction):
            shutil.rmtree(mirror) if mirror.is_dir() else mirror.unlink()
            note("removed", mirror.relative_to(lake.root).as_posix())


def _holds(path: Path, redaction: Redaction) -> bool:
    found = every_file(path) if path.is_dir() else [path]
    return any(in_file(each, redaction.needles) for each in found)


def _redact_look(lake: Lake, look: Path, redaction: Redaction, note: Note) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(look)
    made = Redaction(redaction.known, lake.pipeline).table(table, "raw_documents", look.parent.name)
    if made.num_rows != table.num_rows:
        _write_table(look, made)
        note("redacted", look.relative_to(lake.root).as_posix())


def _write_table(path: Path, table) -> None:
    import io

    import pyarrow.parquet as pq

    written = io.BytesIO()
    pq.write_table(table, written, compression="zstd", write_page_checksum=True)
    files.replace(path, written.getvalue())


def redact_others(home: Path, lake: Lake, redaction: Redaction, note: Note) -> None:
    """Files below the home outside the lake that hold the text; databases too."""
    for path in sorted(every_file(home, [lake.root])):
        try:
            database = databases.is_database(path)
        except FileNotFoundError:
            continue
        name = path.relative_to(home).as_posix()
        if database:
            _database(path, name, redaction, note)
        elif in_file(path, redaction.needles):
            note(_one(home, path, redaction), name)


def _database(path: Path, name: str, redaction: Redaction, note: Note) -> None:
    cells = databases.redact(path, redaction)
    if cells or any(in_file(each, redaction.needles) for each in _with_log(path)):
        databases.shrink(path)
        note(f"{cells} cells redacted", name)


def _with_log(path: Path) -> Iterator[Path]:
    yield from (each for each in (path, path.with_name(f"{path.name}-wal")) if each.is_file())


def _one(home: Path, path: Path, redaction: Redaction) -> str:
    """Redact a file if it is a table, JSON or plain text; rows that a training waits with, and what cannot be read, go."""
    inside = path.relative_to(home).parts[0]
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        noun = "training_examples" if inside == "training" else ""
        _write_table(path, redaction.table(pq.read_table(path), noun))
        return "redacted"
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        if inside in ("training", "search"):
            path.unlink()
            return "removed"
        return "left: its form is not known"
    files.replace(path, _redacted_text(text, redaction).encode("utf-8"))
    return "redacted"


def _redacted_text(text: str, redaction: Redaction) -> str:
    """Whole JSON, or line by line: JSON Lines, and logs."""
    try:
        return files.to_json(redaction.value(json.loads(text))).decode("utf-8")
    except ValueError:
        lines = "\n".join(redaction.text(line) for line in text.split("\n"))
        return redaction.text(lines)
