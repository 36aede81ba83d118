"""Places are taken under their guard: nobody goes over the limit, whoever else is at it."""

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from distribution.errors import PoolOutdated
from distribution.store.engine import create_engine
from distribution.store.operator_pool import change_loads, lock_pool
from distribution.store.tables import MAX_ID, operators, source_operators
from distribution.store.transactions import transaction
from tests import factories as made
from tests.polling import until_blocked


async def kept_loads(engine: AsyncEngine) -> list[int]:
    """Loads by operator id."""
    async with transaction(engine) as conn:
        return list((await conn.scalars(sa.select(operators.c.load).order_by(operators.c.id))).all())


async def test_a_pool_holds_what_the_named_sources_need(engine: AsyncEngine) -> None:
    """Every operator with a weight is there with its load and limit, the full and the inactive too; no other is."""
    olga = await made.make_operator(engine, "Olga", 1)
    ivan = await made.make_operator(engine, "Ivan", 5, active=False)
    other = await made.make_operator(engine, "Other")
    first = await made.make_source(engine, {ivan: 0, olga: 7}, sticky=True)
    second = await made.make_source(engine, {other: 1}, "web")
    await made.take(engine, [made.message("m")])
    async with transaction(engine) as conn:
        pool = await lock_pool(conn, codes={made.SOURCE, "no-such"})
    shown = {(o.id, o.name, o.is_active, o.max_active_contacts, o.load) for o in pool.operators.values()}
    assert shown == {(olga, "Olga", True, 1, 1), (ivan, "Ivan", False, 5, 0)}
    assert set(pool.sources) == {first}
    assert (pool.sources[first].weights, pool.sources[first].sticky) == (((olga, 7), (ivan, 0)), True)
    async with transaction(engine) as conn:
        assert set((await lock_pool(conn, operator_ids={other})).sources) == {second}
        assert set((await lock_pool(conn, ids={second, 0, -1, MAX_ID, 2**63, 10**30})).sources) == {second}
        assert (await lock_pool(conn)).operators == {}


async def test_an_operator_without_a_source_is_locked_too(engine: AsyncEngine) -> None:
    """Changing an operator nobody uses yet is as safe as any other."""
    alone = await made.make_operator(engine)
    async with transaction(engine) as conn:
        pool = await lock_pool(conn, operator_ids={alone})
    assert (set(pool.operators), pool.sources) == ({alone}, {})


async def test_a_load_never_goes_over_the_limit(engine: AsyncEngine) -> None:
    """A change that would overfill anybody is refused as a whole, so that the decision is made anew."""
    one, two = await made.make_operator(engine, limit=2), await made.make_operator(engine, limit=2)
    async with transaction(engine) as conn:
        await change_loads(conn, {one: 2, two: 1})
    for changes in ({two: 1, one: 1}, {two: 2}, {two: 1, 10**6: 1}):
        with pytest.raises(PoolOutdated):
            async with transaction(engine) as conn:
                await change_loads(conn, changes)
    assert await kept_loads(engine) == [2, 1]


async def test_places_are_given_back_from_over_the_limit(engine: AsyncEngine) -> None:
    """An operator whose limit was lowered below its load may close contacts, and by force may get one more."""
    one = await made.make_operator(engine, limit=5)
    async with transaction(engine) as conn:
        await change_loads(conn, {one: 5})
    await made.change_operator(engine, one, max_active_contacts=1)
    async with transaction(engine) as conn:
        await change_loads(conn, {one: -1})
        await change_loads(conn, {one: 1}, forced={one})
        await change_loads(conn, {one: 0})
        await change_loads(conn, {})
    assert await kept_loads(engine) == [5]


async def test_a_load_never_goes_below_zero(engine: AsyncEngine) -> None:
    """A place is given back whatever the counter says, and the counter stays a number of contacts."""
    one = await made.make_operator(engine)
    async with transaction(engine) as conn:
        await change_loads(conn, {one: -1})
    assert await kept_loads(engine) == [0]


async def test_a_pool_is_one_transactions_own(engine: AsyncEngine, database_url: str) -> None:
    """Who locks an overlapping pool waits for the first, and then reads what the first wrote."""
    shared = await made.make_operator(engine, limit=10)
    await made.make_source(engine, {shared: 1}, "one")
    await made.make_source(engine, {shared: 1}, "two")
    second_engine = create_engine(database_url)
    order: list[str] = []

    async def second() -> int:
        async with transaction(second_engine) as conn:
            pool = await lock_pool(conn, codes={"two"})
            order.append("second")
            return pool.operators[shared].load

    async with transaction(engine) as conn:
        await lock_pool(conn, codes={"one"})
        waiting = asyncio.create_task(second())
        await change_loads(conn, {shared: 3})
        await until_blocked(engine, waiting)
        order.append("first")
    assert await waiting == 3
    assert order == ["first", "second"]
    await second_engine.dispose()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_an_operator_that_gets_another_source_meanwhile_is_noticed(engine: AsyncEngine) -> None:
    """Between locking the sources of an operator and the operator, a new source cannot slip in unseen."""
    shared = await made.make_operator(engine)
    await made.make_source(engine, {shared: 1}, "one")
    two = await made.make_source(engine, {}, "two")

    async def lock() -> None:
        async with transaction(engine) as conn:
            await lock_pool(conn, operator_ids={shared})

    async with transaction(engine) as conn:
        await lock_operator(conn, shared)
        locking = asyncio.create_task(lock())
        await until_blocked(engine, locking)
        await conn.execute(sa.insert(source_operators).values(source_id=two, operator_id=shared, weight=1))
    with pytest.raises(PoolOutdated):
        await locking


async def lock_operator(conn: AsyncConnection, operator_id: int) -> None:
    """Hold one operator as a decision does."""
    await conn.execute(sa.select(operators.c.id).where(operators.c.id == operator_id).with_for_update(key_share=True))
