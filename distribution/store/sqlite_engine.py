"""Connections to SQLite: WAL, every commit on disk, one writer of the process at a time."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from distribution.store import database_address, sqlite_driver
from distribution.store.file_permissions import make_private

BUSY_TIMEOUT_SECONDS = 10
WRITES, TURNS = "writes", "turns"


@dataclass(frozen=True, slots=True)
class WriteLock:
    """A lock for this process's writers, and how long to wait for it."""

    seconds: float
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def create_engine(url: sa.URL) -> AsyncEngine:
    """An engine for a SQLite file, or for a database in memory."""
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
