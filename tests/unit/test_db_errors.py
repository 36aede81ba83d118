"""Who is at fault when a transaction fails decides whether a message is parked, repeated or given back."""

import sqlite3
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
from sqlalchemy import exc

from distribution.errors import PoolOutdated
from distribution.store.db_errors import Failure, classify, describe_error


class PostgresError(Exception):
    """What the PostgreSQL driver raises: it has the server's code."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(f"the server said {sqlstate}")
        self.sqlstate = sqlstate


def from_driver(
    kind: type[exc.DBAPIError],
    orig: Exception,
    *,
    statement: str | None = "SELECT secret",
    cause: Exception | None = None,
    lost: bool = False,
) -> exc.DBAPIError:
    """An error as SQLAlchemy wraps it."""
    orig.__cause__ = cause
    return kind(statement, {"secret": 1}, orig, connection_invalidated=lost)


def from_sqlite(code: int) -> exc.DBAPIError:
    """An error with SQLite's own code, as SQLAlchemy wraps it."""
    orig = sqlite3.OperationalError("SQLite says so")
    orig.sqlite_errorcode = code
    return from_driver(exc.OperationalError, orig)


@pytest.mark.parametrize(
    ("sqlstate", "failure"),
    [
        ("22001", Failure.BAD_DATA),  # value too long
        ("22021", Failure.BAD_DATA),  # character not in repertoire
        ("22P05", Failure.BAD_DATA),  # untranslatable character
        ("23505", Failure.BAD_DATA),  # unique violation
        ("23514", Failure.BAD_DATA),  # check violation
        ("44000", Failure.BAD_DATA),  # a view's check
        ("54000", Failure.BAD_DATA),  # index row too large
        ("54001", Failure.BAD_DATA),  # statement too complex
        ("P0001", Failure.BAD_DATA),  # a trigger refuses the row
        ("0A000", Failure.CONFLICT),  # the cached plan is of an older schema
        ("40001", Failure.CONFLICT),  # serialization failure
        ("40P01", Failure.CONFLICT),  # deadlock
        ("08003", Failure.UNAVAILABLE),  # connection does not exist
        ("08006", Failure.UNAVAILABLE),  # connection failure
        ("25006", Failure.UNAVAILABLE),  # read-only after a failover
        ("25P03", Failure.UNAVAILABLE),  # idle in transaction for too long
        ("28P01", Failure.UNAVAILABLE),  # password changed
        ("3D000", Failure.UNAVAILABLE),  # no such database
        ("42501", Failure.UNAVAILABLE),  # no privilege
        ("42703", Failure.UNAVAILABLE),  # no such column
        ("42P01", Failure.UNAVAILABLE),  # no such table
        ("42P05", Failure.UNAVAILABLE),  # a pooler's prepared statement
        ("42601", Failure.DEFECT),  # syntax
        ("42702", Failure.DEFECT),  # ambiguous column
        ("42804", Failure.DEFECT),  # types that do not match
        ("42883", Failure.DEFECT),  # no such function
        ("42P18", Failure.DEFECT),  # a parameter of no type
        ("53100", Failure.UNAVAILABLE),  # disk full
        ("53200", Failure.UNAVAILABLE),  # out of memory
        ("53300", Failure.UNAVAILABLE),  # too many connections
        ("53400", Failure.UNAVAILABLE),  # a configured limit
        ("55P03", Failure.LOCKED),  # lock not available, or not in time
        ("57014", Failure.UNAVAILABLE),  # statement cancelled
        ("57P01", Failure.UNAVAILABLE),  # the server stops
        ("57P02", Failure.UNAVAILABLE),  # the server crashed
        ("57P03", Failure.UNAVAILABLE),  # the server starts
        ("58030", Failure.UNAVAILABLE),  # input or output error
        ("XX001", Failure.UNAVAILABLE),  # data corrupted
    ],
)
def test_postgresql_says_who_is_at_fault(sqlstate: str, failure: Failure) -> None:
    """Bad values park a message, a lost race repeats it, a wrong statement is a defect, all else is the world."""
    assert classify(from_driver(exc.DBAPIError, PostgresError(sqlstate))) is failure


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, Failure.BAD_DATA),
        (sqlite3.SQLITE_CONSTRAINT_TRIGGER, Failure.BAD_DATA),
        (sqlite3.SQLITE_TOOBIG, Failure.BAD_DATA),
        (sqlite3.SQLITE_MISMATCH, Failure.BAD_DATA),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Failure.CONFLICT),
        (sqlite3.SQLITE_SCHEMA, Failure.CONFLICT),
        (sqlite3.SQLITE_BUSY, Failure.UNAVAILABLE),
        (sqlite3.SQLITE_LOCKED, Failure.UNAVAILABLE),
        (sqlite3.SQLITE_FULL, Failure.UNAVAILABLE),
        (sqlite3.SQLITE_IOERR_WRITE, Failure.UNAVAILABLE),
        (sqlite3.SQLITE_IOERR_FSYNC, Failure.UNAVAILABLE),
        (sqlite3.SQLITE_READONLY, Failure.UNAVAILABLE),
        (sqlite3.SQLITE_READONLY_DBMOVED, Failure.UNAVAILABLE),
        (sqlite3.SQLITE_CORRUPT, Failure.UNAVAILABLE),
        (sqlite3.SQLITE_NOTADB, Failure.UNAVAILABLE),
        (sqlite3.SQLITE_CANTOPEN, Failure.UNAVAILABLE),
        (sqlite3.SQLITE_NOMEM, Failure.UNAVAILABLE),
        (sqlite3.SQLITE_PERM, Failure.UNAVAILABLE),
        (sqlite3.SQLITE_ERROR, Failure.UNAVAILABLE),  # no such table, above all
    ],
)
def test_sqlite_says_who_is_at_fault(code: int, failure: Failure) -> None:
    """SQLite's code decides."""
    assert classify(from_sqlite(code)) is failure


