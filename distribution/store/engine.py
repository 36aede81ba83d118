"""How to connect, how long to wait, and the only place that commits or rolls back."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from distribution.store import database_address, postgresql_engine, sqlite_driver
from distribution.store.file_permissions import make_private

BUSY_TIMEOUT_SECONDS = 10
DISPOSE_SECONDS = 3
WRITES, TURNS = "writes", "turns"


@dataclass(frozen=True, slots=True)
class WriteLock:
    """A lock for this process's writers, and how long to wait for it."""

    seconds: float
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def create_engine(database_url: str, *, patient: bool = False) -> AsyncEngine:
    """An engine for SQLite (WAL, every commit on disk) or PostgreSQL (its defaults, UTC).

    The address may limit how long a statement takes: `?timeout=` for SQLite's locks, `?command_timeout=` for
    PostgreSQL. `patient`: statements to PostgreSQL have no time limit.
    """
    url = database_address.parse(database_url)
    return _sqlite(url) if url.get_backend_name() == "sqlite" else postgresql_engine.create_engine(url, patient)


async def dispose(engine: AsyncEngine) -> None:
    """Close the idle connections."""
    # Not for long: the process must be able to end even if the database hangs.
    with suppress(TimeoutError):
        async with asyncio.timeout(DISPOSE_SECONDS):
            await engine.dispose()


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction that writes: committed at the end, rolled back on any exception."""
    async with _write_turn(engine), engine.connect() as conn:
        await conn.execution_options(**{WRITES: True})
        async with conn.begin(), _invalidated_when_cancelled(conn):
            yield conn


@asynccontextmanager
async def _write_turn(engine: AsyncEngine) -> AsyncIterator[None]:
    """On SQLite, one writer of this process at a time: SQLite itself polls, at growing intervals, and is unfair."""
    write_lock: WriteLock | None = engine.sync_engine.get_execution_options().get(TURNS)
    if write_lock is None:
        yield
        return
    try:
        async with asyncio.timeout(write_lock.seconds):
            await write_lock.lock.acquire()
    except TimeoutError:
        raise sa.exc.OperationalError(None, None, sqlite3.OperationalError("database is locked")) from None
    try:
        yield
    finally:
        write_lock.lock.release()


@asynccontextmanager
async def savepoint(conn: AsyncConnection) -> AsyncIterator[None]:
    """A part of a transaction that can fail without the rest."""
    async with conn.begin_nested():
        yield


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction that only reads."""
    async with engine.connect() as conn, _invalidated_when_cancelled(conn):
        yield conn


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction that only reads, with one snapshot for all its statements."""
    async with engine.connect() as conn, _invalidated_when_cancelled(conn):
        if conn.dialect.name == "postgresql":
            await conn.execution_options(isolation_level="REPEATABLE READ")
        yield conn


@asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection on which each statement is its own transaction: for session-level locks."""
    async with engine.connect() as conn, _invalidated_when_cancelled(conn):
        await conn.execution_options(isolation_level="AUTOCOMMIT")
        yield conn


@asynccontextmanager
async def uncommitted(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for Alembic, which commits after each revision; what it did not commit is rolled back."""
    async with engine.connect() as conn, _invalidated_when_cancelled(conn):
        yield conn


@asynccontextmanager
async def _invalidated_when_cancelled(conn: AsyncConnection) -> AsyncIterator[None]:
    # Rolling back would wait for a server that may hang, and its TimeoutError would replace the cancellation.
    try:
        yield
    except asyncio.CancelledError:
        await conn.invalidate()
        raise


def _sqlite(url: sa.URL) -> AsyncEngine:
    if file := database_address.database_file(url):
        make_private(file)
    busy = {"timeout": _seconds(url, "timeout", BUSY_TIMEOUT_SECONDS)}
    engine = create_async_engine(
        url.difference_update_query(busy),
        hide_parameters=True,
        connect_args=busy | {"async_creator_fn": sqlite_driver.Connection},
        execution_options={TURNS: WriteLock(busy["timeout"])},
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _seconds(url: sa.URL, name: str, default: float) -> float:
    try:
        return float(str(url.query.get(name, default)))
    except ValueError:
        raise sa.exc.ArgumentError(f"{name} in the address is not a number of seconds") from None


def _prepare_sqlite(dbapi_connection: Any, _: object) -> None:
    # The driver must not begin transactions: it would begin them deferred, and of two writers that both read first
    # one would always fail.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(conn: Connection) -> None:
    conn.exec_driver_sql("BEGIN IMMEDIATE" if conn.get_execution_options().get(WRITES) else "BEGIN")
