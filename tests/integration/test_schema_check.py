"""A process that finds a schema it does not know says which command to run, and changes nothing."""

import asyncio
import contextlib
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.errors import SchemaError
from distribution.store import schema
from distribution.store.engine import create_engine
from distribution.store.tables import metadata
from distribution.store.transactions import reading, transaction


async def execute(engine: AsyncEngine, statement: str) -> None:
    """Change the database behind the program's back."""
    async with transaction(engine) as conn:
        await conn.execute(sa.text(statement))


async def test_the_newest_schema_is_accepted(engine: AsyncEngine) -> None:
    """After `alembic upgrade head` a process starts."""
    await schema.check(engine)


async def test_a_database_without_a_schema_is_refused(engine: AsyncEngine) -> None:
    """An empty database, and one where every revision was taken back, is answered with the command to run."""
    for statement in ("DELETE FROM alembic_version", "DROP TABLE alembic_version"):
        await execute(engine, statement)
        with pytest.raises(SchemaError, match=r"has no schema.*Run: alembic upgrade head$"):
            await schema.check(engine)


async def test_another_schema_is_refused_by_name(engine: AsyncEngine) -> None:
    """A schema that a newer program made, and that says nothing of this one, is named with the way back."""
    await execute(engine, "UPDATE alembic_version SET version_num = 'from_2031'")
    with pytest.raises(SchemaError) as refusal:
        await schema.check(engine)
    line = str(refusal.value)
    assert "from_2031" in line
    assert str(schema.known_revision()) in line
    assert line.endswith(f"alembic downgrade {schema.known_revision()}")


def test_a_process_that_owns_its_file_makes_the_schema_itself(tmp_path: Path) -> None:
    """The default SQLite file is made with its folder and brought up to date, once or again."""
    url = f"sqlite+aiosqlite:///{tmp_path}/new/contacts.db"
    schema.prepare(url, owned=True)
    schema.prepare(url, owned=True)
    schema.prepare(url, owned=False)


def test_a_process_that_was_given_a_database_never_makes_the_schema(tmp_path: Path) -> None:
    """A database named in DATABASE_URL is checked, not changed."""
    url = f"sqlite+aiosqlite:///{tmp_path}/contacts.db"
    with pytest.raises(SchemaError):
        schema.prepare(url, owned=False)

    async def tables() -> list[str]:
        engine = create_engine(url)
        async with reading(engine) as conn:
            found = await conn.run_sync(lambda c: sa.inspect(c).get_table_names())
        await engine.dispose()
        return found

    assert asyncio.run(tables()) == []


async def test_a_transaction_that_fails_leaves_nothing(engine: AsyncEngine) -> None:
    """What was written before an error is not there after it, in any table."""
    with contextlib.suppress(ZeroDivisionError):
        async with transaction(engine) as conn:
            await conn.execute(sa.text("INSERT INTO rosters (digest, body) VALUES ('1', '2')"))
            raise ZeroDivisionError
    async with reading(engine) as conn:
        counts = [await conn.scalar(sa.select(sa.func.count()).select_from(t)) for t in metadata.tables.values()]
    assert set(counts) == {0}


async def test_sqlite_keeps_what_was_committed(tmp_path: Path) -> None:
    """Acknowledged means on disk: a write-ahead log that is synced at every commit, and foreign keys that hold."""
    engine = create_engine(f"sqlite+aiosqlite:///{tmp_path}/contacts.db")
    async with reading(engine) as conn:
        asked = ("journal_mode", "synchronous", "foreign_keys")
        found = [await conn.scalar(sa.text(f"PRAGMA {name}")) for name in asked]
    await engine.dispose()
    assert found == ["wal", 2, 1]
