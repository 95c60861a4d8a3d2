"""SQLite files below the home (Dagster's history, MLflow): cells that quote a forgotten text, redacted where they stand.

What a deleted or changed row leaves on the pages of the file is overwritten by VACUUM. Databases on a server are reached by
those who have a connection to them: `redact` takes any that speaks DB-API.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from llmops_pipelines.lifecycle.lake import Refusal

from .decoding import SQLITE
from .redaction import Redaction

SECONDS = 60  # that another process may hold the file


class DatabaseInUse(Refusal):
    """Another process did not let go of a database."""


def is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == SQLITE


def redact(path: Path, redaction: Redaction) -> int:
    """Redact every cell of every table. Returns how many cells changed; without any, the file is left as it is."""
    try:
        with closing(sqlite3.connect(path, timeout=SECONDS, isolation_level=None)) as database:
            found = list(_changes(database, redaction))
            if found:
                database.execute("PRAGMA secure_delete = ON")
                database.execute("BEGIN IMMEDIATE")
                for table, column, row, text in found:
                    database.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = ?', (text, row))
                database.execute("COMMIT")
            return len(found)
    except sqlite3.OperationalError as error:
        raise DatabaseInUse(f"{path}: {error}; end what uses it, and say it again") from error


def shrink(path: Path) -> None:
    """Write the file anew, without pages that nothing points to, and empty its write-ahead log."""
    try:
        with closing(sqlite3.connect(path, timeout=SECONDS, isolation_level=None)) as database:
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        raise DatabaseInUse(f"{path}: {error}; end what uses it, and say it again") from error


def _changes(database: sqlite3.Connection, redaction: Redaction) -> Iterator[tuple[str, str, int, str]]:
    """(table, column, row, new text) of each cell that quotes something."""
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if table.startswith("sqlite_"):
            continue
        columns = [row[1] for row in database.execute(f'PRAGMA table_info("{table}")')]
        listed = ", ".join(f'"{column}"' for column in columns)
        try:
            rows = database.execute(f'SELECT rowid, {listed} FROM "{table}"')
        except sqlite3.OperationalError:  # a table without row numbers
            continue
        for row, *cells in rows.fetchall():
            for column, cell in zip(columns, cells, strict=True):
                if isinstance(cell, str) and len(cell) > 8 and (text := redaction.text(cell)) != cell:
                    yield table, column, row, text
