"""Rows of a database query, streamed in a read-only transaction. The address is a secret and is never shown."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..sources import CorpusError, Listing, Secrets
from .buckets import Buckets, named

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult, Engine

    from llmops_pipelines.config.documents import Source

BATCH_ROWS = 2_000
CONNECT_SECONDS = 15
READ_ONLY = {  # what makes all transactions of a session refuse to write; each sees one state of the database
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
}
QUERY = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:select|with|values|table)\b", re.IGNORECASE | re.DOTALL)


def look(source: "Source", *, secrets: Secrets, cache: Path, before: dict[str, Any]) -> Listing:
    """The rows of the query in buckets. `before` holds how many buckets there were."""
    from sqlalchemy.exc import SQLAlchemyError

    said = source.sql
    if not QUERY.match(said.query):
        raise CorpusError(f"source {source.name}: sql.query must be a SELECT; it starts with {said.query.split()[0]!r}")
    address = secrets(said.connection)
    if not address:
        raise CorpusError(
            f"source {source.name}: the environment variable {said.connection} is not set; "
            "it holds the address of the database (postgresql://...)"
        )
    engine = _engine(source.name, said.connection, address)
    buckets = Buckets(source.name, cache)
    try:
        with engine.connect() as connection:
            result = _select(connection, said.query)
            there = list(result.keys())
            at = [there.index(column) if column else None for column in named(source, there)]
            for rows in result.partitions(BATCH_ROWS):
                buckets.add(*([row[place] for row in rows] if place is not None else [None] * len(rows) for place in at))
    except (SQLAlchemyError, OSError) as error:  # its text and its chain may hold the address
        raise CorpusError(
            f"source {source.name}: the database of {said.connection} did not answer the whole query "
            f"({_cause(error, engine)}); nothing was changed, mend the query or the access and run again"
        ) from None
    finally:
        engine.dispose()
    listing, bits = buckets.listing(int(before.get("bits", 0)))
    return Listing(listing.files, listing.counts, {"bits": bits, "rows": buckets.rows})


def _engine(name: str, variable: str, address: str) -> "Engine":
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError
    from sqlalchemy.pool import NullPool

    try:
        url = make_url(address)
        dialect = url.get_backend_name()
        if dialect not in READ_ONLY:
            raise CorpusError(
                f"source {name}: {variable} names a {dialect} database; read-only queries are known for "
                f"{', '.join(sorted(READ_ONLY))}"
            )
        wait = {} if dialect == "sqlite" else {"connect_timeout": CONNECT_SECONDS}
        return create_engine(url, poolclass=NullPool, connect_args=wait, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise CorpusError(
            f"source {name}: {variable} is no database address; it looks like postgresql://user@host/name"
        ) from None
    except ModuleNotFoundError as error:
        raise CorpusError(
            f"source {name}: the database of {variable} needs a package that is not installed; pip install {error.name}"
        ) from None


def _select(connection: "Connection", query: str) -> "CursorResult":
    """Sent as it is written: a colon or a percent sign in it is no parameter."""
    connection.exec_driver_sql(READ_ONLY[connection.dialect.name])
    connection.commit()  # the mode holds from the next transaction on
    return connection.exec_driver_sql(
        query, execution_options={"stream_results": True, "yield_per": BATCH_ROWS, "no_parameters": True}
    )


def _cause(error: BaseException, engine: "Engine") -> str:
    """The driver's own words without anything of the address."""
    said = " ".join(str(getattr(error, "orig", None) or error).split())
    url = engine.url
    for secret in (url.render_as_string(hide_password=False), url.password, url.username, url.host, url.database):
        if secret:
            said = said.replace(str(secret), "***")
    return said[:200]
