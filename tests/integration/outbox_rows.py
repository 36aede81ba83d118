"""Rows of the outbox: written, claimed, set aside, forgotten, and time that passes for them."""

from collections.abc import Iterable
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.ids import new_id
from distribution.store import outbox, outbox_leases
from distribution.store.outbox import Claim, Kind, Publication
from distribution.store.tables import outbox as outbox_table
from distribution.store.transactions import reading, transaction
from tests.polling import until

MEGABYTE = 1_000_000


def publication(contact_id: UUID | None, sequence: int, body: bytes = b"{}") -> Publication:
    """An event of a contact, or a reply where there is no contact."""
    row_id = new_id()
    return Publication(
        row_id, contact_id, sequence, str(row_id), "contact.assigned", "key", contact_id is None, "c", None, body
    )


async def put(engine: AsyncEngine, publications: Iterable[Publication], claim: Claim | None = None) -> None:
    """Commit rows."""
    async with transaction(engine) as conn:
        await outbox.insert(conn, list(publications), claim)


async def claim(
    engine: AsyncEngine,
    kind: Kind = Kind.EVENT,
    *,
    by: UUID | None = None,
    lease: float = 10,
    limit: int = 1000,
    max_bytes: int = 100 * MEGABYTE,
) -> list[Publication]:
    """Claim what is free."""
    async with transaction(engine) as conn:
        return await outbox_leases.claim(conn, kind, Claim(by or new_id(), lease), limit, max_bytes)


async def pass_time(engine: AsyncEngine, seconds: float) -> None:
    """As if the database's clock were so much later."""
    async with transaction(engine) as conn:
        earlier = outbox_table.c.claimed_until - seconds
        await conn.execute(sa.update(outbox_table).values(claimed_until=earlier))


async def postpone(engine: AsyncEngine, rows: Iterable[Publication], pause: float) -> None:
    """The broker did not take them."""
    async with transaction(engine) as conn:
        await outbox_leases.postpone(conn, {pause: [p.id for p in rows]})


async def forget(engine: AsyncEngine, done: Iterable[Publication]) -> None:
    """Delete what was published; the claims of others lock rows for a moment."""
    left = [p.id for p in done]

    async def all_deleted() -> bool:
        nonlocal left
        async with transaction(engine) as conn:
            left = await outbox.delete_unlocked(conn, left)
        return not left

    await until(all_deleted)


def replies(number: int) -> list[Publication]:
    """Answers to senders."""
    return [publication(None, 0) for _ in range(number)]


async def left(engine: AsyncEngine) -> int:
    """How many rows are still there."""
    async with reading(engine) as conn:
        return int(await conn.scalar(sa.select(sa.func.count()).select_from(outbox_table)) or 0)
