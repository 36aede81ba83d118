"""What a failed transaction means: bad content, a defect of our own code, a conflict, or a failure of the database."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy import exc

from distribution.errors import DatabaseUnavailable, LockedByOthers, PoolOutdated
from distribution.store import connection_error_text


class Failure(Enum):
    """The kinds of failure, by what to do about them."""

    BAD_DATA = "bad data"
    """A value of the batch is at fault: find the message it came from."""
    DEFECT = "defect"
    """A statement of ours that no database could execute: no retry helps, and it is not an outage."""
    CONFLICT = "conflict"
    """A deadlock, a serialization failure, a stale read: a retry helps."""
    LOCKED = "locked"
    """Another session held a lock for longer than the timeout: other rows may be free."""
    UNAVAILABLE = "unavailable"
    """No connection, disk full, file locked: no statement and no value is at fault."""


# Of class 42 only mistakes in our statements: a missing table, column or permission is the installation's fault.
# Syntax, ambiguous column, duplicate alias, ambiguous function, grouping, types that do not match, a cast or a function
# that does not exist, no such parameter, a parameter of two types or of none, windowing.
MISTAKES = ["42601", "42702", "42712", "42725", "42803", "42804", "42846", "42883", "42P02", "42P08", "42P18", "42P20"]
# The longest matching prefix counts; all others are UNAVAILABLE: no message may be parked for a fault not its own.
SQLSTATES = {
    "0A000": Failure.CONFLICT,  # a statement prepared before the schema changed
    "22": Failure.BAD_DATA,  # values
    "23": Failure.BAD_DATA,  # constraints
    "40": Failure.CONFLICT,  # deadlock, serialization failure
    "44": Failure.BAD_DATA,  # a view's check
    "55P03": Failure.LOCKED,  # lock_timeout, NOWAIT
    "54": Failure.BAD_DATA,  # too large or too deep for the server: a smaller batch may do
    "P0": Failure.BAD_DATA,  # an owner's trigger refuses the row
    **dict.fromkeys(MISTAKES, Failure.DEFECT),
}
SQLITE_CODES = {
    sqlite3.SQLITE_CONSTRAINT: Failure.BAD_DATA,
    sqlite3.SQLITE_MISMATCH: Failure.BAD_DATA,
    sqlite3.SQLITE_TOOBIG: Failure.BAD_DATA,
    sqlite3.SQLITE_SCHEMA: Failure.CONFLICT,
    sqlite3.SQLITE_BUSY_SNAPSHOT: Failure.CONFLICT,
}
# SQLite has one code for a mistake in a statement and for a missing table or column: its message tells which.
SQLITE_MISTAKES = re.compile(
    "syntax error|incomplete input|unrecognized token|no such function|ambiguous column|wrong number of arguments|"
    r"misuse|values for \d+ columns|same number of result columns|sub-select returns|number of bindings|"
    "supply a value for binding"
)
PRIMARY_CODE = 0xFF
# Another session holds what was needed and will release it: a lock, the whole SQLite file; or it won a deadlock.
HELD_UP = {"55P03", "40001", "40P01", sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# Raised by the drivers unwrapped, if no statement was being run; no message is at fault for a lack of memory.
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
# These mean that our own code asked for something that does not exist, or built an invalid statement.
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
    """Returns the kind of failure that an error means."""
    if isinstance(error, PoolOutdated):
        return Failure.CONFLICT
    if isinstance(error, MISTAKEN):
        return Failure.DEFECT
    if isinstance(error, exc.DBAPIError):
        return _classify_driver_error(error)
    if isinstance(error, exc.StatementError) and isinstance(error.orig, Exception):
        # If SQLAlchemy itself cannot build the statement, it is our mistake.
        return Failure.DEFECT if type(error.orig) is exc.InvalidRequestError else classify(error.orig)
    # Not wrapped: raised while a new connection is being prepared.
    if isinstance(error, asyncpg.PostgresError):
        return _classify_sqlstate(error.sqlstate)
    return Failure.UNAVAILABLE if isinstance(error, BROKEN) else Failure.BAD_DATA


@contextmanager
def unavailability_raised() -> Iterator[None]:
    """Raise DatabaseUnavailable if the database failed, LockedByOthers for a lock, any other error as it is."""
    try:
        yield
    except Exception as error:  # of any library: this is the only place that decides what is an outage
        failure = classify(error)
        if failure in (Failure.BAD_DATA, Failure.DEFECT):
            raise
        raise (LockedByOthers if failure is Failure.LOCKED else DatabaseUnavailable)(describe_error(error)) from error


def is_held_up(error: Exception) -> bool:
    """Whether other sessions were in the way, so that the same work succeeds once they have finished."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    state, code = _state_and_code(cause)
    return state in HELD_UP or (code is not None and code & PRIMARY_CODE in HELD_UP)


def describe_error(error: Exception) -> str:
    """Returns the driver's own message in one line, without the statement and its values."""
    lines = connection_error_text.of_connecting(error).splitlines()
    return lines[0] if lines else type(error).__name__


def _classify_driver_error(error: exc.DBAPIError) -> Failure:
    if error.connection_invalidated:
        return Failure.UNAVAILABLE
    cause = error.orig.__cause__ if error.orig is not None else None
    state, code = _state_and_code(error.orig)
    if state is not None:
        failure = _classify_sqlstate(state)
        # PL/pgSQL says where it was: a trigger of the owner's is wrong, not a statement of ours.
        is_in_trigger = failure is Failure.DEFECT and getattr(cause, "context", None)
        return Failure.UNAVAILABLE if is_in_trigger else failure
    is_sqlite = isinstance(error.orig, sqlite3.Error) and code in (None, sqlite3.SQLITE_ERROR)
    if is_sqlite and SQLITE_MISTAKES.search(str(error.orig)):
        return Failure.DEFECT
    if code is not None:
        return _classify_sqlite_code(code)
    # The drivers' own refusals of a value have no code. Without a statement there was no value: it is about connecting.
    refused = isinstance(cause, (ValueError, OverflowError)) or "binding parameter" in str(error.orig)
    of_value = refused or isinstance(error, (exc.IntegrityError, exc.DataError))
    return Failure.BAD_DATA if of_value and error.statement is not None else Failure.UNAVAILABLE


def _state_and_code(raised: BaseException | None) -> tuple[str | None, int | None]:
    """Returns PostgreSQL's SQLSTATE and SQLite's error code; None for what it has not."""
    state = getattr(raised, "sqlstate", None) or getattr(getattr(raised, "__cause__", None), "sqlstate", None)
    code = getattr(raised, "sqlite_errorcode", None)
    return state if isinstance(state, str) else None, code if isinstance(code, int) else None


def _classify_sqlstate(state: str) -> Failure:
    return SQLSTATES.get(state) or SQLSTATES.get(state[:2], Failure.UNAVAILABLE)


def _classify_sqlite_code(code: int) -> Failure:
    return SQLITE_CODES.get(code) or SQLITE_CODES.get(code & PRIMARY_CODE, Failure.UNAVAILABLE)
