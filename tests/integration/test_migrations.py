"""The revisions build the schema that the code knows, on both databases, and can be taken back."""

import asyncio
import os
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import ReflectedIndex
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.ids import new_id
from distribution.intake.lead_renormalization import renormalize
from distribution.store import schema
from distribution.store.database import Database
from distribution.store.schema_version import VERSION_TABLE, bookkeeping
from distribution.store.tables import metadata
from distribution.store.transactions import reading, transaction

ROOT = Path(schema.__file__).parents[2]
Shape = dict[str, dict[str, Any]]


def shape_of(conn: Connection) -> Shape:
    """Every table with its columns, keys, constraints and indexes, in an order of their own."""
    inspector = sa.inspect(conn)
    found: Shape = {}
    for table in inspector.get_table_names():
        found[table] = {
            "columns": {c["name"]: (str(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(table)},
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": sorted(inspector.get_foreign_keys(table), key=str),
            "unique": sorted(inspector.get_unique_constraints(table), key=str),
            "checks": sorted(inspector.get_check_constraints(table), key=str),
            "indexes": sorted(map(index_shape, inspector.get_indexes(table)), key=str),
        }
    return found


def index_shape(index: ReflectedIndex) -> tuple[Any, ...]:
    """Name, columns, whether unique, and the condition of a partial one."""
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return index["name"], index["column_names"], index["unique"], options


def without_rowid(conn: Connection) -> set[str]:
    """SQLite's tables that are kept in the order of their key."""
    rows = conn.exec_driver_sql("SELECT name FROM pragma_table_list WHERE wr = 1").all()
    return {name for (name,) in rows}


def rebuild_from_models(conn: Connection) -> None:
    """The tables as the models say, without any revision."""
    metadata.drop_all(conn)
    metadata.create_all(conn)


async def shape(engine: AsyncEngine) -> Shape:
    """The schema as the database tells it, without the tables of revisions."""
    async with reading(engine) as conn:
        found = await conn.run_sync(shape_of)
    for of_revisions in bookkeeping.tables:
        found.pop(of_revisions, None)
    return found


async def test_models_and_revisions_agree(engine: AsyncEngine) -> None:
    """Alembic finds nothing to add to the revisions."""
    async with reading(engine) as conn:
        differences = await conn.run_sync(
            lambda c: compare_metadata(
                MigrationContext.configure(
                    c,
                    opts={
                        "compare_type": True,
                        "compare_server_default": True,
                        "version_table": VERSION_TABLE,
                        "include_name": lambda name, kind, _: kind != "table" or name not in bookkeeping.tables,
                    },
                ),
                metadata,
            )
        )
    assert differences == []


async def test_models_build_what_the_revisions_build(engine: AsyncEngine) -> None:
    """Checks, partial indexes and what else Alembic does not compare are the same too."""
    by_revisions = await shape(engine)
    tables = set()
    if engine.dialect.name == "sqlite":
        async with reading(engine) as conn:
            tables = await conn.run_sync(without_rowid)
        assert tables == {"source_operators", "decisions", "contact_keys", "contact_payloads"}
    async with transaction(engine) as conn:
        await conn.run_sync(rebuild_from_models)
    assert await shape(engine) == by_revisions
    if engine.dialect.name == "sqlite":
        async with reading(engine) as conn:
            assert await conn.run_sync(without_rowid) == tables


async def test_both_databases_have_the_same_tables_and_columns(engine: AsyncEngine) -> None:
    """An admin who moves from SQLite to PostgreSQL finds every table and column again."""
    found = await shape(engine)
    expected = {t.name: {c.name: c.nullable for c in t.columns} for t in metadata.tables.values()}
    assert {t: {c: nullable for c, (_, nullable, _) in s["columns"].items()} for t, s in found.items()} == expected


async def test_every_constraint_has_a_name(engine: AsyncEngine) -> None:
    """A later revision can drop any constraint by its name, and an error names what was violated."""
    for table, parts in (await shape(engine)).items():
        assert parts["primary key"]["name"] == f"pk_{table}"
        for kind, prefix in (("foreign keys", "fk"), ("unique", "uq"), ("checks", "ck")):
            for constraint in parts[kind]:
                assert str(constraint["name"]).startswith(f"{prefix}_{table}_"), constraint


async def test_down_and_up_again_gives_the_same_schema(database_url: str, engine: AsyncEngine) -> None:
    """Taking the revisions back leaves nothing behind, and putting them on again builds the same."""
    before = await shape(engine)
    await asyncio.to_thread(command.downgrade, schema.config(database_url), "base")
    assert await shape(engine) == {}
    await asyncio.to_thread(schema.upgrade, database_url)
    assert await shape(engine) == before
    await schema.check(engine)


async def test_known_leads_keep_their_details(database_url: str, engine: AsyncEngine) -> None:
    """Revision 0003 leaves what is there as it was sent; a worker normalizes it; taking it back leaves it as sent."""
    await asyncio.to_thread(command.downgrade, schema.config(database_url), "0002")
    rows = [("lead-1", "+7 999 000-0001", "L1@Example.COM"), ("lead-2", None, "a@b")]
    insert = "INSERT INTO leads (external_id, phone, email, created_at) VALUES (:id, :phone, :email, CURRENT_TIMESTAMP)"
    read = "SELECT external_id, phone, email, phone_normalized, email_normalized FROM leads ORDER BY id"
    async with transaction(engine) as conn:
        await conn.execute(sa.text(insert), [dict(zip(("id", "phone", "email"), row, strict=True)) for row in rows])
    await asyncio.to_thread(schema.upgrade, database_url)
    await renormalize(Database(engine, Random(1)), "", 0)
    async with reading(engine) as conn:
        filled = (await conn.execute(sa.text(read))).all()
    assert filled == [(*rows[0], "+79990000001", "l1@example.com"), (*rows[1], None, None)]
    await asyncio.to_thread(command.downgrade, schema.config(database_url), "0002")
    async with reading(engine) as conn:
        left = (await conn.execute(sa.text("SELECT external_id, phone, email FROM leads ORDER BY id"))).all()
    assert left == rows


async def test_open_parked_messages_can_be_found_by_their_source(database_url: str, engine: AsyncEngine) -> None:
    """Revision 0009 reads which source the body of an open message names, more than one chunk of them."""
    number = 450
    await asyncio.to_thread(command.downgrade, schema.config(database_url), "0007")
    insert = sa.text(
        "INSERT INTO parked_messages"
        " (id, state, code, detail, source, body, properties, fingerprint, attempts, created_at, retries)"
        " VALUES (:id, :state, 'invalid_message', '', :source, :body, '{}', :body, 1, CURRENT_TIMESTAMP, 0)"
    ).bindparams(sa.bindparam("id", type_=sa.Uuid))
    bodies = {
        b'{"source": "web"}': ("rejected", None, "web"),
        b'{"specversion": "1.0", "source": "/b", "data": {"source": "web"}}': ("deferred", None, "web"),
        b'{"source": "known"}': ("rejected", "known", None),
        b'{"source": "done"}': ("dropped", None, None),
        b'{"source": "No"}': ("rejected", None, None),
        b'["source"]': ("rejected", None, None),
        b"\xff": ("rejected", None, None),
    } | {b'{"source": "s-%d"}' % n: ("rejected", None, f"s-{n}") for n in range(number)}
    rows = [{"id": new_id(), "state": s, "source": source, "body": b} for b, (s, source, _) in bodies.items()]
    async with transaction(engine) as conn:
        await conn.execute(insert, rows)
    await asyncio.to_thread(schema.upgrade, database_url)
    async with reading(engine) as conn:
        found = (await conn.execute(sa.text("SELECT body, named_source FROM parked_messages"))).all()
    assert {bytes(body): named for body, named in found} == {body: named for body, (*_, named) in bodies.items()}


async def upgrade_in_processes(database_url: str, number: int) -> None:
    """As many `alembic upgrade head` at once, all of which succeed."""
    upgrades = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "alembic", "upgrade", "head", cwd=ROOT,
            env=os.environ | {"DATABASE_URL": database_url}, stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(number)
    ]  # fmt: skip
    said = [(await upgrade.communicate())[1].decode() for upgrade in upgrades]
    assert [upgrade.returncode for upgrade in upgrades] == [0] * number, said


async def test_two_processes_may_upgrade_at_once(database_url: str, engine: AsyncEngine) -> None:
    """Worker and API started together on an empty database both find the schema there afterwards."""
    await asyncio.to_thread(command.downgrade, schema.config(database_url), "base")
    await upgrade_in_processes(database_url, 3)
    await schema.check(engine)


async def like_a_worker(engine: AsyncEngine, upgraded: asyncio.Event) -> int:
    """Transactions in a worker's order of locks until the upgrade is done; returns how many were committed."""
    event = sa.text(
        "INSERT INTO outbox (id, sequence, message_id, type, routing_key, reply, body)"
        " VALUES (gen_random_uuid(), 1, 'm', 'contact.assigned', 'k', false, '{}')"
    )
    committed = 0
    while not upgraded.is_set():
        async with transaction(engine) as conn:
            await conn.execute(sa.text("SELECT id FROM operators ORDER BY id FOR NO KEY UPDATE"))
            await conn.execute(sa.text("UPDATE operators SET load = load + 1"))
            await conn.execute(sa.text("SELECT count(*) FROM parked_messages"))
            await conn.execute(event)
        committed += 1
    return committed


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_workers_of_the_release_before_go_on_while_it_is_upgraded(database_url: str, engine: AsyncEngine) -> None:
    """No revision keeps a table locked that another revision's table is waited for with: no deadlock, nothing lost."""
    await asyncio.to_thread(command.downgrade, schema.config(database_url), "0004")
    await engine.dispose()  # it has prepared statements for the tables as they were
    async with transaction(engine) as conn:
        await conn.execute(
            sa.text(
                "INSERT INTO operators (name, is_active, max_active_contacts, created_at)"
                " VALUES ('Olga', true, 1000000, now())"
            )
        )
    upgraded = asyncio.Event()
    workers = [asyncio.create_task(like_a_worker(engine, upgraded)) for _ in range(2)]
    try:
        await upgrade_in_processes(database_url, 2)
    finally:
        upgraded.set()
        committed = await asyncio.gather(*workers)
    async with reading(engine) as conn:
        load, events = (await conn.execute(sa.text("SELECT load, (SELECT count(*) FROM outbox) FROM operators"))).one()
    assert load == events == sum(committed) > 0
    await schema.check(engine)
