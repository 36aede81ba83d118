"""Translates libpq's connection parameters ("words"), as in the addresses of hosted PostgreSQL, for the driver.

Each word is honoured or refused, never ignored: a connection that should be verified must not be made unverified. No
message shows a value.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa

from distribution.store import certificates

CONNECT_SECONDS = 5.0
STATEMENT_SECONDS = 10.0
"""Our statements take milliseconds, and waiting for another worker's locks a second or two. A server that hangs sends
nothing and closes nothing, so the driver would wait forever; a worker has to end within 30 s even then."""
HOST, PORT = "host", "port"
PARTS = {"user": "username", "password": "password", "dbname": "database", "database": "database"}
"""Parts of the address that may be in the query instead."""
SAME = {"ssl": "sslmode", "timeout": "connect_timeout"}
"""The driver's own names of words."""
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "sslmode": MODES,
    "ssl": MODES,
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": tuple(certificates.VERSIONS),
    "ssl_max_protocol_version": tuple(certificates.VERSIONS),
    "target_session_attrs": ("any", "read-write", "primary"),
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
    "client_encoding": ("auto", "utf8", "UTF8", "utf-8", "UTF-8"),
    "pgbouncer": ("true", "false"),
}
BECAUSE = {
    "target_session_attrs": "; a program that writes has no use for a standby",
    "channel_binding": "; the driver knows no channel binding: leave it out, and have sslmode=verify-full",
    "gssencmode": "; the driver encrypts with TLS alone",
    "client_encoding": "; everything here is UTF-8",
}
VERIFYING = {"sslrootcert", "sslcrl"}
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
TLS = ("sslmode", *FILES, "sslpassword", "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version")
SETTINGS = ("application_name", "options")
SECONDS = ("connect_timeout", "command_timeout")
SIZES = ADAPTERS_CACHE, DRIVERS_CACHE = "prepared_statement_cache_size", "statement_cache_size"
DRIVERS_OWN = ("passfile", "service", "servicefile", "krbsrvname")
WORDS = frozenset({HOST, PORT, *PARTS, *SAME, *CHOICES, *TLS, *SETTINGS, *SECONDS, *SIZES, *DRIVERS_OWN})
SYSTEM = "system"
HIGHEST_PORT = 65535
NAME = re.compile(r"\w{1,40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Host:
    """A name, an address or the folder of a socket; None: the driver's default."""

    name: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class ConnectArguments:
    """The hosts to try in turn, the arguments for the driver, and those for SQLAlchemy's adapter of it."""

    hosts: tuple[Host, ...]
    arguments: Mapping[str, Any]
    statements: Mapping[str, int]
    pooled: bool


def read(url: sa.URL) -> ConnectArguments:
    """Parses an address by the rules of libpq; raises ValueError, with a line that shows no value."""
    words = _words(url)
    tls = {word: words[word] for word in TLS if word in words}
    arguments: dict[str, Any] = {
        "user": url.username or None,
        "password": url.password,
        "database": url.database or None,
        "timeout": _seconds(words, "connect_timeout", CONNECT_SECONDS),
        "command_timeout": _seconds(words, "command_timeout", STATEMENT_SECONDS),
        "server_settings": {word: words[word] for word in SETTINGS if word in words},
        "target_session_attrs": words.get("target_session_attrs"),
        **{word: words[word] for word in DRIVERS_OWN if word in words},
        **_size(words, DRIVERS_CACHE),
        **_tls_arguments(tls),
    }
    return ConnectArguments(_hosts(url), arguments, _size(words, ADAPTERS_CACHE), words.get("pgbouncer") == "true")


def written_hosts(url: sa.URL) -> str:
    """Returns the hosts with their ports, as in an address."""
    if HOST in url.query:
        return ",".join(_split_list(url.query[HOST]))
    return url.host or ""


def _words(url: sa.URL) -> dict[str, str]:
    words: dict[str, str] = {}
    for name, value in url.query.items():
        if name in (HOST, PORT):
            continue
        if name not in WORDS:
            named = f"the word {name}" if NAME.fullmatch(name) else "a word"
            raise ValueError(
                f"has {named} behind its ?, which is not understood: see docs/operations.md for those that are"
            )
        if not isinstance(value, str) or SAME.get(name, name) in words:
            raise ValueError(f"has {name} twice")
        if value not in CHOICES.get(name, (value,)):
            raise ValueError(f"has {name} with none of {', '.join(CHOICES[name])}{BECAUSE.get(name, '')}")
        words[SAME.get(name, name)] = value
    return words


def _tls_arguments(tls: Mapping[str, str]) -> dict[str, Any]:
    """The TLS arguments. The driver takes them from an address only, and reads the files for each connection."""
    files = {word: tls[word] for word in FILES if word in tls and tls[word] != SYSTEM}
    certificates.check(files, tls.get("sslpassword"))
    if tls.get("sslrootcert") == SYSTEM:
        if tls.get("sslmode", MODES[-1]) != MODES[-1]:
            raise ValueError(f"has sslrootcert={SYSTEM}, which goes with sslmode={MODES[-1]} alone")
        return {"ssl": certificates.of_the_system(tls), "direct_tls": tls.get("sslnegotiation") == "direct"}
    if not VERIFYING.isdisjoint(files) and tls.get("sslmode", "prefer") not in MODES[3:]:
        raise ValueError(
            "has sslrootcert or sslcrl with an sslmode that verifies no server: it is meant for verify-full"
        )
    return {"dsn": f"postgresql://?{urlencode(tls)}"} if tls else {}


def _hosts(url: sa.URL) -> tuple[Host, ...]:
    written = list(_split_list(url.query[HOST])) if HOST in url.query else [url.host]
    ports = list(_split_list(url.query[PORT])) if PORT in url.query else [url.port]
    if len(ports) not in (1, len(written)):
        raise ValueError("has not as many ports as hosts")
    ports = ports * len(written) if len(ports) == 1 else ports
    return tuple(_host(name, _port(port)) for name, port in zip(written, ports, strict=True))


def _host(written: str | None, port: int | None) -> Host:
    """Parses a host such as `db.example`, `db.example:5432`, `[::1]:5432`, `::1` or `/run/postgresql`."""
    if written is None:
        return Host(None, port)
    if not written:
        raise ValueError("has a host without a name")
    bracketed = re.fullmatch(r"\[(.+)\](?::(.*))?", written)
    if bracketed:
        return Host(bracketed[1], _port(bracketed[2]) or port)
    name, colon, own = written.rpartition(":")
    if not colon or ":" in name or written.startswith("/"):
        return Host(written, port)
    return Host(name, _port(own) or port)


def _split_list(value: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(value.split(",")) if isinstance(value, str) else tuple(value)


def _port(written: str | int | None) -> int | None:
    if written in (None, ""):
        return None
    number = int(written) if str(written).isascii() and str(written).isdigit() else 0
    if not 0 < number <= HIGHEST_PORT:
        raise ValueError(f"has a port that is not a number from 1 to {HIGHEST_PORT}")
    return number


def _seconds(words: Mapping[str, str], word: str, default: float) -> float:
    try:
        seconds = float(words.get(word, default))
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"has a {word} that is not a number of seconds over 0")
    return seconds


def _size(words: Mapping[str, str], word: str) -> dict[str, int]:
    """The size under its name, if the address has it."""
    if word not in words:
        return {}
    if not (words[word].isascii() and words[word].isdigit()):
        raise ValueError(f"has a {word} that is not a number from 0 on")
    return {word: int(words[word])}
