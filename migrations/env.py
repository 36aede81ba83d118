"""Runs the revisions in one transaction, alone: two processes that start together do not meet half-way."""

import asyncio

from alembic import context
from sqlalchemy.engine import Connection

from distribution.settings import SharedSettings, load
from distribution.store.engine import create_engine, transaction
from distribution.store.tables import metadata

MIGRATION_LOCK = 6_114_220_001


def run(conn: Connection) -> None:
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
    context.configure(connection=conn, target_metadata=metadata, transactional_ddl=True, render_as_batch=True)
    context.run_migrations()


async def run_in_transaction() -> None:
    url = context.config.attributes.get("database_url") or load(SharedSettings).database_url.get_secret_value()
    engine = create_engine(url, patient=True)  # an index over years of contacts takes what it takes
    try:
        async with transaction(engine) as conn:
            await conn.run_sync(run)
    finally:
        await engine.dispose()


asyncio.run(run_in_transaction())
