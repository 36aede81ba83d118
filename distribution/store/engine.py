"""How to connect, and the only place that commits or rolls back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

BUSY_TIMEOUT_SECONDS = 10
WRITES = "writes"


def create_engine(database_url: str) -> AsyncEngine:
    """An engine for SQLite (WAL, every commit on disk) or PostgreSQL (its defaults, UTC)."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        return _sqlite(url)
    return create_async_engine(
        url, hide_parameters=True, pool_pre_ping=True, connect_args={"server_settings": {"timezone": "UTC"}}
    )


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction that writes: committed at the end, rolled back on any exception."""
    async with engine.connect() as conn:
        await conn.execution_options(**{WRITES: True})
        async with conn.begin():
            yield conn


@asynccontextmanager
async def savepoint(conn: AsyncConnection) -> AsyncIterator[None]:
    """A part of a transaction that can fail without the rest."""
    async with conn.begin_nested():
        yield


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction that only reads."""
    async with engine.connect() as conn:
        yield conn


def _sqlite(url: sa.URL) -> AsyncEngine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(dbapi_connection: Any, _: object) -> None:
    # The driver must not begin transactions by itself: it would begin them deferred, and two writers that both
    # read first can then never both go on.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(conn: Connection) -> None:
    conn.exec_driver_sql("BEGIN IMMEDIATE" if conn.get_execution_options().get(WRITES) else "BEGIN")
