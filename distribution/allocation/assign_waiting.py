"""Waiting contacts are served, the oldest first, as soon as something frees a place for them."""

from collections.abc import Awaitable, Callable, Collection
from random import Random

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.unit_of_work import UnitOfWork
from distribution.selection.pool import Pool
from distribution.store.operator_pool import lock_pool

Unserved = frozenset[int]
"""Ids of sources whose waiting contacts are to be assigned in further transactions."""
Run = Callable[[Callable[[AsyncConnection], Awaitable[Unserved]]], Awaitable[Unserved]]


async def assign_all_waiting(run: Run, random: Random, source_ids: Collection[int]) -> None:
    """Assign the waiting contacts of these sources; `run` does each of the transactions that this takes."""
    unserved = frozenset(source_ids)

    async def some(conn: AsyncConnection) -> Unserved:
        return await assign_waiting(conn, random, source_ids=unserved)

    while unserved:
        unserved = await run(some)


async def assign_waiting(
    conn: AsyncConnection, random: Random, *, source_ids: Collection[int] = (), operator_ids: Collection[int] = ()
) -> Unserved:
    """Serve the waiting contacts of the named sources, and of every source of the named operators.

    Takes the locks it needs; a caller that changes weights, limits or operators takes the same ones with `lock_pool`
    before its change. Returns the sources that are left for `assign_all_waiting`.
    """
    return await assign_waiting_over(conn, await lock_pool(conn, ids=source_ids, operator_ids=operator_ids), random)


async def assign_waiting_over(conn: AsyncConnection, pool: Pool, random: Random) -> Unserved:
    """The same over a pool that is locked already."""
    ledger = UnitOfWork(conn, pool, random)
    unserved = await ledger.assign_waiting()
    await ledger.flush()
    return unserved
