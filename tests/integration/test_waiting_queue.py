"""What a freed place costs: the same for one source or many, and no payload but that of who is served."""

from random import Random

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.allocation.allocator import SERVE_BYTES
from distribution.allocation.assign_waiting import assign_waiting
from distribution.allocation.waiting_queue import OF_ONE_SOURCE, SIZED, WaitingQueue
from distribution.ids import LOWEST_ID, new_id
from distribution.store import decisions as decision_rows
from distribution.store.decisions import Decision
from distribution.store.operator_pool import lock_pool
from distribution.store.tables import contacts
from distribution.store.transactions import reading, transaction
from distribution.store.waiting_contacts import upcoming
from tests import factories as made
from tests.statement_counts import memory, plan_of, statements

LARGE = 200_000
PLACES = 3


async def one_operator(engine: AsyncEngine, sources: int, *, sticky: bool = False) -> tuple[int, list[int]]:
    """An operator without a place, for so many sources s0, s1 …"""
    olga = await made.make_operator(engine, "Olga", 0)
    return olga, [await made.make_source(engine, {olga: 1}, f"s{n}", sticky=sticky) for n in range(sources)]


async def serve(engine: AsyncEngine, random: Random, operator_id: int) -> bool:
    """Serve who waits for this operator; returns whether others are left."""
    async with transaction(engine) as conn:
        return bool(await assign_waiting(conn, random, operator_ids=[operator_id]))


async def served(engine: AsyncEngine) -> list[str]:
    """Keys of who has an operator, in the order of age."""
    return [contact.message_id for contact in await made.all_contacts(engine) if contact.status == "active"]


@pytest.mark.parametrize("sticky", [False, True])
async def test_a_freed_place_takes_as_many_statements_for_many_sources(
    engine: AsyncEngine, random: Random, sticky: bool
) -> None:
    """Whoever has waited longest is found without asking source by source, for one place and for several."""
    olga, source_ids = await one_operator(engine, 40, sticky=sticky)
    keys = [made.message(f"m{n:03}", f"lead-{n}", source=f"s{n % len(source_ids)}") for n in range(120)]
    await made.take(engine, keys)
    counts = []
    for limit in (1, 1 + PLACES):
        await made.change_operator(engine, olga, max_active_contacts=limit)
        with statements(engine) as sent:
            await serve(engine, random, olga)
        counts.append(len(sent))
    assert await served(engine) == [f"m{n:03}" for n in range(1 + PLACES)]
    assert max(counts) < 25, counts


async def test_the_payloads_of_who_goes_on_waiting_are_not_read(engine: AsyncEngine, random: Random) -> None:
    """One place is free, and fifty large contacts wait for it."""
    olga, _ = await one_operator(engine, 2)
    for start in range(0, 50, 10):
        keys = [made.message(f"m{n:02}", source=f"s{n % 2}", payload="x" * LARGE) for n in range(start, start + 10)]
        await made.take(engine, keys)
    await made.change_operator(engine, olga, max_active_contacts=1)
    with memory() as most:
        assert not await serve(engine, random, olga)
    assert await served(engine) == ["m00"]
    assert most.number < 10 * LARGE


async def test_large_contacts_are_served_in_several_transactions(engine: AsyncEngine, random: Random) -> None:
    """Payloads are read only up to a total; in each transaction at least one, and a new contact stays behind them."""
    olga, _ = await one_operator(engine, 1)
    keys = [f"m{n}" for n in range(5)]
    await made.take(engine, [made.message(key, source="s0") for key in keys])
    large = sa.literal('"' + "x" * (SERVE_BYTES // 2) + '"')
    async with transaction(engine) as conn:
        await conn.execute(sa.update(contacts).values(payload=large))
    await made.change_operator(engine, olga, max_active_contacts=10)
    taken = await made.take(engine, [made.message("new", source="s0")], random)
    assert (taken.counts, len(taken.unserved)) == ({"waiting": 1}, 1)
    assert await served(engine) == keys[:2]
    assert [await serve(engine, random, olga), await serve(engine, random, olga)] == [True, False]
    assert await served(engine) == [*keys, "new"]


async def test_the_line_is_by_age_over_sources_of_any_length(engine: AsyncEngine, random: Random) -> None:
    """However it is read in parts, each contact comes once and the oldest first."""
    olga, source_ids = await one_operator(engine, 8)
    number = OF_ONE_SOURCE + 2 * SIZED + 50
    codes = random.choices([f"s{n}" for n in range(8)], weights=[600, *range(1, 8)], k=number)
    await made.take(engine, [made.message(f"m{n}", source=code) for n, code in enumerate(codes)])
    await made.change_operator(engine, olga, max_active_contacts=number)
    expected = [(contact.id, contact.source_id) for contact in await made.all_contacts(engine)]
    async with transaction(engine) as conn:
        line = await WaitingQueue.open(conn, await lock_pool(conn, ids=source_ids))
        found = []
        while (one := await line.oldest()) is not None:
            found.append((one.contact_id, one.source_id))
            assert await line.left() == {source_id for _, source_id in expected[len(found) :]}
    assert found == expected


async def test_the_line_is_read_in_its_index_alone(engine: AsyncEngine) -> None:
    """Neither payloads nor contacts that no longer wait are passed on the way."""
    source_id = await made.make_source(engine, {}, "s0")
    await made.take(engine, made.messages((f"m{n}" for n in range(50)), source="s0"))
    async with reading(engine) as conn:
        if conn.dialect.name == "postgresql":
            await conn.execute(sa.text("SET LOCAL enable_seqscan = off"))
        with statements(engine) as sent:
            await upcoming(conn, {source_id: LOWEST_ID}, 10)
        plan = await plan_of(conn, sent[-1])
    assert any("ix_contacts_waiting" in line for line in plan), plan
    assert not any(word in line for line in plan for word in ("SCAN contacts", "Seq Scan on contacts", "Sort")), plan


@pytest.mark.parametrize("sequence", [0, 1, 7])
async def test_a_waiting_contact_with_a_wrong_sequence_stops_nobody(
    engine: AsyncEngine, random: Random, sequence: int
) -> None:
    """Its sequence was edited: the next one is served, a submission is taken, a sweep ends; mended, it has its turn."""
    olga, [source_id] = await one_operator(engine, 1)
    await made.take(engine, [made.message(f"m{n}", source="s0") for n in range(3)])
    broken = (await made.all_contacts(engine))[0].id
    history = Decision(broken, 2, new_id(), "contact.reassigned", None, None, None, None, None)
    async with transaction(engine) as conn:
        await decision_rows.insert(conn, [history])

    async def set_sequence(to: int) -> None:
        async with transaction(engine) as conn:
            await conn.execute(sa.update(contacts).where(contacts.c.id == broken).values(sequence=to))

    await set_sequence(sequence)
    await made.change_operator(engine, olga, max_active_contacts=1)
    assert (await made.take(engine, [made.message("m3", source="s0")], random)).counts == {"waiting": 1}
    assert await served(engine) == ["m1"]
    await made.change_operator(engine, olga, max_active_contacts=10)
    assert not await serve(engine, random, olga)
    assert (await made.take(engine, [made.message("m4", source="s0")], random)).counts == {"active": 1}
    assert await served(engine) == ["m1", "m2", "m3", "m4"]
    await set_sequence(2)
    async with transaction(engine) as conn:
        assert not await assign_waiting(conn, random, source_ids=[source_id])
    assert await served(engine) == [f"m{n}" for n in range(5)]
