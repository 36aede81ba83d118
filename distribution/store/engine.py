"""Makes and closes the connections to a database."""

import asyncio
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.store import database_address, postgresql_engine, sqlite_engine

DISPOSE_SECONDS = 3


def create_engine(database_url: str, *, patient: bool = False) -> AsyncEngine:
    """An engine for SQLite (WAL, every commit on disk) or PostgreSQL (its defaults, UTC).

    The address may limit how long a statement takes: `?timeout=` for SQLite's locks, `?command_timeout=` for
    PostgreSQL. `patient`: statements to PostgreSQL have no time limit.
    """
    url = database_address.parse(database_url)
    if url.get_backend_name() == "sqlite":
        return sqlite_engine.create_engine(url)
    return postgresql_engine.create_engine(url, patient)


async def dispose(engine: AsyncEngine) -> None:
    """Close the idle connections."""
    # Not for long: the process must be able to end even if the database hangs.
    with suppress(TimeoutError):
        async with asyncio.timeout(DISPOSE_SECONDS):
            await engine.dispose()
