"""What was not published stays in the outbox: retries after their pause, replies until they are stale."""

from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.ids import new_id
from distribution.store import outbox, outbox_leases
from distribution.store.outbox import Kind
from distribution.store.tables import outbox as outbox_table
from distribution.store.transactions import reading, transaction
from tests.integration.outbox_rows import claim, forget, pass_time, postpone, publication, put, replies

SOON_SECONDS = 5


async def test_what_was_not_taken_is_tried_again_by_itself(engine: AsyncEngine) -> None:
    """It is free after its pause, apart from fresh events, counted, and later events of its contact stay behind it."""
    contact = new_id()
    first, second, other = publication(contact, 1), publication(contact, 2), publication(new_id(), 1)
    await put(engine, [first, second])
    await claim(engine)
    await postpone(engine, [first], 30)
    await put(engine, [other])
    assert await claim(engine) == [other]
    assert await claim(engine, Kind.RETRY) == []
    async with reading(engine) as conn:
        assert await outbox.count_retries(conn, 100) == 1
    await pass_time(engine, 31)
    (again,) = await claim(engine, Kind.RETRY)
    assert (again.id, again.attempts) == (first.id, 1)
    await forget(engine, [first])
    assert second in await claim(engine)


async def test_retries_that_are_due_the_longest_go_first(engine: AsyncEngine) -> None:
    """However old they are, so that none is passed over again and again."""
    old, young = publication(new_id(), 1), publication(new_id(), 1)
    await put(engine, [old, young])
    await postpone(engine, [old], 20)
    await postpone(engine, [young], 10)
    await pass_time(engine, 30)
    assert [p.id for p in await claim(engine, Kind.RETRY, limit=1)] == [young.id]


async def test_stale_replies_are_deleted(engine: AsyncEngine) -> None:
    """Those, and never an event."""
    stale, event, fresh = publication(None, 0), publication(new_id(), 1), publication(None, 0)
    await put(engine, [stale, event, fresh])
    async with transaction(engine) as conn:
        assert await outbox.any_reply_before(conn, fresh.id)
        assert await outbox.delete_replies_before(conn, fresh.id, most=10) == 1
        assert not await outbox.any_reply_before(conn, fresh.id)
    assert await claim(engine, Kind.REPLY) == [fresh]
    assert await claim(engine) == [event]


async def test_stale_replies_are_deleted_in_parts(engine: AsyncEngine) -> None:
    """The oldest first, so many in one transaction."""
    stale = replies(5)
    await put(engine, stale)
    numbers: list[int] = []
    while not numbers or numbers[-1]:
        async with transaction(engine) as conn:
            numbers.append(await outbox.delete_replies_before(conn, new_id(), most=2))
        if len(numbers) == 1:
            async with reading(engine) as conn:
                left = set(await conn.scalars(sa.select(outbox_table.c.id)))
            assert left == {p.id for p in stale[2:]}
    assert numbers == [2, 2, 1, 0]


async def test_retries_without_a_claim_are_the_longest_due(engine: AsyncEngine) -> None:
    """Those that were released go before all that had a pause, on either database."""
    rows = [publication(new_id(), 1) for _ in range(3)]
    await put(engine, rows)
    await postpone(engine, rows, -5)
    async with transaction(engine) as conn:
        await outbox_leases.release(conn, [rows[2].id])
    assert await claim(engine, Kind.RETRY, limit=1) == [replace(rows[2], attempts=1)]


async def test_retries_without_a_claim_are_within_the_bytes_first(engine: AsyncEngine) -> None:
    """The bound in bytes is counted in the same order."""
    rows = [publication(new_id(), 1, b"x" * 100) for _ in range(3)]
    await put(engine, rows)
    await postpone(engine, rows, -5)
    async with transaction(engine) as conn:
        await outbox_leases.release(conn, [rows[2].id])
    assert await claim(engine, Kind.RETRY, max_bytes=100) == [replace(rows[2], attempts=1)]
