"""What a failed transaction means: its content or our own code is at fault, it lost a race, or the database failed."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy import exc

from distribution.errors import DatabaseUnavailable, LockedByOthers, PoolOutdated
from distribution.store import connection_errors


class Failure(Enum):
    """What to do about it."""

    BAD_DATA = "bad data"
    """A value of the batch: find the culprit."""
    DEFECT = "defect"
    """A statement of ours that no database could execute: no retry helps, and it is not an outage."""
    CONFLICT = "conflict"
    """A deadlock, a serialization failure, a stale read: the same again will do."""
    LOCKED = "locked"
    """Another session holds a lock for longer than was waited: other rows may be free."""
    UNAVAILABLE = "unavailable"
    """No connection, disk full, file locked: no statement and no value is at fault."""


# The longest prefix that fits counts; all others are UNAVAILABLE: no message must be parked for another's fault.
SQLSTATES = {
    "0A000": Failure.CONFLICT,  # a statement prepared before the schema changed
    "22": Failure.BAD_DATA,  # values
    "23": Failure.BAD_DATA,  # constraints
    "40": Failure.CONFLICT,  # deadlock, serialization failure
    # Of class 42 only what our own text is wrong in: a missing table, column or right is the installation's.
    "42601": Failure.DEFECT,  # syntax
    "42702": Failure.DEFECT,  # ambiguous column
    "42712": Failure.DEFECT,  # duplicate alias
    "42725": Failure.DEFECT,  # ambiguous function
    "42803": Failure.DEFECT,  # grouping
    "42804": Failure.DEFECT,  # types that do not match
    "42846": Failure.DEFECT,  # a cast that does not exist
    "42883": Failure.DEFECT,  # no such function or operator
    "42P02": Failure.DEFECT,  # no such parameter
    "42P08": Failure.DEFECT,  # a parameter of two types
    "42P18": Failure.DEFECT,  # a parameter of no type
    "42P20": Failure.DEFECT,  # windowing
    "44": Failure.BAD_DATA,  # a view's check
    "55P03": Failure.LOCKED,  # lock_timeout, NOWAIT
    "54": Failure.BAD_DATA,  # too large or too deep for the server: a smaller batch may do
    "P0": Failure.BAD_DATA,  # an owner's trigger refuses the row
}
SQLITE_CODES = {
    sqlite3.SQLITE_CONSTRAINT: Failure.BAD_DATA,
    sqlite3.SQLITE_MISMATCH: Failure.BAD_DATA,
    sqlite3.SQLITE_TOOBIG: Failure.BAD_DATA,
    sqlite3.SQLITE_SCHEMA: Failure.CONFLICT,
    sqlite3.SQLITE_BUSY_SNAPSHOT: Failure.CONFLICT,
}
# SQLite has one code for a mistake in a statement and for a missing table or column: its words tell them apart.
SQLITE_MISTAKES = re.compile(
    "syntax error|incomplete input|unrecognized token|no such function|ambiguous column|wrong number of arguments|"
    r"misuse|values for \d+ columns|same number of result columns|sub-select returns|number of bindings|"
    "supply a value for binding"
)
PRIMARY_CODE = 0xFF
# Somebody else has what was needed, and gives it back: a lock, the whole SQLite file; a deadlock's loser.
HELD_UP = {"55P03", "40001", "40P01", sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# Raised by the drivers as they are, where no statement was on its way; a lack of memory is nobody's content.
BROKEN = (
    OSError,
    TimeoutError,
    MemoryError,
    exc.TimeoutError,
    exc.InvalidRequestError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    sqlite3.Error,
)
# These say that our own code asked for what is not there, or made a statement that cannot be.
MISTAKEN = (
    exc.NoResultFound,
    exc.MultipleResultsFound,
    exc.NoSuchColumnError,
    exc.NoReferenceError,
    exc.NoInspectionAvailable,
    exc.CompileError,
    exc.ArgumentError,
)


def classify(error: Exception) -> Failure:
    """Tell them apart."""
    if isinstance(error, PoolOutdated):
        return Failure.CONFLICT
    if isinstance(error, MISTAKEN):
        return Failure.DEFECT
    if isinstance(error, exc.DBAPIError):
        return _of_driver(error)
    if isinstance(error, exc.StatementError) and isinstance(error.orig, Exception):
        # What SQLAlchemy itself cannot make a statement of is our mistake.
        return Failure.DEFECT if type(error.orig) is exc.InvalidRequestError else classify(error.orig)
    # Not wrapped: raised while a new connection is being prepared.
    if isinstance(error, asyncpg.PostgresError):
        return _of_sqlstate(error.sqlstate)
    return Failure.UNAVAILABLE if isinstance(error, BROKEN) else Failure.BAD_DATA


@contextmanager
def unavailability_raised() -> Iterator[None]:
    """Raise DatabaseUnavailable for what the database did not do, LockedByOthers for a lock, all else as it is.

    This is the one rule for it: what is raised as anything else is no outage.
    """
    try:
        yield
    except Exception as error:
        failure = classify(error)
        if failure in (Failure.BAD_DATA, Failure.DEFECT):
            raise
        raise (LockedByOthers if failure is Failure.LOCKED else DatabaseUnavailable)(describe_error(error)) from error


def is_held_up(error: Exception) -> bool:
    """Whether others were in the way, so that the same work goes through once they are done."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    state, code = _state_and_code(cause)
    return state in HELD_UP or (code is not None and code & PRIMARY_CODE in HELD_UP)


def describe_error(error: Exception) -> str:
    """The driver's own words in one line, without the statement and its values."""
    said = connection_errors.of_connecting(error).splitlines()
    return said[0] if said else type(error).__name__


def _of_driver(error: exc.DBAPIError) -> Failure:
    if error.connection_invalidated:
        return Failure.UNAVAILABLE
    cause = error.orig.__cause__ if error.orig is not None else None
    state, code = _state_and_code(error.orig)
    if state is not None:
        return _of_sqlstate(state)
    if code in (None, sqlite3.SQLITE_ERROR) and SQLITE_MISTAKES.search(str(error.orig)):
        return Failure.DEFECT
    if code is not None:
        return _of_sqlite(code)
    # The drivers' own refusals of a value have no code. Without a statement there was no value: it is about connecting.
    refused = isinstance(cause, (ValueError, OverflowError)) or "binding parameter" in str(error.orig)
    of_value = refused or isinstance(error, (exc.IntegrityError, exc.DataError))
    return Failure.BAD_DATA if of_value and error.statement is not None else Failure.UNAVAILABLE


def _state_and_code(raised: BaseException | None) -> tuple[str | None, int | None]:
    """PostgreSQL's SQLSTATE, SQLite's error code."""
    state = getattr(raised, "sqlstate", None) or getattr(getattr(raised, "__cause__", None), "sqlstate", None)
    code = getattr(raised, "sqlite_errorcode", None)
    return state if isinstance(state, str) else None, code if isinstance(code, int) else None


def _of_sqlstate(state: str) -> Failure:
    return SQLSTATES.get(state) or SQLSTATES.get(state[:2], Failure.UNAVAILABLE)


def _of_sqlite(code: int) -> Failure:
    return SQLITE_CODES.get(code) or SQLITE_CODES.get(code & PRIMARY_CODE, Failure.UNAVAILABLE)
