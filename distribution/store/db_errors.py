"""What a failed transaction means: the content is at fault, it lost a race, or the database did not do its part."""

import sqlite3
from enum import Enum

import asyncpg  # type: ignore[import-untyped]  # it ships no types
from sqlalchemy import exc

from distribution.errors import PoolOutdated
from distribution.store import connection_errors


class Failure(Enum):
    """What to do about it."""

    CONTENT = "content"
    """Something in the batch: find the culprit."""
    RACE = "race"
    """A deadlock, a serialization failure, a stale read: the same again will do."""
    LOCKED = "locked"
    """Somebody holds a lock for longer than was waited: others may get what they need."""
    WORLD = "world"
    """Database away, disk full, file locked: nothing that was asked is at fault."""


# By the longest that fits; whatever is not here is the world: a message must never be parked for somebody else's fault.
SQLSTATES = {
    "0A000": Failure.RACE,  # a statement prepared before the schema changed
    "22": Failure.CONTENT,  # values
    "23": Failure.CONTENT,  # constraints
    "40": Failure.RACE,  # deadlock, serialization failure
    "44": Failure.CONTENT,  # a view's check
    "55P03": Failure.LOCKED,  # lock_timeout, NOWAIT
    "54": Failure.CONTENT,  # too large or too deep for the server: a smaller batch may do
    "P0": Failure.CONTENT,  # an owner's trigger refuses the row
}
SQLITE_CODES = {
    sqlite3.SQLITE_CONSTRAINT: Failure.CONTENT,
    sqlite3.SQLITE_MISMATCH: Failure.CONTENT,
    sqlite3.SQLITE_TOOBIG: Failure.CONTENT,
    sqlite3.SQLITE_SCHEMA: Failure.RACE,
    sqlite3.SQLITE_BUSY_SNAPSHOT: Failure.RACE,
}
PRIMARY_CODE = 0xFF
# Somebody else has what was needed, and gives it back: a lock, the whole SQLite file; a deadlock's loser.
HELD_UP = {"55P03", "40001", "40P01", sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# Raised by the drivers as they are, where no statement was on its way; a lack of memory is nobody's content.
BROKEN = (
    OSError,
    TimeoutError,
    MemoryError,
    exc.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    sqlite3.Error,
)
# These say that our own code asked for what is not there.
MISTAKEN = (exc.NoResultFound, exc.MultipleResultsFound, exc.NoSuchColumnError)


def classify(error: Exception) -> Failure:
    """Tell them apart."""
    if isinstance(error, PoolOutdated):
        return Failure.RACE
    if isinstance(error, exc.DBAPIError):
        return _of_driver(error)
    if isinstance(error, exc.StatementError) and isinstance(error.orig, Exception):
        return classify(error.orig)
    # Not wrapped: raised while a new connection is being prepared.
    if isinstance(error, asyncpg.PostgresError):
        return _of_sqlstate(error.sqlstate)
    if isinstance(error, exc.InvalidRequestError):
        return Failure.CONTENT if isinstance(error, MISTAKEN) else Failure.WORLD
    return Failure.WORLD if isinstance(error, BROKEN) else Failure.CONTENT


def is_unavailable(error: Exception) -> bool:
    """Whether the database did not do its part, also if no library wrapped what the driver raised."""
    return classify(error) is not Failure.CONTENT


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
        return Failure.WORLD
    cause = error.orig.__cause__ if error.orig is not None else None
    state, code = _state_and_code(error.orig)
    if state is not None:
        return _of_sqlstate(state)
    if code is not None:
        return _of_sqlite(code)
    # The drivers' own refusals of a value have no code. Without a statement there was no value: it is about connecting.
    refused = isinstance(cause, (ValueError, OverflowError)) or "binding parameter" in str(error.orig)
    of_value = refused or isinstance(error, (exc.IntegrityError, exc.DataError))
    return Failure.CONTENT if of_value and error.statement is not None else Failure.WORLD


def _state_and_code(raised: BaseException | None) -> tuple[str | None, int | None]:
    """PostgreSQL's SQLSTATE, SQLite's error code."""
    state = getattr(raised, "sqlstate", None) or getattr(getattr(raised, "__cause__", None), "sqlstate", None)
    code = getattr(raised, "sqlite_errorcode", None)
    return state if isinstance(state, str) else None, code if isinstance(code, int) else None


def _of_sqlstate(state: str) -> Failure:
    return SQLSTATES.get(state) or SQLSTATES.get(state[:2], Failure.WORLD)


def _of_sqlite(code: int) -> Failure:
    return SQLITE_CODES.get(code) or SQLITE_CODES.get(code & PRIMARY_CODE, Failure.WORLD)
