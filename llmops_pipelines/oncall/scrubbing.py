"""Databases that are no file below the home: Dagster's on PostgreSQL or in a folder of its own, MLflow's by its URL.

Each is redacted cell by cell, as the SQLite files of the home are.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmops_pipelines.lifecycle.lake import Lake
from llmops_pipelines.lifecycle.lineage.forgetting import StillThere, scan
from llmops_pipelines.lifecycle.lineage.forgetting.leftovers import redact_others
from llmops_pipelines.lifecycle.lineage.forgetting.redaction import Redaction

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

Scrub = Callable[[Redaction], int]
AT_ONCE = 1_000  # rows


def scrubs(home: Path, instance: Any) -> tuple[list[Scrub], list[str]]:
    """What redacts the databases of a home that are elsewhere, and remarks about those that nothing here can reach."""
    found: list[Scrub] = []
    remarks: list[str] = []
    folder = Path(os.environ["DAGSTER_HOME"]).resolve()
    if not folder.is_relative_to(home):
        found.append(lambda redaction: folder_scrubbed(folder, redaction))
    storage = instance.event_log_storage
    if "Sqlite" not in type(storage).__name__:
        found.append(lambda redaction: _dagster(storage, redaction))
    tracking = os.environ.get("MLFLOW_TRACKING_URI", "")
    if tracking.startswith("http"):
        remarks.append(f"MLflow at {tracking} keeps facts and scores of runs; what it holds was not looked through")
    elif tracking and not tracking.startswith(f"sqlite:///{home}"):
        found.append(lambda redaction: _by_url(tracking, redaction))
    return found, remarks


def folder_scrubbed(folder: Path, redaction: Redaction) -> int:
    """Redact every file of a folder outside the home. Raises `StillThere` when something is left."""
    done: list[str] = []
    redact_others(folder, Lake(folder / "no lake", redaction.pipeline), redaction, lambda what, where: done.append(where))
    left = scan(folder, redaction.needles)
    if left.places:
        raise StillThere(f"{folder / left.places[0].file}: the text is left in {len(left.places)} files here; remove them")
    return len(done)


def _dagster(storage: Any, redaction: Redaction) -> int:
    with storage.index_connection() as connection:
        return scrubbed(connection.engine, redaction)


def _by_url(url: str, redaction: Redaction) -> int:
    from sqlalchemy import create_engine

    engine = create_engine(url)
    try:
        return scrubbed(engine, redaction)
    finally:
        engine.dispose()


def scrubbed(engine: "Engine", redaction: Redaction) -> int:
    """Redact every text cell of every table with a primary key. Returns how many cells changed."""
    from sqlalchemy import MetaData

    tables = MetaData()
    with engine.begin() as connection:
        tables.reflect(connection)
        changed = sum(_table(connection, table, redaction) for table in tables.sorted_tables)
    if changed and engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM FULL")  # else the old rows stay in the files of the server
    return changed


def _table(connection: "Connection", table: Any, redaction: Redaction) -> int:
    keys = list(table.primary_key.columns)
    texts = [column for column in table.columns if column not in keys and _is_text(column)]
    if not keys or not texts:
        return 0
    changed = 0
    for row in list(_rows(connection, table)):
        cells = {column.name: row[column.name] for column in texts if isinstance(row[column.name], str)}
        new = {name: text for name, cell in cells.items() if (text := redaction.text(cell)) != cell}
        if new:
            update = table.update().values(**new)
            for key in keys:
                update = update.where(key == row[key.name])
            connection.execute(update)
            changed += len(new)
    return changed


def _rows(connection: "Connection", table: Any) -> Iterator[Any]:
    yield from connection.execute(table.select().execution_options(yield_per=AT_ONCE)).mappings()


def _is_text(column: Any) -> bool:
    from sqlalchemy import String

    return isinstance(column.type, String)
