"""Runs the revisions in one transaction, alone: two processes that start together do not meet half-way."""

import asyncio

from alembic import context
from alembic.util import CommandError
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.errors import DistributionError
from distribution.settings import SharedSettings, load
from distribution.store.address import unusable
from distribution.store.engine import create_engine, reading, transaction
from distribution.store.tables import metadata

MIGRATION_LOCK = 6_114_220_001


def run(conn: Connection) -> None:
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
    context.configure(connection=conn, target_metadata=metadata, transactional_ddl=True, render_as_batch=True)
    context.run_migrations()


async def run_in_transaction(database_url: str) -> None:
    engine = await connect(database_url)
    try:
        async with transaction(engine) as conn:
            await conn.run_sync(run)
    finally:
        await engine.dispose()


async def connect(database_url: str) -> AsyncEngine:
    try:
        engine = create_engine(database_url, patient=True)  # an index over years of contacts takes what it takes
        async with reading(engine):
            return engine
    except Exception as error:
        # A traceback of the driver would quote the address.
        raise unusable(database_url, error) from None


def run_from_shell() -> None:
    try:
        asyncio.run(run_in_transaction(load(SharedSettings).database_url.get_secret_value()))
    except DistributionError as wrong:
        raise CommandError(str(wrong)) from None


if "database_url" in context.config.attributes:
    asyncio.run(run_in_transaction(context.config.attributes["database_url"]))
else:
    run_from_shell()
