"""Assigns waiting contacts, the oldest first, as soon as a place becomes free."""

from collections.abc import Awaitable, Callable, Collection
from random import Random

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.allocator import Allocator
from distribution.selection.pool import Pool
from distribution.store.operator_pool import lock_pool

Unserved = frozenset[int]
"""Ids of sources whose waiting contacts are to be assigned in further transactions."""
Run = Callable[[Callable[[AsyncConnection], Awaitable[Unserved]]], Awaitable[Unserved]]


async def assign_all_waiting(run: Run, random: Random, source_ids: Collection[int]) -> None:
    """Assign the waiting contacts of these sources; `run` runs each of the transactions needed."""
    unserved = frozenset(source_ids)

    async def assign_some(conn: AsyncConnection) -> Unserved:
        return await assign_waiting(conn, random, source_ids=unserved)

    while unserved:
        unserved = await run(assign_some)


async def assign_waiting(
    conn: AsyncConnection, random: Random, *, source_ids: Collection[int] = (), operator_ids: Collection[int] = ()
) -> Unserved:
    """Assign the waiting contacts of the given sources, and of every source of the given operators.

    Takes the locks it needs; a caller that changes weights, limits or operators takes them with `lock_pool` before
    its change. Returns the sources left for `assign_all_waiting`.
    """
    return await assign_waiting_over(conn, await lock_pool(conn, ids=source_ids, operator_ids=operator_ids), random)


async def assign_waiting_over(conn: AsyncConnection, pool: Pool, random: Random) -> Unserved:
    """`assign_waiting` with a pool that is locked already."""
    allocator = Allocator(conn, pool, random)
    unserved = await allocator.assign_waiting()
    await allocator.flush()
    return unserved
