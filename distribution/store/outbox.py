"""The outbox: what has to be published, in the same commit as what it tells of."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from distribution.events import Change, body_of
from distribution.store.rows import UUIDS, Columns, columns_of, insert_columns
from distribution.store.tables import outbox


@dataclass(frozen=True, slots=True)
class Publication:
    """One message to publish: an event to `assignments`, or the answer to one sender (`reply`)."""

    id: UUID
    contact_id: UUID | None
    sequence: int
    message_id: str
    type: str
    routing_key: str
    reply: bool
    correlation_id: str | None
    traceparent: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """Who publishes a row, and until when nobody else does. `until` is seconds since the epoch."""

    by: UUID
    until: float


FIELDS = tuple(outbox.c[name] for name in Publication.__slots__)
FREE = sa.or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until < sa.bindparam("now"))


def publication_of(change: Change, traceparent: str | None) -> Publication:
    """The event of a change."""
    return Publication(
        id=change.id,
        contact_id=change.contact_id,
        sequence=change.sequence,
        message_id=str(change.id),
        type=change.type,
        routing_key=change.routing_key,
        reply=False,
        correlation_id=change.message_id,
        traceparent=traceparent,
        body=body_of(change),
    )


def is_first(publication: Publication) -> bool:
    """Whether nothing has to leave before it, so that whoever wrote it may publish it at once."""
    return publication.reply or publication.sequence == 1


async def insert(conn: AsyncConnection, publications: Sequence[Publication], claim: Claim | None) -> None:
    """Write the rows; the first of each contact are the writer's own where it brings a claim."""
    claims = [claim if is_first(publication) else None for publication in publications]
    claimed: Columns = {
        "claimed_by": [own and own.by for own in claims],
        "claimed_until": [own and own.until for own in claims],
    }
    await insert_columns(conn, outbox, {**columns_of(publications), **claimed})


async def claim(conn: AsyncConnection, claim: Claim, now: float, limit: int) -> list[Publication]:
    """Take up to `limit` free rows whose contact has nothing older left in the outbox, oldest first."""
    taken = await conn.execute(_claim(), {"now": now, "most": limit, "by": claim.by, "until": claim.until})
    return sorted((Publication(*row) for row in taken), key=lambda p: p.id)


@cache
def _claim() -> ReturningUpdate[*tuple[Any, ...]]:
    older = outbox.alias("older")
    blocked = sa.exists().where(
        older.c.contact_id == outbox.c.contact_id,
        older.c.reply == sa.false(),
        older.c.sequence < outbox.c.sequence,
    )
    chosen = (
        sa.select(outbox.c.id)
        .where(FREE, sa.or_(outbox.c.reply, ~blocked))
        .order_by(outbox.c.id)
        .limit(sa.bindparam("most", type_=sa.Integer))
        .with_for_update(skip_locked=True)
    )
    return (
        sa.update(outbox)
        .where(outbox.c.id.in_(chosen))
        .values(claimed_by=sa.bindparam("by"), claimed_until=sa.bindparam("until"))
        .returning(*FIELDS)
    )


async def delete(conn: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Forget what the broker has confirmed."""
    if ids:
        dialect = conn.dialect.name
        await conn.execute(_delete(dialect), UUIDS.bound(dialect, ids))


@cache
def _delete(dialect: str) -> sa.Delete:
    return sa.delete(outbox).where(outbox.c.id.in_(sa.select(UUIDS.table(dialect).c.id)))


async def settle(conn: AsyncConnection, done: Sequence[UUID], aside: Sequence[UUID], until: float) -> None:
    """Forget what the broker has confirmed; keep what cannot be published from being claimed for a while."""
    await delete(conn, done)
    if aside:
        dialect = conn.dialect.name
        held = outbox.c.id.in_(sa.select(UUIDS.table(dialect).c.id))
        statement = sa.update(outbox).where(held).values(claimed_by=None, claimed_until=until)
        await conn.execute(statement, UUIDS.bound(dialect, aside))


async def any_free(conn: AsyncConnection, now: float) -> bool:
    """Whether there is anything to claim; a read, so that an idle relay writes nothing."""
    return bool(await conn.scalar(_any_free(), {"now": now}))


@cache
def _any_free() -> sa.Select[bool]:
    return sa.select(sa.exists().where(FREE))
