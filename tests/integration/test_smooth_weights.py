"""`smooth_weighted` over HTTP: operators leave a source, come back, are deactivated and deleted."""

from random import Random

import httpx2
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.selection.deficit_redistribution import MOST
from distribution.store.tables import source_operators
from distribution.store.transactions import reading, transaction
from tests.factories import message, open_source, take

NEAR = 1e-6


async def owed(engine: AsyncEngine) -> dict[int, float]:
    """Deficits by operator, once they add up to 0 and nobody is a whole contact away."""
    w = source_operators.c
    async with reading(engine) as conn:
        rows = await conn.execute(sa.select(w.operator_id, w.deficit).order_by(w.operator_id))
    found = {row.operator_id: row.deficit for row in rows}
    assert abs(sum(found.values())) < NEAR
    assert all(abs(deficit) < 1 for deficit in found.values())
    return found


async def test_who_leaves_a_source_takes_nothing_along(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Each leaves and comes back while contacts come; what it was owed goes to the others, within a contact."""
    names = {f"o{n}": (weight, 10_000) for n, weight in enumerate((1, 2, 5, 11, 23))}
    ids = list((await open_source(engine, "web", names, strategy="smooth_weighted")).values())
    weights = dict(zip(ids, (weight for weight, _ in names.values()), strict=True))
    random = Random(13)
    for number in range(20):
        await take(engine, [message(f"m{number}-{n}", source="web") for n in range(random.randint(1, 9))], random)
        before, gone = await owed(engine), ids[number % len(ids)]
        for rows in ({o: w for o, w in weights.items() if o != gone}, weights):
            body = {"operators": [{"operator_id": o, "weight": w} for o, w in rows.items()]}
            assert (await admin.put("/sources/1/operators", json=body)).is_success
            after = await owed(engine)
        assert after[gone] == 0
        rest = sum(weights.values()) - weights[gone]
        by_weight = {o: before[o] + before[gone] * weights[o] / rest for o in weights.keys() - {gone}}
        if max(map(abs, by_weight.values())) < MOST:
            assert all(abs(after[o] - deficit) < NEAR for o, deficit in by_weight.items())


async def test_a_deleted_operator_takes_nothing_along(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """One that was owed a part of a contact and never had one."""
    ids = await open_source(engine, "web", {"a": (5, 99), "b": (4, 99), "c": (1, 99)}, strategy="smooth_weighted")
    await take(engine, [message(f"m{n}", source="web") for n in range(2)])
    assert (await owed(engine))[ids["c"]] > NEAR
    assert (await admin.delete(f"/operators/{ids['c']}")).status_code == 204
    assert len(await owed(engine)) == 2


async def test_who_is_deactivated_finds_its_deficit_again(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """It neither gains nor loses while it is away."""
    ids = await open_source(engine, "web", {"a": (5, 99), "b": (4, 99), "c": (3, 99)}, strategy="smooth_weighted")
    await take(engine, [message(f"m{n}", source="web") for n in range(5)])
    before = await owed(engine)
    await admin.patch(f"/operators/{ids['b']}", json={"is_active": False})
    await take(engine, [message(f"n{n}", source="web") for n in range(7)])
    await admin.patch(f"/operators/{ids['b']}", json={"is_active": True})
    assert (await owed(engine))[ids["b"]] == before[ids["b"]]


async def test_what_the_release_before_forgot_is_made_good(admin: httpx2.AsyncClient, engine: AsyncEngine) -> None:
    """Deficits that add up to something do so until weights are changed, whatever the strategy is then."""
    ids = list((await open_source(engine, "web", {"a": (5, 99), "b": (4, 99), "c": (3, 99)})).values())
    async with transaction(engine) as conn:
        await conn.execute(sa.update(source_operators).values(deficit=0.9))
    body = {"operators": [{"operator_id": o, "weight": 1} for o in ids]}
    assert (await admin.put("/sources/1/operators", json=body)).is_success
    assert all(abs(deficit) < NEAR for deficit in (await owed(engine)).values())
