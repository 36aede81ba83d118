"""The outbox hands every row to one publisher at a time, a contact's events in their order."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.ids import new_id
from distribution.store import clock, outbox, outbox_leases
from distribution.store.engine import create_engine
from distribution.store.outbox import Claim, Kind
from distribution.store.tables import outbox as outbox_table
from distribution.store.transactions import reading, transaction
from tests.integration.outbox_rows import MEGABYTE, claim, forget, left, pass_time, publication, put, replies

SOON_SECONDS = 5


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
        assert await outbox_leases.renew(conn, Claim(me, 60), [p.id for p in rows]) == {kept.id}
    await pass_time(engine, 50)
    assert await claim(engine) == [lost]


async def test_what_is_released_is_anybodys(engine: AsyncEngine) -> None:
    """At once, without a try counted."""
    row = publication(new_id(), 1)
    await put(engine, [row], Claim(new_id(), 100))
    async with transaction(engine) as conn:
        await outbox_leases.release(conn, [row.id])
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

    async def any_free(after: UUID = outbox_leases.EVERYTHING) -> bool:
        async with reading(engine) as conn:
            return await outbox_leases.any_free(conn, Kind.EVENT, after)

    assert not await any_free()
    await put(engine, rows := [publication(contact, 1), publication(contact, 2)])
    assert await any_free()
    assert not await any_free(after=rows[-1].id)
    await claim(engine, lease=60)
    assert not await any_free()
    await pass_time(engine, 61)
    assert await any_free()


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
            assert await outbox_leases.postpone(conn, {5.0: [gone.id, released.id], 6.0: [locked.id]}) == [locked.id]
            assert await outbox_leases.release(conn, [gone.id, released.id, locked.id]) == [locked.id]
            assert await outbox.delete_replies_before(conn, new_id(), most=10) == 1
        await somebody.rollback()
        assert await outbox.delete_unlocked(conn, ids) == []


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
