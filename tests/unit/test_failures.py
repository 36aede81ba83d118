"""Who is at fault when a transaction fails decides whether a message is parked, repeated or given back."""

import sqlite3

import pytest
from sqlalchemy import exc

from distribution.errors import StalePool
from distribution.store.failures import Failure, classify, in_words


class PostgresError(Exception):
    """What the PostgreSQL driver raises: it has the server's code."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(f"the server said {sqlstate}")
        self.sqlstate = sqlstate


def from_driver(
    kind: type[exc.DBAPIError], orig: Exception, *, cause: Exception | None = None, lost: bool = False
) -> exc.DBAPIError:
    """An error as SQLAlchemy wraps it."""
    orig.__cause__ = cause
    return kind("SELECT secret", {"secret": 1}, orig, connection_invalidated=lost)


@pytest.mark.parametrize(
    ("sqlstate", "failure"),
    [
        ("22001", Failure.CONTENT),  # value too long
        ("22021", Failure.CONTENT),  # character not in repertoire
        ("23505", Failure.CONTENT),  # unique violation
        ("23514", Failure.CONTENT),  # check violation
        ("40001", Failure.RACE),  # serialization failure
        ("40P01", Failure.RACE),  # deadlock
        ("53100", Failure.WORLD),  # disk full
        ("53300", Failure.WORLD),  # too many connections
        ("57P01", Failure.WORLD),  # the server stops
        ("08006", Failure.WORLD),  # connection failure
        ("25006", Failure.WORLD),  # read-only after a failover
        ("42P01", Failure.WORLD),  # no such table
        ("55P03", Failure.WORLD),  # lock not available
    ],
)
def test_postgresql_says_who_is_at_fault(sqlstate: str, failure: Failure) -> None:
    """The server's code decides: bad values park a message, a lost race repeats it, all else is the world."""
    assert classify(from_driver(exc.DBAPIError, PostgresError(sqlstate))) is failure


@pytest.mark.parametrize(
    ("kind", "orig", "failure"),
    [
        (exc.IntegrityError, sqlite3.IntegrityError("UNIQUE constraint failed"), Failure.CONTENT),
        (exc.DataError, sqlite3.DataError("string or blob too big"), Failure.CONTENT),
        (exc.OperationalError, sqlite3.OperationalError("database is locked"), Failure.WORLD),
        (exc.OperationalError, sqlite3.OperationalError("database or disk is full"), Failure.WORLD),
        (exc.OperationalError, sqlite3.OperationalError("attempt to write a readonly database"), Failure.WORLD),
        (exc.DatabaseError, sqlite3.DatabaseError("database disk image is malformed"), Failure.WORLD),
    ],
)
def test_sqlite_says_who_is_at_fault(kind: type[exc.DBAPIError], orig: Exception, failure: Failure) -> None:
    """On SQLite the kind of the error decides."""
    assert classify(from_driver(kind, orig)) is failure


def test_a_value_that_the_driver_cannot_send_is_the_contents_fault() -> None:
    """A number too large for the driver parks the message that holds it."""
    wrapped = from_driver(exc.DBAPIError, Exception("invalid input"), cause=OverflowError("int too large"))
    assert classify(wrapped) is Failure.CONTENT
    assert classify(OverflowError("Python int too large to convert to SQLite INTEGER")) is Failure.CONTENT


def test_a_lost_connection_is_the_world_whatever_else_it_says() -> None:
    """A connection that died in the middle of bad values is not held against the message."""
    assert classify(from_driver(exc.DBAPIError, PostgresError("22001"), lost=True)) is Failure.WORLD


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (StalePool("changed"), Failure.RACE),
        (ConnectionRefusedError(), Failure.WORLD),
        (OSError(28, "No space left on device"), Failure.WORLD),
        (TimeoutError(), Failure.WORLD),
        (exc.TimeoutError("no connection free"), Failure.WORLD),
        (exc.PendingRollbackError("gone"), Failure.WORLD),
        (ValueError("x"), Failure.CONTENT),
        (RecursionError(), Failure.CONTENT),
        (KeyError("x"), Failure.CONTENT),
    ],
)
def test_errors_that_no_driver_raised(error: Exception, failure: Failure) -> None:
    """A stale pool is a race, a missing database the world, a defect of ours the content of one message."""
    assert classify(error) is failure


def test_words_hold_neither_the_statement_nor_its_values() -> None:
    """What goes to a log is the driver's first line: no SQL, no values, never empty."""
    error = from_driver(exc.OperationalError, sqlite3.OperationalError("database is locked\nmore"))
    assert in_words(error) == "database is locked"
    assert in_words(TimeoutError()) == "TimeoutError"
