"""Waiting contacts are served, the oldest first, as soon as something frees a place for them."""

from collections.abc import Collection
from random import Random

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.unit_of_work import UnitOfWork
from distribution.store.pools import lock_pool

SERVE_LIMIT = 500


async def assign_waiting(
    conn: AsyncConnection, random: Random, *, source_ids: Collection[int] = (), operator_ids: Collection[int] = ()
) -> bool:
    """Serve the waiting contacts of the named sources, and of every source of the named operators.

    Takes the locks it needs; a caller that changes weights, limits or operators takes the same ones with `lock_pool`
    before its change. At most SERVE_LIMIT are served, and fewer large ones: True asks the caller to
    call again in a new transaction.
    """
    ledger = UnitOfWork(conn, await lock_pool(conn, ids=source_ids, operator_ids=operator_ids), random)
    more = await ledger.assign_waiting(SERVE_LIMIT)
    await ledger.flush()
    return more
