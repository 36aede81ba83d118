"""Corrects wrong loads by counting again, under the locks of the transaction that decides."""

from collections import Counter
from collections.abc import Collection, Iterable

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.audit import Action, AuditRole, record
from distribution.optimistic_locking import Actor
from distribution.selection.pool import Pool
from distribution.store.consistency import active_of
from distribution.store.contacts import ACTIVE, Contact
from distribution.store.operator_pool import change_loads

BY_ITSELF = Actor(AuditRole.SYSTEM)


async def correct_before_freeing(conn: AsyncConnection, pool: Pool, leaving: Iterable[Contact]) -> None:
    """Correct the loads that are lower than what is about to be freed; call it before the pool decides anything.

    The database was edited by hand: a close must succeed all the same, and give no operator more than its limit.
    """
    freed = Counter(c.operator_id for c in leaving if c.status == ACTIVE and c.operator_id is not None)
    wrong = [o for o, number in freed.items() if o in pool.operators and pool.operators[o].load < number]
    if wrong:
        await correct_loads(conn, pool, wrong, BY_ITSELF)


async def correct_loads(conn: AsyncConnection, pool: Pool, operator_ids: Collection[int], actor: Actor) -> int:
    """Count the loads of operators locked with the pool again; returns how many were wrong. Corrections are audited."""
    counted = await active_of(conn, operator_ids)
    differences = {id_: counted[id_] - pool.operators[id_].load for id_ in operator_ids}
    wrong = {id_: change for id_, change in differences.items() if change}
    # Forced, since these contacts are active already: exceeding the limit was decided elsewhere, not by this count.
    await change_loads(conn, wrong, forced=wrong)
    for id_, change in wrong.items():
        load = pool.operators[id_].load
        structlog.get_logger("loads").warning("load_corrected", operator_id=id_, load=load, active=counted[id_])
        await record(conn, actor, Action.OPERATOR_REPAIRED, id_, {"load": load}, {"load": counted[id_]})
        pool.change_load(id_, change)
    return len(wrong)
