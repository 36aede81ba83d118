"""Transactions, and the only place that commits or rolls back."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from distribution.store.sqlite_engine import TURNS, WRITES, WriteLock


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
