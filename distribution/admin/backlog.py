"""Pending work: waiting contacts, open parked messages, events to publish.

Every statement counts in an index that holds hardly anything else: finished rows are not read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.ids import time_of
from distribution.store.contacts import IS_WAITING
from distribution.store.tables import OPEN, contacts, outbox, parked_messages, sources


@dataclass(frozen=True, slots=True)
class SourceLine:
    """How many contacts of a source wait, and since when the oldest has waited."""

    id: int
    code: str
    waiting: int
    oldest_wait: datetime | None


@dataclass(frozen=True, slots=True)
class ParkedLine:
    """How many messages are parked with this code in this state, `deferred` or `rejected`."""

    code: str
    state: str
    count: int


@dataclass(frozen=True, slots=True)
class OutboxLine:
    """How many events and replies are unpublished, and when the oldest was written."""

    rows: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """Every source, every code and state with a message, the outbox."""

    sources: Sequence[SourceLine]
    parked: Sequence[ParkedLine]
    outbox: OutboxLine


async def backlog(conn: AsyncConnection) -> Backlog:
    """Count the whole backlog: takes up to half a second for a million rows of a kind."""
    return Backlog(await _waiting(conn), await _parked(conn), await _outbox(conn))


async def _waiting(conn: AsyncConnection) -> list[SourceLine]:
    of_source = sa.and_(contacts.c.source_id == sources.c.id, IS_WAITING)
    count = sa.select(sa.func.count()).select_from(contacts).where(of_source).scalar_subquery()
    oldest = sa.select(contacts.c.id).where(of_source).order_by(contacts.c.id).limit(1).scalar_subquery()
    rows = await conn.execute(sa.select(sources.c.id, sources.c.code, count, oldest).order_by(sources.c.id))
    return [SourceLine(*row[:3], None if row[3] is None else time_of(row[3])) for row in rows]


async def _parked(conn: AsyncConnection) -> list[ParkedLine]:
    p = parked_messages.c
    rows = await conn.execute(
        sa.select(p.code, p.state, sa.func.count()).where(OPEN).group_by(p.state, p.code).order_by(p.code, p.state)
    )
    return [ParkedLine(*row) for row in rows]


async def _outbox(conn: AsyncConnection) -> OutboxLine:
    count = sa.select(sa.func.count()).select_from(outbox).scalar_subquery()
    oldest = sa.select(outbox.c.id).order_by(outbox.c.id).limit(1).scalar_subquery()
    rows, first = (await conn.execute(sa.select(count, oldest))).one()
    return OutboxLine(rows, None if first is None else time_of(first))
