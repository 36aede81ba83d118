"""Who waits is served by age as soon as there is a place, and nobody overtakes."""

from collections import Counter
from random import Random

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.allocation.allocator import SERVE_LIMIT
from distribution.allocation.assign_waiting import assign_waiting
from distribution.store.tables import source_operators
from distribution.store.transactions import transaction
from tests import factories as made


async def waiting(engine: AsyncEngine) -> list[str]:
    """Keys of who waits, oldest first."""
    return [c.message_id for c in await made.all_contacts(engine) if c.status == "waiting"]


async def served(engine: AsyncEngine) -> list[str]:
    """Keys of who waited and was given to somebody, in the order in which that happened."""
    return [
        e["data"]["contact"]["message_id"]
        for e in await made.all_events(engine)
        if e["type"] == "contact.assigned" and e["data"]["sequence"] == 2
    ]


async def serve(engine: AsyncEngine, random: Random, *operator_ids: int) -> bool:
    """Serve who waits for these operators; returns whether others are left."""
    async with transaction(engine) as conn:
        return bool(await assign_waiting(conn, random, operator_ids=operator_ids))


async def test_the_oldest_is_served_first_over_all_sources(engine: AsyncEngine, random: Random) -> None:
    """An operator of three sources takes who has waited longest, whichever source it came by."""
    olga = await made.make_operator(engine, limit=0)
    for code in ("one", "two", "three"):
        await made.make_source(engine, {olga: 1}, code)
    codes = random.choices(("one", "two", "three"), k=30)
    await made.take(engine, [made.message(f"m-{i:02}", source=code) for i, code in enumerate(codes)])
    for limit, expected in ((1, 1), (12, 12), (12, 12), (30, 30)):
        await made.change_operator(engine, olga, max_active_contacts=limit)
        assert not await serve(engine, random, olga)
        assert await served(engine) == [f"m-{i:02}" for i in range(expected)]
        assert await made.loads(engine) == {olga: expected}
    assert await waiting(engine) == []


async def test_a_place_goes_to_the_oldest_it_can_serve(engine: AsyncEngine, random: Random) -> None:
    """A place of one source's operator leaves older contacts of another source waiting, and does not stop at them."""
    olga, ivan = await made.make_operator(engine, "Olga", 0), await made.make_operator(engine, "Ivan", 0)
    await made.make_source(engine, {olga: 1}, "old")
    await made.make_source(engine, {olga: 1, ivan: 1}, "both")
    await made.take(engine, [made.message(f"old-{i}", source="old") for i in range(3)])
    await made.take(engine, [made.message(f"both-{i}", source="both") for i in range(3)])
    await made.change_operator(engine, ivan, max_active_contacts=2)
    await serve(engine, random, ivan)
    assert await served(engine) == ["both-0", "both-1"]
    assert await made.loads(engine) == {olga: 0, ivan: 2}


async def test_a_new_contact_does_not_overtake(engine: AsyncEngine, random: Random) -> None:
    """Places that are free when a message arrives go to who waited before it, then to it."""
    olga = await made.make_operator(engine, limit=0)
    await made.make_source(engine, {olga: 1})
    await made.take(engine, made.messages(f"old-{i}" for i in range(3)))
    await made.change_operator(engine, olga, max_active_contacts=2)
    assert (await made.take(engine, [made.message("new-0")], random)).counts == {"waiting": 1}
    assert await served(engine) == ["old-0", "old-1"]
    await made.change_operator(engine, olga, max_active_contacts=5)
    assert (await made.take(engine, [made.message("new-1")], random)).counts == {"active": 1}
    assert await served(engine) == ["old-0", "old-1", "old-2", "new-0"]


