"""Runs the revisions, alone: two processes that start together do not meet half-way.

On SQLite in one transaction. On PostgreSQL one transaction per revision: a revision keeps the tables that it altered
locked until it is committed, and running workers take theirs in another order.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from alembic import context
from alembic.util import CommandError
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from distribution.errors import DistributionError
from distribution.settings import SharedSettings, load
from distribution.store import fitness
from distribution.store.address import unusable
from distribution.store.engine import autocommit, create_engine, reading, transaction, uncommitted
from distribution.store.tables import metadata

MIGRATION_LOCK = 6_114_220_001
PAUSE_SECONDS = 0.5


def run(conn: Connection) -> None:
    context.configure(
        connection=conn,
        target_metadata=metadata,
        transactional_ddl=True,
        transaction_per_migration=True,
        render_as_batch=True,
    )
    context.run_migrations()


async def run_on(database_url: str) -> None:
    engine = await connect(database_url)
    try:
        async with alone(engine) as conn:
            await conn.run_sync(run)
    finally:
        await engine.dispose()


@asynccontextmanager
async def alone(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for the revisions; while it is in use, other upgrades of the same database wait."""
    if engine.dialect.name == "sqlite":
        async with transaction(engine) as conn:
            yield conn
        return
    # The lock is the session's, and ends with it: the server would end a transaction that idles during a long revision.
    async with autocommit(engine) as holder, uncommitted(engine) as conn:
        # Asked for again and again: an index that is made concurrently waits for every statement that runs, so also for
        # one that waits for this lock.
        taken = sa.select(sa.func.pg_try_advisory_lock(MIGRATION_LOCK))
        while not await holder.scalar(taken):  # noqa: ASYNC110  # it is another process that gives it back
            await asyncio.sleep(PAUSE_SECONDS)
        yield conn


async def connect(database_url: str) -> AsyncEngine:
    try:
        engine = create_engine(database_url, patient=True)  # an index over years of contacts takes what it takes
        async with reading(engine) as conn:
            await fitness.check_for_revisions(conn)
        return engine
    except Exception as error:
        # A traceback of the driver would quote the address.
        raise unusable(database_url, error) from None


def run_from_shell() -> None:
    try:
        asyncio.run(run_on(load(SharedSettings).database_url.get_secret_value()))
    except DistributionError as wrong:
        raise CommandError(str(wrong)) from None


if "database_url" in context.config.attributes:
    asyncio.run(run_on(context.config.attributes["database_url"]))
else:
    run_from_shell()
