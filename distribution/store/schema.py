"""Whether the database has the revision that this code knows."""

import asyncio
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

import migrations
from distribution.errors import SchemaError
from distribution.store import fitness
from distribution.store.engine import create_engine, reading

UPGRADE = "alembic upgrade head"


def config(database_url: str) -> Config:
    """Alembic's configuration for one database."""
    found = Config()
    found.set_main_option("script_location", str(Path(migrations.__file__).parent))
    found.attributes["database_url"] = database_url
    return found


def upgrade(database_url: str, revision: str = "head") -> None:
    """Bring the schema up to a revision; not to be called while an event loop runs."""
    command.upgrade(config(database_url), revision)


def known_revision() -> str | None:
    """The revision this code was written for."""
    return ScriptDirectory.from_config(config("")).get_current_head()


def prepare(database_url: str, *, owned: bool) -> None:
    """Make sure of the schema at start: upgrade it where the process owns it, else raise SchemaError unless it fits."""
    if owned:
        upgrade(database_url)
    else:
        asyncio.run(_check_once(database_url))


async def check(engine: AsyncEngine) -> None:
    """Raise SchemaError, with the command to run, unless the database has the known revision."""
    async with reading(engine) as conn:
        found = await conn.run_sync(_current)
    known = known_revision()
    if found != known:
        has = f"has the schema {found}" if found else "has no schema"
        raise SchemaError(f"The database {has}, this program knows {known}. Run: {UPGRADE}")


async def _check_once(database_url: str) -> None:
    engine = create_engine(database_url)
    try:
        async with reading(engine) as conn:
            await fitness.check(conn)
        await check(engine)
    finally:
        await engine.dispose()


def _current(conn: Connection) -> str | None:
    if not sa.inspect(conn).has_table("alembic_version"):
        return None
    return MigrationContext.configure(conn).get_current_revision()
