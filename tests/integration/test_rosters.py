"""What explains decisions takes little room with many sources, and can be read while others work."""

from random import Random
from typing import Any
from uuid import UUID

import orjson
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.admin.contact_history import history
from distribution.allocation.assign_waiting import assign_waiting
from distribution.ids import new_id
from distribution.selection.explain import MAX_LISTED, MAX_NAMED
from distribution.selection.pool import SMOOTH_WEIGHTED
from distribution.store.tables import decision_batches, operators, rosters, source_operators, sources
from distribution.store.transactions import reading, transaction
from tests import factories as made
from tests.factories import count
from tests.statement_counts import silence

SOURCES = 12
FEW, MANY = 50, 400
GROWTH = 4
"""More work makes the longest time without a turn longer by less than this; work done in one go, by MANY / FEW."""
OLD_ROSTER = {
    "operators": [[1, "Olga", True, 10], [2, "Ivan", True, 10], [3, "Anna", False, 10]],
    "sources": [
        [1, "one", "weighted_random", False, [[1, 30], [3, 5]]],
        [2, "two", "smooth_weighted", False, [[1, 1], [2, 1]]],
    ],
}
OLD_RECORD = {
    "loads": [4, 5, 6],
    "deficits": [[2, 1, 0.25], [2, 2, -0.25]],
    "steps": [[1, 1, "weighted_random", 0.5, None], [2], [2, 1, "smooth_weighted", None, None]],
}


async def explained(engine: AsyncEngine, contact_id: UUID) -> dict[str, Any]:
    """What is told of a contact's last change."""
    async with reading(engine) as conn:
        return (await history(conn, contact_id))[-1]


async def test_mixed_batches_share_the_rosters_of_their_sources(engine: AsyncEngine, random: Random) -> None:
    """Whatever mixture of sources a batch has, only a source that nobody kept yet is written."""
    for n in range(SOURCES):
        shared = [await made.make_operator(engine, f"o{n}-{m}") for m in range(2)]
        await made.make_source(engine, dict.fromkeys(shared, 1), f"s{n}")
    for batch in range(2 * SOURCES):
        mixture = random.sample(range(SOURCES), 4)
        await made.take(engine, [made.message(f"m{batch}-{n}", source=f"s{n}") for n in mixture], random)
    assert await count(engine, decision_batches) == 2 * SOURCES
    assert await count(engine, rosters) <= SOURCES
    for contact in await made.all_contacts(engine):
        entry = await explained(engine, contact.id)
        chosen = next(c for c in entry["decision"]["candidates"] if c["operator_id"] == contact.operator_id)
        weighed = f"weight 1 of 2, {chosen['load']} of 1000 places taken"
        assert entry["explanation"].startswith(f"{chosen['name']}: {weighed}; drawn ")


async def test_a_record_of_the_release_before_is_still_explained(engine: AsyncEngine, random: Random) -> None:
    """Its roster is one for all sources of its batch."""
    olga = await made.make_operator(engine, "Olga")
    await made.make_source(engine, {olga: 1}, "one")
    await made.make_source(engine, {olga: 1}, "two")
    keys = [made.message("m1", source="one"), made.message("none", source="one"), made.message("m3", source="two")]
    await made.take(engine, keys, random)
    async with transaction(engine) as conn:
        await conn.execute(sa.insert(rosters).values(digest=b"old", body=orjson.dumps(OLD_ROSTER).decode()))
        await conn.execute(sa.update(decision_batches).values(roster=b"old", body=orjson.dumps(OLD_RECORD).decode()))
    first, _, third = await made.all_contacts(engine)
    one, two = await explained(engine, first.id), await explained(engine, third.id)
    assert one["explanation"] == "Olga: weight 30 of 30, 4 of 10 places taken; drawn 0.5. Left out: Anna (inactive)."
    assert two["explanation"] == "Olga: due first, owed 0.250 before this contact; weight 1 of 2, 5 of 10 places taken."
    assert [(c["operator_id"], c["load"], c["deficit"]) for c in two["decision"]["candidates"]] == [
        (1, 5, 0.25), (2, 4, -0.25),
    ]  # fmt: skip