@pytest.mark.parametrize(
    ("kind", "orig", "failure"),
    [
        (exc.IntegrityError, sqlite3.IntegrityError("UNIQUE constraint failed"), Failure.BAD_DATA),
        (exc.DataError, sqlite3.DataError("string or blob too big"), Failure.BAD_DATA),
        (exc.ProgrammingError, sqlite3.ProgrammingError("Error binding parameter 1"), Failure.BAD_DATA),
        (exc.ProgrammingError, sqlite3.ProgrammingError("Cannot operate on a closed database."), Failure.UNAVAILABLE),
        (exc.OperationalError, sqlite3.OperationalError("Connection closed"), Failure.UNAVAILABLE),
    ],
)
def test_without_a_code_the_kind_decides(kind: type[exc.DBAPIError], orig: Exception, failure: Failure) -> None:
    """What Python's own layer of SQLite raises has no code."""
    assert classify(from_driver(kind, orig)) is failure


@pytest.mark.parametrize(
    ("statement", "failure"),
    [
        ("SELEC 1", Failure.DEFECT),
        ("SELECT", Failure.DEFECT),
        ("SELECT nothing_such(1)", Failure.DEFECT),
        ("SELECT a FROM t JOIN t AS u", Failure.DEFECT),
        ("SELECT length()", Failure.DEFECT),
        ("SELECT a FROM t WHERE count(a) > 1", Failure.DEFECT),
        ("INSERT INTO t VALUES (1, 2, 3)", Failure.UNAVAILABLE),  # a table of another revision
        ("SELECT b FROM t", Failure.UNAVAILABLE),
        ("SELECT a FROM u", Failure.UNAVAILABLE),
    ],
)
def test_sqlite_tells_a_wrong_statement_from_a_wrong_schema(statement: str, failure: Failure) -> None:
    """SQLite has one code for both; a statement that no schema could take is a defect of ours."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE t (a INTEGER)")
    with pytest.raises(sqlite3.Error) as caught:
        database.execute(statement)
    database.close()
    assert classify(from_driver(exc.OperationalError, caught.value)) is failure


def test_codes_are_those_that_sqlite_gives(tmp_path: Path) -> None:
    """The installed SQLite brings its code with each error, which the table above relies on."""
    database = sqlite3.connect(tmp_path / "some.db")
    database.execute("CREATE TABLE t (a INTEGER PRIMARY KEY CHECK (a < 9))")
    for statement, code in (("INSERT INTO t VALUES (9)", sqlite3.SQLITE_CONSTRAINT_CHECK), ("SELECT", 1)):
        with pytest.raises(sqlite3.Error) as caught:
            database.execute(statement)
        assert caught.value.sqlite_errorcode == code
    database.close()


def test_a_value_that_the_driver_cannot_send_is_the_contents_fault() -> None:
    """A number too large for the driver parks the message that holds it."""
    wrapped = from_driver(exc.DBAPIError, Exception("invalid input"), cause=OverflowError("int too large"))
    assert classify(wrapped) is Failure.BAD_DATA
    assert classify(OverflowError("Python int too large to convert to SQLite INTEGER")) is Failure.BAD_DATA
    assert classify(exc.StatementError("x", "SELECT 1", {}, ValueError("no time zone"))) is Failure.BAD_DATA


def test_what_is_wrong_with_connecting_is_never_the_contents_fault() -> None:
    """A bad address or a missing certificate is a ValueError of the driver's as well, and parks nothing."""
    wrapped = from_driver(exc.InterfaceError, Exception("no such file"), cause=ValueError(), statement=None)
    assert classify(wrapped) is Failure.UNAVAILABLE
    assert classify(from_driver(exc.DBAPIError, PostgresError("57P03"), statement=None)) is Failure.UNAVAILABLE


