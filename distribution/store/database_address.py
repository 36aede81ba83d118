"""DATABASE_URL: how it is read, and how far it may be shown: never a user, a password or a value of its query."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from distribution.errors import DatabaseUnusable
from distribution.store import connection_error_text, libpq

DRIVERS = ("sqlite+aiosqlite", "postgresql+asyncpg")
SCHEMES = {"postgres": DRIVERS[1], "postgresql": DRIVERS[1]}
"""The scheme in libpq's own addresses."""
HIDDEN = "***"
SHORTEST = 3
REFUSALS = (TypeError, ValueError, LookupError, AttributeError)
"""What a driver raises about an address; its message alone does not show which type it is."""
# As SQLAlchemy reads an address up to its hosts, of which it knows only one.
SEVERAL_HOSTS = re.compile(r"([\w+]+://(?:[^:/]*(?::[^@]*)?@)?+)([^/?]*,[^/?]*)")


def parse(text: str) -> sa.URL:
    """Returns the address with the name of its driver and, if it has several hosts, each as a `host` in its query.

    Raises ValueError, with a line that shows none of it, if it is not an address.
    """
    several = SEVERAL_HOSTS.match(text)
    try:
        url = make_url(several[1] + text[several.end() :] if several else text)
    except (sa.exc.ArgumentError, ValueError):
        raise ValueError("is not a database address, expected driver://user:password@host/name") from None
    if several:
        url = url.update_query_pairs(("host", host) for host in several[2].split(","))
    return _normal(url.set(drivername=SCHEMES.get(url.drivername, url.drivername)))


def check(text: str) -> None:
    """Raise ValueError, with a line that shows none of it, unless it is an unambiguous address."""
    url = parse(text)
    if url.drivername not in DRIVERS:
        raise ValueError(f"has the driver {url.drivername!r}, expected one of {', '.join(DRIVERS)}")
    if url.get_backend_name() == "sqlite":
        if url.host or url.port or url.username or url.password:
            raise ValueError("has a user or a host, which a file has not: expected sqlite+aiosqlite:///path")
    elif "@" in f"{libpq.written_hosts(url)}{url.database}" or _is_cut(text, url):
        # Part of a password would be taken for a host or a name, and shown as such.
        raise ValueError("has one @ too many: in a user, a password or a name it is written %40, and / is %2F")
    else:
        libpq.read(url)


def shown(url: sa.URL) -> str:
    """Driver, host, port and name."""
    if libpq.HOST in url.query:
        return f"{url.drivername}://{libpq.written_hosts(url)}/{quote(url.database or '', safe='')}"
    return sa.URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()


def location(text: str) -> str:
    """Returns where the database is, for people: a file's absolute path, independent of the current folder."""
    url = parse(text)
    if (file := database_file(url)) is not None:
        url = url.set(database=str(file.absolute()))
    return shown(url)


def missing_file(text: str) -> Path | None:
    """Returns the absolute path of a database file that does not exist; None if it exists or is not a file."""
    file = database_file(parse(text))
    return None if file is None or file.exists() else file.absolute()


def database_file(url: sa.URL) -> Path | None:
    """The file of an SQLite database; None if it is in memory, or on a server."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


def unusable(text: str, error: Exception) -> DatabaseUnusable:
    """Returns an error that says in one line which database cannot be used, and why; hides quoted secrets."""
    url = parse(text)
    # Secrets are hidden before the text is cut to one line: a secret may contain line breaks.
    reason = (_hide_secrets(connection_error_text.of_connecting(error), url) or type(error).__name__).splitlines()[0]
    kind = f"{type(error).__name__}: " if isinstance(error, REFUSALS) else ""
    return DatabaseUnusable(f"the database at {shown(url)} (DATABASE_URL) cannot be used: {kind}{reason}")


def _normal(url: sa.URL) -> sa.URL:
    """Moves user, password and database name from the query to their place in the address."""
    if url.get_backend_name() != "postgresql":
        return url
    given: dict[str, Any] = {
        part: url.query[word] for word, part in libpq.PARTS.items() if isinstance(url.query.get(word), str)
    }
    return url.difference_update_query([word for word, part in libpq.PARTS.items() if part in given]).set(**given)


def _is_cut(text: str, url: sa.URL) -> bool:
    # A password with an @ and a ? in it: the rest of it would be taken for parameters, and their names shown.
    return "@" in text.partition("?")[2] and any(name not in libpq.WORDS for name in url.query)


def _hide_secrets(text: str, url: sa.URL) -> str:
    forms = {form for secret in _secrets(url) for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", HIDDEN, text)
    return text


def _forms(secret: str) -> Iterator[str]:
    """Yields the secret as it is, as a literal, and URL-encoded."""
    yield from (secret, repr(secret)[1:-1], quote(secret, ""), quote_plus(secret))


def _secrets(url: sa.URL) -> list[str]:
    values = [str(url.password or "")]
    for name, value in url.query.items():
        if name != libpq.HOST and value not in libpq.CHOICES.get(name, ()):
            values += [value] if isinstance(value, str) else value
    # A shorter value protects nothing, and occurs as a word in many sentences.
    return [value for value in values if len(value) >= SHORTEST]