async def large_source(engine: AsyncEngine, number: int, strategy: str) -> list[int]:
    """A source of so many operators, every second of them inactive; returns the ids of all."""
    source_id = await made.make_source(engine, {}, "large")
    first = await made.make_operator(engine, "o0")
    async with transaction(engine) as conn:
        await conn.execute(sa.update(sources).values(strategy=strategy))
        [row] = (await conn.execute(sa.select(operators))).all()
        kept = row._asdict()
        ids = [first + n for n in range(number)]
        rows = [kept | {"id": id_, "name": f"o{id_ - first}", "is_active": id_ % 2 == 0} for id_ in ids[1:]]
        await conn.execute(sa.update(operators).values(is_active=first % 2 == 0))
        await conn.execute(sa.insert(operators), rows)
        weights = [{"source_id": source_id, "operator_id": id_, "weight": 1} for id_ in ids]
        await conn.execute(sa.insert(source_operators), weights)
    return ids


async def test_of_very_many_operators_the_first_are_shown_and_the_others_counted(
    engine: AsyncEngine, random: Random
) -> None:
    """The one who got the contact is among the candidates; the sentence names some and says how many others."""
    team = await large_source(engine, 2 * MAX_LISTED + 20, "weighted_random")
    await made.take(engine, made.messages((f"m{n}" for n in range(40)), source="large"), random)
    for contact in await made.all_contacts(engine):
        decision = (entry := await explained(engine, contact.id))["decision"]
        candidates = [candidate["operator_id"] for candidate in decision["candidates"]]
        assert set(candidates[:MAX_LISTED]) <= set(team)
        assert contact.operator_id in candidates
        assert (len(candidates[:MAX_LISTED]), len(decision["left_out"])) == (MAX_LISTED, MAX_LISTED)
        assert (decision["candidates_total"], decision["left_out_total"]) == (MAX_LISTED + 10, MAX_LISTED + 10)
        assert entry["explanation"].endswith(f" (inactive), {MAX_LISTED + 10 - MAX_NAMED} others.")
        assert entry["explanation"].count("(inactive)") == MAX_NAMED


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_others_have_their_turn_while_a_contact_is_explained(engine: AsyncEngine, random: Random) -> None:
    """However late in a batch of a large source its place is."""
    team = await large_source(engine, 4_000, SMOOTH_WEIGHTED)
    await made.take(engine, [made.message("m", source="large")], random)
    async with reading(engine) as conn:
        [body] = await conn.scalars(sa.select(decision_batches.c.body))
    [contact_id] = [contact.id for contact in await made.all_contacts(engine)]
    data = orjson.loads(body)

    async def explain(steps: int) -> float:
        async with transaction(engine) as conn:
            long = orjson.dumps(data | {"steps": data["steps"] * steps}).decode()
            await conn.execute(sa.update(decision_batches).values(body=long))
            await conn.execute(sa.text("UPDATE decisions SET position = :last"), {"last": steps - 1})
        async with silence() as longest:
            entry = await explained(engine, contact_id)
        assert entry["operator_id"] in team
        return longest.number

    await explain(1)  # statements are made once
    assert await explain(MANY) < GROWTH * await explain(FEW)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_others_have_their_turn_while_a_batch_is_decided(engine: AsyncEngine, random: Random) -> None:
    """However many new contacts of a large source it has, or contacts that waited for a place."""
    await large_source(engine, 2_000, SMOOTH_WEIGHTED)
    await made.take(engine, [made.message("m", source="large")], random)

    async def submit(number: int, *, all_full: bool = False) -> float:
        load = operators.c.max_active_contacts if all_full else sa.literal(0)
        async with transaction(engine) as conn:
            await conn.execute(sa.update(operators).values(load=load))
        async with silence() as longest:
            await made.take(engine, made.messages((new_id().hex for _ in range(number)), source="large"), random)
        return longest.number

    async def assign(number: int) -> float:
        await submit(number, all_full=True)
        async with transaction(engine) as conn:
            await conn.execute(sa.update(operators).values(max_active_contacts=operators.c.load + 1))
        async with silence() as longest, transaction(engine) as conn:
            assert not await assign_waiting(conn, random, source_ids=[1])
        return longest.number

    assert await submit(MANY) < GROWTH * await submit(FEW)
    assert await assign(MANY) < GROWTH * await assign(FEW)
