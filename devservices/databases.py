"""Creates and drops databases on a PostgreSQL server, with or without a running event loop."""

import asyncio
import secrets
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]  # asyncpg has no types
from sqlalchemy import URL, make_url

_DRIVER = "postgresql+asyncpg"
_CONNECT_SECONDS = 5.0
_Result = TypeVar("_Result")


def with_driver(url: str) -> str:
    """The same address, for SQLAlchemy with asyncpg."""
    return _text(make_url(url).set(drivername=_DRIVER))


def answers(url: str) -> bool:
    """Whether the server at this address accepts connections."""
    try:
        _wait_for(_execute(url, "SELECT 1"))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


def create_database(url: str, template: str | None = None) -> str:
    """Create a database with a unique name on the server of `url`, empty or a copy of another; returns its address."""
    name = f"contacts_test_{secrets.token_hex(6)}"
    template_clause = f' TEMPLATE "{make_url(template).database}"' if template else ""
    _wait_for(_execute(url, f'CREATE DATABASE "{name}"{template_clause}'))
    return _text(make_url(url).set(database=name))


def drop_database(url: str, database_url: str) -> None:
    """Drop a database of that server, and close its connections."""
    name = make_url(database_url).database
    _wait_for(_execute(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


async def _execute(url: str, statement: str) -> None:
    parts = make_url(url)
    connection = await asyncpg.connect(
        host=parts.host,
        port=parts.port,
        user=parts.username,
        password=parts.password,
        database=parts.database,
        ssl=parts.query.get("ssl"),
        timeout=_CONNECT_SECONDS,
    )
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _wait_for(work: Coroutine[Any, Any, _Result]) -> _Result:
    # In a separate thread, because the caller's may already run an event loop.
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, work).result()


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)