async def test_more_than_one_transaction_serves_nobody_overtakes_meanwhile(engine: AsyncEngine, random: Random) -> None:
    """A long queue is served in parts, and a new contact goes behind what is left of it though there are places."""
    olga = await made.make_operator(engine, limit=0)
    await made.make_source(engine, {olga: 1})
    keys = [f"old-{i:04}" for i in range(2 * SERVE_LIMIT + 10)]
    await made.take(engine, made.messages(keys))
    await made.change_operator(engine, olga, max_active_contacts=5000)
    assert (await made.take(engine, [made.message("new")], random)).counts == {"waiting": 1}
    assert await waiting(engine) == [*keys[SERVE_LIMIT:], "new"]
    (newest,) = [e for e in await made.all_events(engine) if e["data"]["contact"]["message_id"] == "new"]
    assert newest["data"]["reason"] == "older_contacts_first"
    assert [await serve(engine, random, olga), await serve(engine, random, olga)] == [True, False]
    assert await served(engine) == [*keys, "new"]
    assert await made.loads(engine) == {olga: len(keys) + 1}


async def test_who_was_served_keeps_its_first_event_and_gets_a_second(engine: AsyncEngine, random: Random) -> None:
    """A contact that waited tells of it with sequence 1 and of its operator with sequence 2, under two ids."""
    olga = await made.make_operator(engine, "Olga", 0)
    await made.make_source(engine, {olga: 1})
    await made.take(engine, [made.message("m", phone="1")])
    await made.change_operator(engine, olga, max_active_contacts=1)
    await serve(engine, random, olga)
    first, second = await made.all_events(engine)
    assert [(e["type"], e["data"]["sequence"], e["data"]["contact"]["status"]) for e in (first, second)] == [
        ("contact.waiting", 1, "waiting"), ("contact.assigned", 2, "active"),
    ]  # fmt: skip
    assert second["data"]["operator"] == {"id": olga, "name": "Olga"}
    assert second["data"]["previous_operator"] is None
    assert second["data"]["lead"] == first["data"]["lead"]
    assert (second["subject"], second["id"] > first["id"]) == (first["subject"], True)


async def test_weights_hold_for_who_waited(engine: AsyncEngine, random: Random) -> None:
    """Who is served from the queue is shared by weight like anybody else, within the limits."""
    one, three = await made.make_operator(engine, "1", 0), await made.make_operator(engine, "3", 0)
    await made.make_source(engine, {one: 1, three: 3})
    await made.take(engine, made.messages(f"m-{i}" for i in range(400)))
    for operator_id in (one, three):
        await made.change_operator(engine, operator_id, max_active_contacts=1000)
    await serve(engine, random, one, three)
    loads = await made.loads(engine)
    assert loads[one] + loads[three] == 400
    assert abs(loads[one] - 100) < 30  # 3.5 standard deviations


async def test_deactivating_and_weight_zero_stop_the_queue(engine: AsyncEngine, random: Random) -> None:
    """An operator with places who is inactive, or has weight 0, serves nobody until that ends."""
    olga = await made.make_operator(engine, limit=10, active=False)
    source_id = await made.make_source(engine, {olga: 1})
    await made.take(engine, [made.message("m")])
    assert (await serve(engine, random, olga), await waiting(engine)) == (False, ["m"])
    await made.change_operator(engine, olga, is_active=True)
    async with transaction(engine) as conn:
        await conn.execute(sa.update(source_operators).values(weight=0))
    assert (await serve(engine, random, olga), await waiting(engine)) == (False, ["m"])
    async with transaction(engine) as conn:
        await conn.execute(sa.update(source_operators).values(weight=1))
        await assign_waiting(conn, random, source_ids=[source_id])
    assert await waiting(engine) == []


async def test_a_lead_that_waited_twice_stays_with_one_operator(engine: AsyncEngine, random: Random) -> None:
    """On a sticky source the second contact of a lead follows the first, also where both come out of the queue."""
    team = [await made.make_operator(engine, name, 0) for name in ("Olga", "Ivan")]
    await made.make_source(engine, dict.fromkeys(team, 1), sticky=True)
    await made.take(engine, made.messages((f"m-{i}" for i in range(60)), leads=20))
    for operator_id in team:
        await made.change_operator(engine, operator_id, max_active_contacts=1000)
    await made.take(engine, made.messages((f"n-{i}" for i in range(20)), leads=20), random)
    operators_of: dict[int, Counter[int | None]] = {}
    for contact in await made.all_contacts(engine):
        operators_of.setdefault(contact.lead_id, Counter())[contact.operator_id] += 1
    assert [len(operators) for operators in operators_of.values()] == [1] * 20
