"""The outbox: what has to be published, written in the same commit as the change it describes."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.events import Change, body_of
from distribution.store.bulk import Columns, columns_of, insert_columns
from distribution.store.dialects import UUIDS
from distribution.store.tables import outbox


class Kind(StrEnum):
    """The kinds of outbox rows; each is claimed separately, so that no kind waits for another."""

    EVENT = "event"
    """An event that was not yet attempted."""
    RETRY = "retry"
    """An event that was attempted and whose pause is over."""
    REPLY = "reply"


@dataclass(frozen=True, slots=True)
class Publication:
    """One message to publish: an event to `assignments`, or the reply to one sender (`reply`).

    `attempts`: how often publishing was attempted before.
    """

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
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """Which claimer publishes rows, and for how many seconds by the database's clock no other does.

    `since`: when the claim was made, by the claimer's monotonic clock; its lease ends no earlier than `seconds` later.
    Without `replies` only events are claimed.
    """

    by: UUID
    seconds: float
    since: float = 0.0
    replies: bool = True

    def covers(self, publication: Publication) -> bool:
        """Whether the worker that writes it may publish it at once: no other event has to be published before it."""
        return self.replies if publication.reply else publication.sequence == 1


OF_KIND = {
    Kind.EVENT: sa.and_(outbox.c.reply == sa.false(), outbox.c.attempts == 0),
    Kind.RETRY: sa.and_(outbox.c.reply == sa.false(), outbox.c.attempts > 0),
    Kind.REPLY: outbox.c.reply == sa.true(),
}
NAMED = sa.select(outbox.c.id).where(outbox.c.id.in_(sa.select(UUIDS.c.id)))
UNLOCKED = NAMED.with_for_update(skip_locked=True)
"""The rows in UUIDS that no other session has locked: a transaction left open delays only its own rows."""
DELETE = sa.delete(outbox).where(outbox.c.id.in_(sa.select(UUIDS.c.id)))
DELETE_UNLOCKED = sa.delete(outbox).where(outbox.c.id.in_(UNLOCKED))


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


async def insert(conn: AsyncConnection, publications: Sequence[Publication], claim: Claim | None) -> None:
    """Write the rows; the writer holds a lease on those that the claim covers, from now by the database's clock."""
    claims = [claim if claim and claim.covers(publication) else None for publication in publications]
    claimed: Columns = {
        "claimed_by": [covering and covering.by for covering in claims],
        "claimed_until": [covering and covering.seconds for covering in claims],
    }
    await insert_columns(conn, outbox, {**columns_of(publications), **claimed}, after_now="claimed_until")


async def delete(conn: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Delete rows that the broker has confirmed; waits for rows that another transaction has locked."""
    if ids:
        await conn.execute(DELETE, UUIDS.bound(conn, ids))


async def delete_unlocked(conn: AsyncConnection, ids: Sequence[UUID]) -> list[UUID]:
    """Delete rows without waiting; returns the ids of those left because they are locked.

    On PostgreSQL this writes twice as much to the WAL: each row is locked, then deleted.
    """
    if not ids:
        return []
    deleted = await conn.execute(DELETE_UNLOCKED, UUIDS.bound(conn, ids))
    return await existing(conn, ids) if deleted.rowcount < len(ids) else []


async def existing(conn: AsyncConnection, ids: Sequence[UUID]) -> list[UUID]:
    """Returns the ids of those rows that exist."""
    return list(await conn.scalars(NAMED, UUIDS.bound(conn, ids)))


async def any_reply_before(conn: AsyncConnection, first: UUID) -> bool:
    """Whether there is a reply with an id below `first`."""
    stale = sa.select(outbox.c.id).where(outbox.c.reply == sa.true(), outbox.c.id < first).limit(1)
    return await conn.scalar(stale) is not None


async def delete_replies_before(conn: AsyncConnection, first: UUID, most: int) -> int:
    """Delete the oldest replies with ids below `first`, which no sender waits for any more; returns how many.

    At most `most`, and none that another session has locked.
    """
    stale = (
        sa.select(outbox.c.id)
        .where(outbox.c.reply == sa.true(), outbox.c.id < first)
        .order_by(outbox.c.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return (await conn.execute(sa.delete(outbox).where(outbox.c.id.in_(stale)))).rowcount


async def count_retries(conn: AsyncConnection, most: int) -> int:
    """Returns how many events wait for another attempt, at most `most`."""
    waiting = sa.select(outbox.c.id).where(OF_KIND[Kind.RETRY]).limit(most)
    return (await conn.execute(sa.select(sa.func.count()).select_from(waiting.subquery()))).scalar_one()
