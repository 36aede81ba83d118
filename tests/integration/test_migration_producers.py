"""Revision 0008 gives contacts a producer and another unique key; nothing of them is lost, and older programs go on."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.ids import new_id
from distribution.store import schema
from distribution.store.tables import contacts, decisions
from distribution.store.transactions import reading, transaction
from tests.factories import make_source, message, take

NEW = ("producer", "format")


async def contacts_and_decisions(engine: AsyncEngine) -> list[Any]:
    """Every contact as the release before sees it, and every decision."""
    before = [column for column in contacts.c if column.name not in NEW]
    async with reading(engine) as conn:
        found = [(await conn.execute(sa.select(*before).order_by(contacts.c.id))).all()]
        found.append((await conn.execute(sa.select(decisions).order_by(decisions.c.contact_id))).all())
    return found


async def insert_as_before(engine: AsyncEngine, like: UUID, message_id: str) -> None:
    """What the program of the release before writes: it names no column that it does not know."""
    names = [column.name for column in contacts.c if column.name not in NEW]
    async with transaction(engine) as conn:
        row = (await conn.execute(sa.select(contacts).where(contacts.c.id == like))).one()._asdict()
        kept = {name: row[name] for name in names} | {"id": new_id(), "message_id": message_id}
        await conn.execute(sa.insert(contacts).values(kept))


async def test_contacts_come_through_down_and_up_again(database_url: str, engine: AsyncEngine) -> None:
    """Rows, and the decisions that refer to them, are the same afterwards; the references are checked as before."""
    await make_source(engine, {})
    await take(engine, [message(f"k{number}", f"lead-{number}", payload=number) for number in range(20)])
    there = await contacts_and_decisions(engine)
    assert [len(rows) for rows in there] == [20, 20]
    await asyncio.to_thread(command.downgrade, schema.config(database_url), "0007")
    assert await contacts_and_decisions(engine) == there
    await asyncio.to_thread(schema.upgrade, database_url)
    await engine.dispose()  # it has prepared statements for the tables as they were
    assert await contacts_and_decisions(engine) == there
    with pytest.raises(IntegrityError):
        async with transaction(engine) as conn:
            await conn.execute(sa.delete(contacts))


async def test_the_release_before_writes_and_is_held_to_its_key(engine: AsyncEngine) -> None:
    """Without a producer the source and the message_id are still unique, and the rows are marked as older ones."""
    await make_source(engine, {})
    await take(engine, [message("k")])
    async with reading(engine) as conn:
        [like] = await conn.scalars(sa.select(contacts.c.id))
    await insert_as_before(engine, like, "other")
    with pytest.raises(IntegrityError):
        await insert_as_before(engine, like, "k")
    async with reading(engine) as conn:
        rows = (await conn.execute(sa.select(contacts.c.message_id, *(contacts.c[name] for name in NEW)))).all()
    assert sorted(rows) == [("k", "", 1), ("other", "", 0)]
    await take(engine, [message("other")])
    async with reading(engine) as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(contacts)) == 2
