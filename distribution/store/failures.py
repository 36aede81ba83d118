"""What a failed transaction means: the content is at fault, it lost a race, or the world is broken."""

from enum import Enum

from sqlalchemy import exc

from distribution.errors import StalePool


class Failure(Enum):
    """What to do about it."""

    CONTENT = "content"
    """Something in the batch: find the culprit."""
    RACE = "race"
    """A deadlock, a serialization failure, a stale read: the same again will do."""
    WORLD = "world"
    """Database away, disk full, file locked: nothing that was asked is at fault."""


SQLSTATE_CLASSES = {"22": Failure.CONTENT, "23": Failure.CONTENT, "40": Failure.RACE}


def classify(error: Exception) -> Failure:
    """Tell the three apart."""
    if isinstance(error, StalePool):
        return Failure.RACE
    if isinstance(error, exc.DBAPIError):
        return _of_driver(error)
    if isinstance(error, (OSError, TimeoutError, exc.TimeoutError, exc.InvalidRequestError)):
        return Failure.WORLD
    return Failure.CONTENT


def _of_driver(error: exc.DBAPIError) -> Failure:
    if error.connection_invalidated:
        return Failure.WORLD
    state = getattr(error.orig, "sqlstate", None)
    if isinstance(state, str):
        return SQLSTATE_CLASSES.get(state[:2], Failure.WORLD)
    cause = error.orig.__cause__ if error.orig is not None else None
    if isinstance(error, (exc.IntegrityError, exc.DataError)) or isinstance(cause, (ValueError, OverflowError)):
        return Failure.CONTENT
    return Failure.WORLD


def in_words(error: Exception) -> str:
    """The driver's own words in one line, without the statement and its values."""
    said = str(getattr(error, "orig", None) or error).splitlines()
    return said[0] if said else type(error).__name__
