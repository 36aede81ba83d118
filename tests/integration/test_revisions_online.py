"""Revisions of a PostgreSQL that is in use: what they lock, how they wait, what an interrupted one leaves behind."""

import asyncio
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.store import schema
from distribution.store.schema_version import bookkeeping
from distribution.store.transactions import reading, transaction
from tests.polling import until
from tests.releases import LATER, ROOT, upgrade_to_later

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

FIRST = "0004"
"""What every installation had when the first release was upgraded."""
HELD = (
    "SELECT relation::regclass::text FROM pg_locks JOIN pg_class ON pg_class.oid = relation"
    " WHERE pid = pg_backend_pid() AND relkind = 'r'"
    " AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"
)
SLOW = re.compile(r"SELECT|INSERT|UPDATE|DELETE|CREATE (UNIQUE )?INDEX")
QUICK = re.compile("|".join(["pg_catalog", "pg_index", "pg_try_advisory_lock", *bookkeeping.tables]))
INDEX = "ix_contacts_colour_id"
OF_INDEX = "WHERE indexrelid = to_regclass(:name)"
KNOWN = str(schema.known_revision())


@contextmanager
def slow_steps_under_locks(tables: set[str]) -> Iterator[list[tuple[str, set[str]]]]:
    """Statements that take time, with the tables that were locked when they began."""
    found: list[tuple[str, set[str]]] = []

    def look(_: Connection, cursor: Any, statement: str, *__: object) -> None:
        if SLOW.match(statement) and not QUICK.search(statement):
            cursor.execute(HELD)
            locked = {row[0] for row in cursor.fetchall()} & tables
            if locked or re.match(r"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)", statement):
                found.append((statement, locked))

    event.listen(Engine, "before_cursor_execute", look)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", look)


async def tables_of(engine: AsyncEngine) -> set[str]:
    """The names of all tables."""
    async with reading(engine) as conn:
        return set(await conn.run_sync(lambda c: sa.inspect(c).get_table_names()))


async def test_no_step_that_takes_time_keeps_a_table_locked(
    database_url: str, engine: AsyncEngine, tmp_path: Path
) -> None:
    """Rows are read and changed, and indexes made, only while the revision holds no lock that a worker would notice."""
    await asyncio.to_thread(command.downgrade, schema.config(database_url), FIRST)
    async with transaction(engine) as conn:
        await conn.execute(sa.text(OPERATOR))
        await conn.execute(sa.text(PARKED))
    with slow_steps_under_locks(await tables_of(engine)) as found:
        await asyncio.to_thread(schema.upgrade, database_url)
        await asyncio.to_thread(upgrade_to_later, database_url, tmp_path / "later", KNOWN)
    assert found == []
    async with reading(engine) as conn:
        assert await conn.scalar(sa.text("SELECT retries FROM parked_messages")) == 4


OPERATOR = "INSERT INTO operators (name, is_active, max_active_contacts, created_at) VALUES ('Olga', true, 10, now())"
PARKED = (
    "INSERT INTO parked_messages (id, state, code, detail, body, properties, fingerprint, attempts, created_at)"
    " VALUES (gen_random_uuid(), 'rejected', 'unknown_contact', '', '', '{}', '', 5, now())"
)
EVENT = (
    "INSERT INTO outbox (id, sequence, message_id, type, routing_key, reply, body)"
    " VALUES (gen_random_uuid(), 1, 'm', 'contact.assigned', 'k', false, '{}')"
)
TRIED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def test_who_waits_behind_a_revision_waits_a_moment(database_url: str, engine: AsyncEngine) -> None:
    """A revision that waits for somebody's long transaction lets the workers' statements through, again and again."""
    await asyncio.to_thread(command.downgrade, schema.config(database_url), FIRST)
    async with transaction(engine) as long_one:
        await long_one.execute(sa.text("SELECT count(*) FROM outbox"))
        upgrading = asyncio.create_task(asyncio.to_thread(schema.upgrade, database_url))

        async def waits() -> bool:
            async with reading(engine) as conn:
                return bool(await conn.scalar(sa.text(TRIED)))

        for _ in range(2):
            await until(waits)
            async with transaction(engine) as worker:
                await worker.execute(sa.text(EVENT))
        assert not upgrading.done()
    await upgrading
    await schema.check(engine)


async def test_an_index_of_an_interrupted_revision_is_made_again(
    database_url: str, engine: AsyncEngine, tmp_path: Path
) -> None:
    """PostgreSQL leaves an invalid one behind, which costs every write and serves no query."""
    async with transaction(engine) as conn:
        await conn.execute(sa.text("ALTER TABLE contacts ADD colour VARCHAR(16) NOT NULL DEFAULT 'grey'"))
        await conn.execute(sa.text(f"CREATE INDEX {INDEX} ON contacts (colour)"))
        interrupted = f"UPDATE pg_index SET indisvalid = false {OF_INDEX}"  # noqa: S608 - our own text
        await conn.execute(sa.text(interrupted), {"name": INDEX})
    await asyncio.to_thread(upgrade_to_later, database_url, tmp_path / "later", KNOWN)
    async with reading(engine) as conn:
        asked = f"SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index {OF_INDEX}"  # noqa: S608 - our own text
        is_valid, definition = (await conn.execute(sa.text(asked), {"name": INDEX})).one()
    assert is_valid
    assert definition.endswith("(colour, id)")


async def test_several_upgrades_that_make_an_index_wait_for_each_other(
    database_url: str, engine: AsyncEngine, tmp_path: Path
) -> None:
    """An index that is made concurrently waits for statements that run: none may run only to wait for this upgrade."""
    script = (
        "import sys, pathlib; from tests.releases import upgrade_to_later;"
        " upgrade_to_later(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3])"
    )
    upgrades = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, database_url, str(tmp_path / str(number)), KNOWN,
            cwd=ROOT, stderr=asyncio.subprocess.PIPE,
        )
        for number in range(3)
    ]  # fmt: skip
    said = [(await upgrade.communicate())[1].decode() for upgrade in upgrades]
    assert [upgrade.returncode for upgrade in upgrades] == [0] * 3, said
    async with reading(engine) as conn:
        assert await conn.scalar(sa.text("SELECT version_num FROM schema_revision")) == LATER
