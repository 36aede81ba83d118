"""The outbox hands every row to one publisher at a time, a contact's events in their order."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.ids import new_id
from distribution.store import clock, leases, outbox
from distribution.store.engine import create_engine, reading, transaction
from distribution.store.outbox import Claim, Kind, Publication
from distribution.store.tables import outbox as outbox_table

MEGABYTE = 1_000_000
SOON_SECONDS = 5


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
        return await leases.claim(conn, kind, Claim(by or new_id(), lease), limit, max_bytes)


async def pass_time(engine: AsyncEngine, seconds: float) -> None:
    """As if the database's clock were so much later."""
    async with transaction(engine) as conn:
        earlier = outbox_table.c.claimed_until - seconds
        await conn.execute(sa.update(outbox_table).values(claimed_until=earlier))


async def postpone(engine: AsyncEngine, rows: Iterable[Publication], pause: float) -> None:
    """The broker did not take them."""
    async with transaction(engine) as conn:
        await leases.postpone(conn, {pause: [p.id for p in rows]})


async def forget(engine: AsyncEngine, done: Iterable[Publication]) -> None:
    """Delete what was published; the claims of others lock rows for a moment."""
    left = [p.id for p in done]
    while True:
        async with transaction(engine) as conn:
            left = await outbox.delete_unlocked(conn, left)
        if not left:
            return
        await asyncio.sleep(0.01)


async def test_what_was_put_in_comes_out_whole_and_oldest_first(engine: AsyncEngine) -> None:
    """A claimer gets every field as it was written, in the order of writing, up to its limit."""
    rows = [publication(new_id(), 1) for _ in range(20)]
    await put(engine, reversed(rows))
    assert await claim(engine, limit=15) == rows[:15]
    assert await claim(engine, limit=15) == rows[15:]
    assert await claim(engine) == []


async def test_a_contacts_events_leave_one_after_the_other(engine: AsyncEngine) -> None:
    """The next event of a contact is free only once the one before is confirmed and gone."""
    contact, other = new_id(), new_id()
    events = [publication(contact, sequence) for sequence in (1, 2, 3)]
    alone = publication(other, 1)
    await put(engine, [*events, alone])
    assert await claim(engine) == [events[0], alone]
    assert await claim(engine) == []
    for done, following in pairwise(events):
        await forget(engine, [done])
        assert await claim(engine) == [following]


async def test_order_is_by_sequence_and_not_by_id(engine: AsyncEngine) -> None:
    """A clock that jumped back does not let a later event out before an earlier one."""
    contact = new_id()
    later, earlier = publication(contact, 2), publication(contact, 1)
    await put(engine, [later, earlier])
    assert await claim(engine) == [earlier]


async def test_replies_and_events_wait_for_each_other_never(engine: AsyncEngine) -> None:
    """Each is claimed by itself, and a reply holds up no event."""
    contact = new_id()
    first, second, reply, other = publication(contact, 1), publication(contact, 2), *replies(2)
    await put(engine, [reply, first, second, other])
    assert await claim(engine, limit=1) == [first]
    assert await claim(engine, Kind.REPLY) == [reply, other]
    await forget(engine, [first])
    assert await claim(engine) == [second]


async def test_a_claim_ends_with_its_lease(engine: AsyncEngine) -> None:
    """What a publisher did not finish in time is another's; until then it is nobody else's."""
    row = publication(new_id(), 1)
    await put(engine, [row])
    assert await claim(engine, lease=60) == [row]
    await pass_time(engine, 50)
    assert await claim(engine) == []
    await pass_time(engine, 10.1)
    assert await claim(engine, lease=60) == [row]
    assert await claim(engine) == []


async def test_a_writers_own_claim_covers_first_events_and_replies(engine: AsyncEngine) -> None:
    """Who writes a contact's first event may publish it at once; later events are found by whoever comes."""
    contact, mine = new_id(), Claim(new_id(), 10)
    first, second, reply = publication(contact, 1), publication(contact, 2), publication(None, 0)
    await put(engine, [first, second, reply], mine)
    assert [mine.covers(p) for p in (first, second, reply)] == [True, False, True]
    assert await claim(engine) == await claim(engine, Kind.REPLY) == []
    await forget(engine, [first])
    assert await claim(engine) == [second]


async def test_who_cannot_publish_replies_does_not_claim_them(engine: AsyncEngine) -> None:
    """They are free for others, although the events beside them are not."""
    reply = publication(None, 0)
    await put(engine, [publication(new_id(), 1), reply], Claim(new_id(), 10, replies=False))
    assert await claim(engine) == []
    assert await claim(engine, Kind.REPLY) == [reply]


async def test_a_lease_is_by_the_databases_clock(engine: AsyncEngine) -> None:
    """Whichever way it was made: no process's own clock says when it ends."""
    written, claimed = publication(new_id(), 1), publication(new_id(), 1)
    await put(engine, [written], Claim(new_id(), 100))
    await put(engine, [claimed])
    await claim(engine, lease=100)
    async with reading(engine) as conn:
        assert abs((await clock.now(conn) - datetime.now(UTC)).total_seconds()) < 60
        left = outbox_table.c.claimed_until - clock.SECONDS
        for seconds in await conn.scalars(sa.select(left)):
            assert 90 < seconds <= 100