def test_what_fails_at_the_commit_has_its_own_code() -> None:
    """A constraint that is checked at the commit is the content's fault, though no statement is at hand then."""
    assert classify(from_driver(exc.IntegrityError, PostgresError("23503"), statement=None)) is Failure.BAD_DATA


def test_a_lost_connection_is_the_world_whatever_else_it_says() -> None:
    """A connection that died in the middle of bad values is not held against the message."""
    assert classify(from_driver(exc.DBAPIError, PostgresError("22001"), lost=True)) is Failure.UNAVAILABLE


def test_a_plan_of_an_older_schema_is_repeated() -> None:
    """SQLAlchemy drops the server's code of this one; it still is the driver's error behind its own."""
    cause = asyncpg.InvalidCachedStatementError("cached statement plan is invalid")
    assert classify(from_driver(exc.NotSupportedError, Exception("invalid"), cause=cause)) is Failure.CONFLICT


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (PoolOutdated("changed"), Failure.CONFLICT),
        (ConnectionRefusedError(), Failure.UNAVAILABLE),
        (OSError(28, "No space left on device"), Failure.UNAVAILABLE),
        (TimeoutError(), Failure.UNAVAILABLE),
        (MemoryError(), Failure.UNAVAILABLE),
        (asyncpg.InterfaceError("connection is closed"), Failure.UNAVAILABLE),
        (asyncpg.InternalClientError("cannot switch to state 12"), Failure.UNAVAILABLE),
        (
            asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
            Failure.UNAVAILABLE,
        ),
        (asyncpg.AdminShutdownError("terminating connection"), Failure.UNAVAILABLE),
        (asyncpg.TooManyConnectionsError("too many clients already"), Failure.UNAVAILABLE),
        (sqlite3.OperationalError("unable to open database file"), Failure.UNAVAILABLE),
        (exc.TimeoutError("no connection free"), Failure.UNAVAILABLE),
        (exc.PendingRollbackError("gone"), Failure.UNAVAILABLE),
        (exc.ResourceClosedError("this connection is closed"), Failure.UNAVAILABLE),
        (exc.StatementError("x", "SELECT 1", {}, ConnectionResetError()), Failure.UNAVAILABLE),
        (exc.NoResultFound("none"), Failure.DEFECT),
        (exc.CompileError("no such dialect"), Failure.DEFECT),
        (
            exc.StatementError("x", "SELECT 1", {}, exc.InvalidRequestError("a value is required")),
            Failure.DEFECT,
        ),
        (ValueError("x"), Failure.BAD_DATA),
        (RecursionError(), Failure.BAD_DATA),
        (KeyError("x"), Failure.BAD_DATA),
    ],
)
def test_errors_that_nothing_wrapped(error: Exception, failure: Failure) -> None:
    """A stale pool is a race, a missing database the world, a defect of ours the content of one message."""
    assert classify(error) is failure


def test_words_hold_neither_the_statement_nor_its_values() -> None:
    """What goes to a log is the driver's first line: no SQL, no values, never empty."""
    error = from_driver(exc.OperationalError, sqlite3.OperationalError("database is locked\nmore"))
    assert describe_error(error) == "database is locked"
    assert describe_error(TimeoutError()) == "no answer in time"
    assert describe_error(KeyError()) == "KeyError"
