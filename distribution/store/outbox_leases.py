"""Who publishes which rows of the outbox, and until when: leases by the database's own clock."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from distribution.store import clock
from distribution.store.dialects import UUIDS
from distribution.store.outbox import OF_KIND, UNLOCKED, Claim, Kind, Publication, existing
from distribution.store.tables import outbox

EVERYTHING = UUID(int=0)
FIELDS = tuple(outbox.c[name] for name in Publication.__slots__)
AFTER = outbox.c.id > sa.bindparam("after", type_=sa.Uuid)
LATER = clock.SECONDS + sa.bindparam("seconds", type_=sa.Float)
# Rows that a batch is deleting are locked: do not wait for them.
HELD = UNLOCKED.where(outbox.c.claimed_by == sa.bindparam("by"))
UPDATE_UNLOCKED = sa.update(outbox).where(outbox.c.id.in_(UNLOCKED)).returning(outbox.c.id)
RENEW = sa.update(outbox).where(outbox.c.id.in_(HELD)).values(claimed_until=LATER).returning(outbox.c.id)
POSTPONE = UPDATE_UNLOCKED.values(attempts=outbox.c.attempts + 1, claimed_by=None, claimed_until=LATER)
RELEASE = UPDATE_UNLOCKED.values(claimed_by=None, claimed_until=None)


async def any_free(conn: AsyncConnection, kind: Kind, after: UUID = EVERYTHING) -> bool:
    """Whether there is a row to claim with an id above `after`; only reads, so that an idle relay writes nothing.

    With a recent id for `after` this stays cheap, however many deleted rows an old snapshot keeps from being vacuumed.
    """
    if after == EVERYTHING:
        return bool(await conn.scalar(_any_free(kind)))
    return await conn.scalar(_first_free(kind), {"after": after}) is not None


@cache
def _any_free(kind: Kind) -> sa.Select[bool]:
    return sa.select(sa.exists().where(_claimable(kind)))


@cache
def _first_free(kind: Kind) -> sa.Select[UUID]:
    # In the order of the ids, so that PostgreSQL starts at `after` in their index and does not scan the table.
    return sa.select(outbox.c.id).where(AFTER, _claimable(kind)).order_by(outbox.c.id).limit(1)


async def claim(
    conn: AsyncConnection, kind: Kind, claim: Claim, limit: int, max_bytes: int, after: UUID = EVERYTHING
) -> list[Publication]:
    """Claim free rows whose contact has no older row in the outbox, oldest first; retries by when they are due.

    At most `limit` rows and `max_bytes` of bodies, but at least one row, even if it is larger.
    """
    parameters = {"most": limit, "bytes": max_bytes, "by": claim.by, "seconds": claim.seconds, "after": after}
    rows = await conn.execute(_claim(kind), parameters)
    return sorted((Publication(*row) for row in rows), key=lambda p: p.id)


@cache
def _claim(kind: Kind) -> ReturningUpdate[*tuple[Any, ...]]:
    order = outbox.c.claimed_until if kind is Kind.RETRY else outbox.c.id
    free = (
        sa.select(outbox.c.id, order.label("place"), sa.func.length(outbox.c.body).label("size"))
        .where(AFTER, _claimable(kind))
        .order_by(order.nulls_first())
        .limit(sa.bindparam("most", type_=sa.Integer))
        .with_for_update(skip_locked=True)
        .subquery()
    )
    # Reading the sizes does not read the bodies, which PostgreSQL stores separately if they are large.
    total = sa.func.sum(free.c.size).over(order_by=(free.c.place.nulls_first(), free.c.id))
    summed = sa.select(free.c.id, (total - free.c.size).label("before")).subquery()
    chosen = sa.select(summed.c.id).where(summed.c.before < sa.bindparam("bytes", type_=sa.BigInteger))
    return (
        sa.update(outbox)
        .where(outbox.c.id.in_(chosen))
        .values(claimed_by=sa.bindparam("by"), claimed_until=LATER)
        .returning(*FIELDS)
    )


def _claimable(kind: Kind) -> sa.ColumnElement[bool]:
    free = sa.or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until < clock.SECONDS)
    if kind is Kind.REPLY:
        return sa.and_(OF_KIND[kind], free)
    older = outbox.alias("older")
    blocked = sa.exists().where(
        older.c.contact_id == outbox.c.contact_id,
        older.c.reply == sa.false(),
        older.c.sequence < outbox.c.sequence,
    )
    return sa.and_(OF_KIND[kind], free, ~blocked)


async def renew(conn: AsyncConnection, claim: Claim, ids: Sequence[UUID]) -> set[UUID]:
    """Renew the lease of the rows that the claimer still holds; returns their ids."""
    parameters = {"by": claim.by, "seconds": claim.seconds, **UUIDS.bound(conn, ids)}
    return set(await conn.scalars(RENEW, parameters))


async def postpone(conn: AsyncConnection, pauses: Mapping[float, Sequence[UUID]]) -> list[UUID]:
    """Count an attempt, and let no worker claim the rows for so many seconds.

    Returns the ids of rows not updated because another session has them locked.
    """
    left: list[UUID] = []
    for pause, ids in pauses.items():
        left += await _update(conn, POSTPONE, ids, seconds=pause)
    return left


async def release(conn: AsyncConnection, ids: Sequence[UUID]) -> list[UUID]:
    """Let any worker claim the rows now; returns the ids of rows that another session has locked."""
    return await _update(conn, RELEASE, ids) if ids else []


async def _update(
    conn: AsyncConnection, statement: ReturningUpdate[UUID], ids: Sequence[UUID], **parameters: float
) -> list[UUID]:
    """Update the rows that are not locked; returns the ids of the others that exist."""
    updated = set(await conn.scalars(statement, {**parameters, **UUIDS.bound(conn, ids)}))
    left = [row_id for row_id in ids if row_id not in updated]
    return await existing(conn, left) if left else []
