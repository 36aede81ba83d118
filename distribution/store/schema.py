"""Whether the database has a schema that this code runs on."""

import asyncio
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

import migrations
from distribution.errors import SchemaError
from distribution.store import database_address, database_requirements, schema_version
from distribution.store.engine import create_engine
from distribution.store.schema_version import Stored
from distribution.store.transactions import reading

UPGRADE = "alembic upgrade head"


def config(database_url: str) -> Config:
    """Alembic's configuration for one database."""
    alembic_config = Config()
    alembic_config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    alembic_config.attributes["database_url"] = database_url
    return alembic_config


def upgrade(database_url: str, revision: str = "head") -> None:
    """Upgrade the schema to a revision; a newer one that fits stays. Do not call it while an event loop runs."""
    alembic_config = config(database_url)
    alembic_config.attributes["upgrading"] = True
    command.upgrade(alembic_config, revision)


@cache
def known_revisions() -> Sequence[str]:
    """The revision this code was written for, and those before it, the newest first."""
    return [script.revision for script in ScriptDirectory.from_config(config("")).walk_revisions()]


def known_revision() -> str | None:
    """The revision this code was written for."""
    return known_revisions()[0] if known_revisions() else None


def prepare(database_url: str, *, owned: bool) -> None:
    """Prepare the schema at start: upgrade it if the process owns it, else raise SchemaError unless it fits."""
    if owned:
        upgrade(database_url)
    else:
        asyncio.run(_check_once(database_url))


async def check(engine: AsyncEngine) -> None:
    """Raise SchemaError, with the command to run, unless programs of the known revision run on the schema."""
    async with reading(engine) as conn:
        await conn.run_sync(check_on)


def check_on(conn: Connection) -> None:
    """Check the schema on a connection."""
    stored, known = schema_version.stored(conn), known_revision()
    if not stored.runs(known):
        raise SchemaError(_refusal(stored, known))


def is_newer(stored: Stored) -> bool:
    """Whether this code does not know the schema's revision, which is numbered after its own."""
    known = known_revisions()
    return stored.revision is not None and stored.revision not in known and stored.revision > max(known, default="")


def no_file(path: Path) -> str:
    """Returns the error message for a database file that does not exist."""
    return f"There is no database {path}: DATABASE_URL or the folder is not the right one. To make it, run: {UPGRADE}"


def _refusal(stored: Stored, known: str | None) -> str:
    if is_newer(stored):
        return (
            f"The database has the schema {stored.revision}, which programs that know {known} do not run on: a newer"
            f" release made it. Start that release, or take the schema back with it: alembic downgrade {known}"
        )
    has = f"has the schema {stored.revision}" if stored.revision else "has no schema"
    return f"The database {has}, this program knows {known}. Run: {UPGRADE}"


async def _check_once(database_url: str) -> None:
    if missing := database_address.missing_file(database_url):
        raise SchemaError(no_file(missing))
    engine = create_engine(database_url)
    try:
        async with reading(engine) as conn:
            await database_requirements.check(conn)
        await check(engine)
    finally:
        await engine.dispose()
