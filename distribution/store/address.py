"""DATABASE_URL, as far as it may be shown: never a user, a password or a value of its query."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from distribution.errors import DatabaseUnusable
from distribution.store.failures import in_words

HIDDEN = "***"
SHORTEST = 3
REFUSALS = (TypeError, ValueError, LookupError, AttributeError)
"""What a driver raises about an address; the words alone would not say that it is one of these."""


def check(text: str) -> None:
    """Raise ValueError, with a line that shows none of it, unless it is an address that reads in one way only."""
    url = _parsed(text)
    if url.get_backend_name() == "sqlite":
        if url.host or url.port or url.username or url.password:
            raise ValueError("has a user or a host, which a file has not: expected sqlite+aiosqlite:///path")
    elif "@" in f"{url.host}{url.database}":
        # Part of a password would be taken for a host or a name, and shown as such.
        raise ValueError("has one @ too many: in a user, a password or a name it is written %40, and / is %2F")


def driver(text: str) -> str:
    """Such as `postgresql+asyncpg`; raises ValueError where it is no address."""
    return _parsed(text).drivername


def shown(url: sa.URL) -> str:
    """Driver, host, port and name."""
    return sa.URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()


def location(text: str) -> str:
    """Where the database is, for people: a file's whole path, whatever folder the program runs in."""
    url = _parsed(text)
    if (file := _file(url)) is not None:
        url = url.set(database=str(file.absolute()))
    return shown(url)


def missing_file(text: str) -> Path | None:
    """The whole path of a database file that is not there; None where it is, or is no file."""
    file = _file(_parsed(text))
    return None if file is None or file.exists() else file.absolute()


def _file(url: sa.URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


def unusable(text: str, error: Exception) -> DatabaseUnusable:
    """What to tell of a database that cannot be used, and why, in one line. The driver may have quoted the address."""
    url = _parsed(text)
    said = str(getattr(error, "orig", None) or error)
    why = _without(said, url).splitlines()[0] if said.strip() else in_words(error)
    kind = f"{type(error).__name__}: " if isinstance(error, REFUSALS) else ""
    return DatabaseUnusable(f"the database at {shown(url)} (DATABASE_URL) cannot be used: {kind}{why}")


def _parsed(text: str) -> sa.URL:
    try:
        return make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise ValueError("is not a database address, expected driver://user:password@host/name") from None


def _without(said: str, url: sa.URL) -> str:
    forms = {form for secret in _secrets(url) for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        said = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", HIDDEN, said)
    return said


def _forms(secret: str) -> Iterator[str]:
    """As it is, as a literal, and as it stands in an address."""
    yield from (secret, repr(secret)[1:-1], quote(secret, ""), quote_plus(secret))


def _secrets(url: sa.URL) -> Iterator[str]:
    # What is shorter hides nothing, and is a word of its own in many a sentence.
    return (value for value in _values(url) if len(value) >= SHORTEST)


def _values(url: sa.URL) -> Iterator[str]:
    yield str(url.password or "")
    for value in url.query.values():
        yield from (value,) if isinstance(value, str) else value