async def test_a_lease_is_renewed_by_who_still_has_it(engine: AsyncEngine) -> None:
    """What somebody else has taken meanwhile stays theirs, and what is gone is gone."""
    me = new_id()
    lost, kept, gone = rows = [publication(new_id(), 1) for _ in range(3)]
    await put(engine, rows, Claim(me, 10))
    await forget(engine, [gone])
    await pass_time(engine, 20)
    assert await claim(engine, limit=1) == [lost]
    async with transaction(engine) as conn:
        assert await leases.renew(conn, Claim(me, 60), [p.id for p in rows]) == {kept.id}
    await pass_time(engine, 50)
    assert await claim(engine) == [lost]


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


async def test_what_is_released_is_anybodys(engine: AsyncEngine) -> None:
    """At once, without a try counted."""
    row = publication(new_id(), 1)
    await put(engine, [row], Claim(new_id(), 100))
    async with transaction(engine) as conn:
        await leases.release(conn, [row.id])
    assert await claim(engine) == [row]


async def test_a_claim_is_bounded_by_bytes(engine: AsyncEngine) -> None:
    """As many as fit, oldest first; and one that is larger than all by itself."""
    large = [publication(new_id(), 1, b"x" * MEGABYTE) for _ in range(4)]
    await put(engine, large)
    assert await claim(engine, max_bytes=2 * MEGABYTE) == large[:2]
    assert await claim(engine, max_bytes=1) == large[2:3]


async def test_an_idle_publisher_only_reads(engine: AsyncEngine) -> None:
    """Whether there is anything to do is told without a claim, and what waits for an older event is nothing to do."""
    contact = new_id()

    async def any_free(after: UUID = leases.EVERYTHING) -> bool:
        async with reading(engine) as conn:
            return await leases.any_free(conn, Kind.EVENT, after)

    assert not await any_free()
    await put(engine, rows := [publication(contact, 1), publication(contact, 2)])
    assert await any_free()
    assert not await any_free(after=rows[-1].id)
    await claim(engine, lease=60)
    assert not await any_free()
    await pass_time(engine, 61)
    assert await any_free()


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


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_locked_rows_are_not_waited_for(engine: AsyncEngine) -> None:
    """Whatever is done with many rows is done with the others at once, and tells which are left."""
    events, stale = [publication(new_id(), 1) for _ in range(4)], replies(2)
    await put(engine, [*events, *stale])
    gone, deleted, released, locked = events
    ids = [gone.id, deleted.id, locked.id]
    await forget(engine, [gone])
    async with engine.connect() as somebody, transaction(engine) as conn:
        await somebody.execute(sa.delete(outbox_table).where(outbox_table.c.id.in_([locked.id, stale[0].id])))
        async with asyncio.timeout(SOON_SECONDS):
            assert await outbox.delete_unlocked(conn, ids) == [locked.id]
            assert await leases.postpone(conn, {5.0: [gone.id, released.id], 6.0: [locked.id]}) == [locked.id]
            assert await leases.release(conn, [gone.id, released.id, locked.id]) == [locked.id]
            assert await outbox.delete_replies_before(conn, new_id(), most=10) == 1
        await somebody.rollback()
        assert await outbox.delete_unlocked(conn, ids) == []


async def test_retries_without_a_claim_are_the_longest_due(engine: AsyncEngine) -> None:
    """Those that were released go before all that had a pause, on either database."""
    rows = [publication(new_id(), 1) for _ in range(3)]
    await put(engine, rows)
    await postpone(engine, rows, -5)
    async with transaction(engine) as conn:
        await leases.release(conn, [rows[2].id])
    assert await claim(engine, Kind.RETRY, limit=1) == [replace(rows[2], attempts=1)]


async def test_retries_without_a_claim_are_within_the_bytes_first(engine: AsyncEngine) -> None:
    """The bound in bytes is counted in the same order."""
    rows = [publication(new_id(), 1, b"x" * 100) for _ in range(3)]
    await put(engine, rows)
    await postpone(engine, rows, -5)
    async with transaction(engine) as conn:
        await leases.release(conn, [rows[2].id])
    assert await claim(engine, Kind.RETRY, max_bytes=100) == [replace(rows[2], attempts=1)]


async def test_only_what_is_named_is_forgotten(engine: AsyncEngine) -> None:
    """Deleting what was confirmed leaves the rest, and deleting it twice is no error."""
    rows = [publication(new_id(), 1) for _ in range(10)]
    await put(engine, rows)
    for _ in range(2):
        await forget(engine, rows[:4])
    await forget(engine, [])
    assert await claim(engine) == rows[4:]


async def test_several_publishers_at_once_share_every_row_once(engine: AsyncEngine, database_url: str) -> None:
    """Four publishers publish every event exactly once, each contact's in the order of its sequence."""
    contacts = [new_id() for _ in range(50)]
    await put(engine, [publication(contact, sequence) for sequence in range(1, 5) for contact in contacts])
    published: list[tuple[UUID | None, int]] = []

    async def publisher() -> None:
        own = create_engine(database_url)
        while await left(own):
            claimed = await claim(own, lease=1000, limit=7)
            assert len(claimed) <= 7
            published.extend((p.contact_id, p.sequence) for p in claimed)
            await forget(own, claimed)
        await own.dispose()

    await asyncio.wait_for(asyncio.gather(*(publisher() for _ in range(4))), timeout=60)
    assert Counter(published) == {(contact, sequence): 1 for contact in contacts for sequence in range(1, 5)}
    for contact in contacts:
        assert [sequence for c, sequence in published if c == contact] == [1, 2, 3, 4]


def replies(number: int) -> list[Publication]:
    """Answers to senders."""
    return [publication(None, 0) for _ in range(number)]


async def left(engine: AsyncEngine) -> int:
    """How many rows are still there."""
    async with reading(engine) as conn:
        return int(await conn.scalar(sa.select(sa.func.count()).select_from(outbox_table)) or 0)
