"""Somebody else has SQLite's one write lock."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import sqlalchemy as sa


@asynccontextmanager
async def locked(database_url: str) -> AsyncIterator[None]:
    """Hold the write lock, as a backup that was never finished or a person's open transaction would.

    Taken in a thread: beside a worker that writes all the time it can take a second, in which the test shall see.
    """
    path = Path(str(sa.make_url(database_url).database))
    with closing(sqlite3.connect(path, isolation_level=None, timeout=60, check_same_thread=False)) as database:
        await asyncio.to_thread(database.execute, "BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")
