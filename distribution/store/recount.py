"""Counts what counters claim to know, from the rows themselves: whole tables, for checks alone."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.tables import contacts, decisions, operators, outbox

TOTAL = sa.func.count().over()
"""How many rows there are in all, where only the first few are asked for."""


async def wrong_loads(conn: AsyncConnection) -> Sequence[sa.Row[int, str, int, int]]:
    """Operators (id, name, load, active contacts as counted) whose load is not what they have."""
    c, o = contacts.c, operators.c
    counted = (
        sa.select(c.operator_id, sa.func.count().label("number"))
        .where(c.status == "active")
        .group_by(c.operator_id)
        .subquery()
    )
    number = sa.func.coalesce(counted.c.number, 0)
    rows = await conn.execute(
        sa.select(o.id, o.name, o.load, number)
        .outerjoin(counted, counted.c.operator_id == o.id)
        .where(o.load != number)
        .order_by(o.id)
    )
    return rows.all()


async def wrong_sequences(conn: AsyncConnection, limit: int) -> Sequence[sa.Row[UUID, int, int, int, int]]:
    """Contacts (id, sequence, number of decisions, last one, how many such) whose decisions are not 1 to sequence."""
    c, d = contacts.c, decisions.c
    kept = (
        sa.select(d.contact_id, sa.func.count().label("number"), sa.func.max(d.sequence).label("last"))
        .group_by(d.contact_id)
        .subquery()
    )
    number, last = sa.func.coalesce(kept.c.number, 0), sa.func.coalesce(kept.c.last, 0)
    rows = await conn.execute(
        sa.select(c.id, c.sequence, number, last, TOTAL)
        .outerjoin(kept, kept.c.contact_id == c.id)
        .where(sa.or_(c.sequence != last, number != last))
        .order_by(c.id)
        .limit(limit)
    )
    return rows.all()


async def baseless_events(conn: AsyncConnection, limit: int) -> Sequence[sa.Row[UUID, UUID, int]]:
    """Outbox rows (id, contact id, how many such) that tell of a change that is in no contact's history."""
    d = decisions.c
    change = sa.exists().where(
        d.contact_id == outbox.c.contact_id, d.sequence == outbox.c.sequence, d.event_id == outbox.c.id
    )
    rows = await conn.execute(
        sa.select(outbox.c.id, outbox.c.contact_id, TOTAL)
        .where(outbox.c.reply == sa.false(), ~change)
        .order_by(outbox.c.id)
        .limit(limit)
    )
    return rows.all()


async def unpublished_since(conn: AsyncConnection, before: UUID, limit: int) -> Sequence[sa.Row[UUID, str, int]]:
    """Outbox rows (id, type, how many such) that were written before a moment and are still there."""
    rows = await conn.execute(
        sa.select(outbox.c.id, outbox.c.type, TOTAL).where(outbox.c.id < before).order_by(outbox.c.id).limit(limit)
    )
    return rows.all()


async def set_sequence(conn: AsyncConnection, contact_id: UUID, sequence: int) -> None:
    """Write a contact's sequence."""
    await conn.execute(sa.update(contacts).where(contacts.c.id == contact_id).values(sequence=sequence))


async def all_operators(conn: AsyncConnection) -> list[int]:
    """Ids of all operators."""
    return list((await conn.scalars(sa.select(operators.c.id).order_by(operators.c.id))).all())
