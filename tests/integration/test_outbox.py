"""The outbox hands every row to one publisher at a time, a contact's events in their order."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.ids import new_id
from distribution.store import outbox
from distribution.store.engine import create_engine, reading, transaction
from distribution.store.outbox import Claim, Publication
from distribution.store.tables import outbox as outbox_table

NOW = 1000.0


def publication(contact_id: UUID | None, sequence: int) -> Publication:
    """An event of a contact, or a reply where there is no contact."""
    row_id = new_id()
    return Publication(
        row_id, contact_id, sequence, str(row_id), "contact.assigned", "key", contact_id is None, "c", None, b"{}"
    )


async def put(engine: AsyncEngine, publications: Iterable[Publication], claim: Claim | None = None) -> None:
    """Commit rows."""
    async with transaction(engine) as conn:
        await outbox.insert(conn, list(publications), claim)


async def claim(engine: AsyncEngine, *, now: float = NOW, lease: float = 10, limit: int = 1000) -> list[Publication]:
    """Claim what is free, for a claimer of its own."""
    async with transaction(engine) as conn:
        return await outbox.claim(conn, Claim(new_id(), now + lease), now, limit)


async def forget(engine: AsyncEngine, done: Iterable[Publication]) -> None:
    """Delete what was published."""
    async with transaction(engine) as conn:
        await outbox.delete(conn, [p.id for p in done])


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


async def test_replies_wait_for_nothing(engine: AsyncEngine) -> None:
    """An answer to a sender is free at once, and holds up no event."""
    contact = new_id()
    first, second, reply = publication(contact, 1), publication(contact, 2), publication(None, 0)
    await put(engine, [first, second, reply, publication(None, 0)])
    assert len(await claim(engine)) == 3
    await forget(engine, [first])
    assert await claim(engine) == [second]


async def test_a_claim_ends_with_its_lease(engine: AsyncEngine) -> None:
    """What a publisher did not finish in time is another's; until then it is nobody else's."""
    row = publication(new_id(), 1)
    await put(engine, [row])
    assert await claim(engine, lease=10) == [row]
    assert await claim(engine, now=NOW + 9.9) == []
    assert await claim(engine, now=NOW + 10.1, lease=5) == [row]
    assert await claim(engine, now=NOW + 11) == []


async def test_a_writers_own_claim_covers_first_events_and_replies(engine: AsyncEngine) -> None:
    """Who writes a contact's first event may publish it at once; later events are found by whoever comes."""
    contact, mine = new_id(), Claim(new_id(), NOW + 10)
    first, second, reply = publication(contact, 1), publication(contact, 2), publication(None, 0)
    await put(engine, [first, second, reply], mine)
    assert [outbox.is_first(p) for p in (first, second, reply)] == [True, False, True]
    assert await claim(engine) == []
    await forget(engine, [first])
    assert await claim(engine) == [second]


async def test_an_idle_publisher_only_reads(engine: AsyncEngine) -> None:
    """Whether there is anything to do is told without a claim."""

    async def any_free(now: float) -> bool:
        async with reading(engine) as conn:
            return await outbox.any_free(conn, now)

    assert not await any_free(NOW)
    await put(engine, [publication(new_id(), 1)])
    assert await any_free(NOW)
    await claim(engine)
    assert not await any_free(NOW)
    assert await any_free(NOW + 10.1)


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


async def left(engine: AsyncEngine) -> int:
    """How many rows are still there."""
    async with reading(engine) as conn:
        return int(await conn.scalar(sa.select(sa.func.count()).select_from(outbox_table)) or 0)
