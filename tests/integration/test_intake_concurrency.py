"""Several workers at once: nothing twice, nothing lost, nobody over the limit."""

from collections import Counter
from random import Random

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.allocation.assign_waiting import assign_waiting
from distribution.messages import Incoming
from distribution.store.tables import decisions, leads
from distribution.store.transactions import reading, transaction
from tests import factories as made
from tests.integration.concurrent_intake import WORKERS, side_by_side, worker


async def test_workers_with_the_same_messages_make_each_contact_once(engine: AsyncEngine, database_url: str) -> None:
    """Four workers that all get the same messages, over overlapping sources and leads, make each contact once."""
    olga, ivan, anna = [await made.make_operator(engine, name) for name in ("Olga", "Ivan", "Anna")]
    for code, weights in {"one": {olga: 1, ivan: 2}, "two": {ivan: 1, anna: 1}, "three": {anna: 5, olga: 1}}.items():
        await made.make_source(engine, weights, code)
    codes = ("one", "two", "three")
    messages = [
        made.message(f"m-{i}", f"lead-{i % 37}", source=codes[i % 3], phone=f"p{i}" if i % 2 else None)
        for i in range(240)
    ]
    counts = await side_by_side(database_url, *[worker(messages, 24)] * WORKERS)
    assert counts == {"active": 240, "repeated": 240 * (WORKERS - 1)}
    assert sum((await made.loads(engine)).values()) == 240
    rows = await made.all_contacts(engine)
    assert len({(c.source_id, c.message_id) for c in rows}) == len(rows) == 240
    assert len({c.lead_id for c in rows}) == 37
    events = await made.all_events(engine)
    assert {e["subject"] for e in events} == {str(c.id) for c in rows}
    assert len(events) == 240
    async with reading(engine) as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(decisions)) == 240
        assert await conn.scalar(sa.select(sa.func.count()).where(leads.c.phone.is_(None))) == 0


async def test_the_last_places_are_given_once(engine: AsyncEngine, database_url: str) -> None:
    """Workers on different sources fight for the same few places: exactly those get taken, the rest wait."""
    shared = [await made.make_operator(engine, name, 15) for name in ("Olga", "Ivan")]
    codes = [f"s-{i}" for i in range(WORKERS)]
    for code in codes:
        await made.make_source(engine, dict.fromkeys(shared, 1), code)
    own = [[made.message(f"m-{i}", f"lead-{i}", source=code) for i in range(30)] for code in codes]
    counts = await side_by_side(database_url, *(worker(messages, 5) for messages in own))
    assert counts == {"active": 30, "waiting": 30 * WORKERS - 30}
    assert await made.loads(engine) == dict.fromkeys(shared, 15)


async def test_places_that_open_while_workers_run_are_all_used(engine: AsyncEngine, database_url: str) -> None:
    """No contact is left waiting beside a free place, however a raised limit and new contacts cross."""
    olga = await made.make_operator(engine, "Olga", 0)
    source_id = await made.make_source(engine, {olga: 1})

    async def admin(own: AsyncEngine, random: Random) -> Counter[str]:
        for limit in range(1, 41):
            await made.change_operator(own, olga, max_active_contacts=limit)
            async with transaction(own) as conn:
                await assign_waiting(conn, random, source_ids=[source_id])
        return Counter()

    keys = [[f"{w}-{i}" for i in range(30)] for w in range(2)]
    await side_by_side(database_url, admin, *(worker(made.messages(own), 3) for own in keys))
    assert await made.loads(engine) == {olga: 40}
    statuses = [c.status for c in await made.all_contacts(engine)]
    assert statuses == ["active"] * 40 + ["waiting"] * 20


async def test_a_broken_message_that_several_workers_get_is_parked_once(engine: AsyncEngine, database_url: str) -> None:
    """Copies of broken messages, taken side by side, are one row each with every attempt counted."""
    broken = [Incoming(f"broken {i}".encode(), message_id="k") for i in range(30)]
    counts = await side_by_side(database_url, *[worker(broken, 10)] * WORKERS)
    assert counts == {"parked_invalid_json": 30 * WORKERS}
    assert [p.attempts for p in await made.all_parked(engine)] == [WORKERS] * 30


@pytest.mark.parametrize("same_body", [True, False])
async def test_a_key_that_two_workers_get_at_once_is_decided_once(
    engine: AsyncEngine, database_url: str, same_body: bool
) -> None:
    """Of two messages with one key the second is recognised, or refused where its body is another; nobody serves."""
    await made.make_source(engine, {})
    batches = [[made.message(f"m-{i}", payload=0 if same_body else w) for i in range(20)] for w in range(2)]
    counts = await side_by_side(database_url, *(worker(batch, 4) for batch in batches))
    assert counts == {"waiting": 20, "repeated" if same_body else "parked_key_reuse": 20}
