"""Recounts what counters hold, from the rows themselves: whole tables without locks, single objects under locks."""

from collections import Counter
from collections.abc import Collection, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.dialects import IDS, UUIDS
from distribution.store.tables import contacts, decisions, operators, outbox

TOTAL = sa.func.count().over()
"""How many rows there are in all, if only the first few are selected."""


async def wrong_loads(conn: AsyncConnection) -> Sequence[sa.Row[int, str, int, int]]:
    """Operators (id, name, load, number of active contacts) whose load is not that number."""
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


async def active_of(conn: AsyncConnection, operator_ids: Collection[int]) -> Counter[int]:
    """Number of active contacts by operator; reads all contacts these operators ever had, by index."""
    c = contacts.c
    statement = (
        sa.select(IDS.c.id, sa.func.count())
        .join_from(IDS, contacts, IDS.c.id == c.operator_id)
        .where(c.status == "active")
        .group_by(IDS.c.id)
    )
    rows = await conn.execute(statement, IDS.bound(conn, sorted(operator_ids)))
    return Counter({row[0]: row[1] for row in rows})


async def wrong_sequences(conn: AsyncConnection, limit: int) -> Sequence[sa.Row[UUID, int, int, int, int]]:
    """Contacts (id, sequence, number of decisions, last one, total) whose decisions are not 1 to sequence."""
    c = contacts.c
    histories = _histories().subquery()
    number, last = sa.func.coalesce(histories.c.number, 0), sa.func.coalesce(histories.c.last, 0)
    rows = await conn.execute(
        sa.select(c.id, c.sequence, number, last, TOTAL)
        .outerjoin(histories, histories.c.contact_id == c.id)
        .where(sa.or_(c.sequence != last, number != last))
        .order_by(c.id)
        .limit(limit)
    )
    return rows.all()


async def repairable_sequences(conn: AsyncConnection, limit: int) -> list[UUID]:
    """Contacts whose sequence is wrong and whose history is complete."""
    found = _repairable(_histories().subquery()).order_by(contacts.c.id).limit(limit)
    return list((await conn.scalars(found)).all())


async def repair_sequences(conn: AsyncConnection, ids: Collection[UUID]) -> Sequence[sa.Row[UUID, int, int]]:
    """Set wrong sequences to the end of complete histories; returns contacts (id, sequence before and after)."""
    histories = _histories().join(UUIDS, UUIDS.c.id == decisions.c.contact_id).subquery()
    rows = (await conn.execute(_repairable(histories), UUIDS.bound(conn, sorted(ids)))).all()
    for contact_id, _, last in rows:
        await conn.execute(sa.update(contacts).where(contacts.c.id == contact_id).values(sequence=last))
    return rows


def _repairable(histories: sa.Subquery) -> sa.Select[UUID, int, int]:
    c, last = contacts.c, histories.c.last
    is_wrong = sa.and_(c.sequence != last, histories.c.number == last)
    return sa.select(c.id, c.sequence, last).join(histories, histories.c.contact_id == c.id).where(is_wrong)


async def sources_of(conn: AsyncConnection, ids: Collection[UUID]) -> set[int]:
    """Ids of the sources of these contacts, which never change."""
    of_contacts = sa.select(contacts.c.source_id).join(UUIDS, UUIDS.c.id == contacts.c.id)
    return set(await conn.scalars(of_contacts, UUIDS.bound(conn, sorted(ids))))


def _histories() -> sa.Select[UUID, int, int]:
    d = decisions.c
    number, last = sa.func.count().label("number"), sa.func.max(d.sequence).label("last")
    return sa.select(d.contact_id, number, last).group_by(d.contact_id)


async def events_without_change(conn: AsyncConnection, limit: int) -> Sequence[sa.Row[UUID, UUID, int]]:
    """Outbox rows (id, contact id, total) about a change that is in no contact's history."""
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
    """Outbox rows (id, type, total) that were written before an id's time and are still there."""
    rows = await conn.execute(
        sa.select(outbox.c.id, outbox.c.type, TOTAL).where(outbox.c.id < before).order_by(outbox.c.id).limit(limit)
    )
    return rows.all()
