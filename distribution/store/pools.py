"""Locks and reads the operators and sources that a transaction decides over."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.errors import StalePool
from distribution.selection.pool import SMOOTH_WEIGHTED, Operator, Pool, Source
from distribution.store.rows import values_table
from distribution.store.tables import MAX_ID, NumberedId, contacts, operators, source_operators, sources


async def lock_pool(
    conn: AsyncConnection, *, codes: Collection[str] = (), operator_ids: Collection[int] = (), ids: Collection[int] = ()
) -> Pool:
    """Lock the named sources, every source of the named operators, and every operator with a weight on any of them.

    Sources before operators, each in id order, so that no two transactions wait for each other. Operators at their
    limit are locked too: a contact is about to wait because they are full. On SQLite the transaction is the lock.
    Raises StalePool where an operator got another source before it was locked.
    """
    source_rows = await _lock_sources(conn, codes, operator_ids, ids)
    source_ids = [row.id for row in source_rows]
    operator_rows = await _lock_operators(conn, source_ids, operator_ids)
    await _check_not_stale(conn, set(source_ids), operator_ids)
    weights: dict[int, list[tuple[int, int]]] = {source_id: [] for source_id in source_ids}
    deficits = {}
    smooth = {row.id for row in source_rows if row.strategy == SMOOTH_WEIGHTED}
    for source_id, operator_id, weight, deficit in await _weights(conn, source_ids):
        weights[source_id].append((operator_id, weight))
        if source_id in smooth:
            deficits[source_id, operator_id] = deficit
    return Pool(
        [Operator(*row) for row in operator_rows],
        [Source(r.id, r.code, r.strategy, r.sticky, tuple(weights[r.id])) for r in source_rows],
        deficits,
    )


async def read_pool(conn: AsyncConnection, source_id: int) -> Pool:
    """One source and its operators as they are, without any lock: to be shown, never to decide by."""
    o, s, w = operators.c, sources.c, source_operators.c
    source = (await conn.execute(sa.select(s.id, s.code, s.strategy, s.sticky).where(s.id == source_id))).one()
    rows = await conn.execute(
        sa.select(o.id, o.name, o.is_active, o.max_active_contacts, o.load, w.weight)
        .join(source_operators, w.operator_id == o.id)
        .where(w.source_id == source_id)
        .order_by(o.id)
    )
    of_source = [(Operator(*row[:5]), row[5]) for row in rows]
    weights = tuple((operator.id, weight) for operator, weight in of_source)
    return Pool([operator for operator, _ in of_source], [Source(*source, weights)])


async def sources_with_waiting(conn: AsyncConnection, source_ids: Iterable[int]) -> set[int]:
    """Which of the sources have at least one waiting contact."""
    wanted = values_table(conn, "wanted", ("id", NumberedId, sorted(source_ids)))
    one = sa.exists().where(contacts.c.source_id == wanted.c.id, contacts.c.status == sa.literal_column("'waiting'"))
    return set((await conn.scalars(sa.select(wanted.c.id).where(one))).all())


async def servable_sources(conn: AsyncConnection) -> list[int]:
    """Sources with a waiting contact and an operator who could take it: there should be none."""
    w, o = source_operators.c, operators.c
    waiting = sa.exists().where(
        contacts.c.source_id == sources.c.id, contacts.c.status == sa.literal_column("'waiting'")
    )
    able = (
        sa.exists()
        .where(w.source_id == sources.c.id, w.operator_id == o.id, w.weight > 0)
        .where(o.is_active, o.load < o.max_active_contacts)
    )
    return list((await conn.scalars(sa.select(sources.c.id).where(waiting, able).order_by(sources.c.id))).all())


async def change_loads(conn: AsyncConnection, changes: dict[int, int], forced: Collection[int] = ()) -> None:
    """Add to operators' loads under their guard: nobody goes over the limit, except by force; else StalePool.

    This is the only statement that writes `load`.
    """
    rows = sorted((operator_id, by) for operator_id, by in changes.items() if by)
    if not rows:
        return
    change = values_table(
        conn,
        "change",
        ("operator_id", NumberedId, [operator_id for operator_id, _ in rows]),
        ("by", sa.Integer(), [by for _, by in rows]),
        ("forced", sa.Integer(), [int(operator_id in forced) for operator_id, _ in rows]),
    )
    fits = operators.c.load + change.c.by <= operators.c.max_active_contacts
    done = await conn.execute(
        sa.update(operators)
        .where(operators.c.id == change.c.operator_id, sa.or_(change.c.by < 0, change.c.forced == 1, fits))
        .values(load=operators.c.load + change.c.by)
    )
    if done.rowcount != len(rows):
        raise StalePool("an operator's load was not what the lock said")


async def write_deficits(conn: AsyncConnection, deficits: Mapping[tuple[int, int], float]) -> None:
    """Keep what operators are owed, by (source id, operator id)."""
    if not deficits:
        return
    keys = sorted(deficits)
    owed = values_table(
        conn,
        "owed",
        ("source_id", NumberedId, [source_id for source_id, _ in keys]),
        ("operator_id", NumberedId, [operator_id for _, operator_id in keys]),
        ("deficit", sa.Double(), [deficits[key] for key in keys]),
    )
    w = source_operators.c
    await conn.execute(
        sa.update(source_operators)
        .where(w.source_id == owed.c.source_id, w.operator_id == owed.c.operator_id)
        .values(deficit=owed.c.deficit)
    )


async def _lock_sources(
    conn: AsyncConnection, codes: Collection[str], operator_ids: Collection[int], ids: Collection[int]
) -> Sequence[sa.Row[int, str, str, bool]]:
    wanted = []
    if codes:
        by_code = values_table(conn, "codes", ("code", sa.Text(), sorted(codes)))
        wanted.append(sources.c.code.in_(sa.select(by_code.c.code)))
    if operator_ids:
        of_operators = values_table(conn, "holders", ("id", NumberedId, sorted(operator_ids)))
        wanted.append(
            sources.c.id.in_(
                sa.select(source_operators.c.source_id).where(
                    source_operators.c.operator_id.in_(sa.select(of_operators.c.id))
                )
            )
        )
    if ids:
        by_id = values_table(conn, "ids", ("id", NumberedId, sorted(i for i in ids if 0 < i <= MAX_ID)))
        wanted.append(sources.c.id.in_(sa.select(by_id.c.id)))
    found = await conn.execute(
        sa.select(sources.c.id, sources.c.code, sources.c.strategy, sources.c.sticky)
        .where(sa.or_(sa.false(), *wanted))
        .order_by(sources.c.id)
        .with_for_update(key_share=True)
    )
    return found.all()


async def _lock_operators(
    conn: AsyncConnection, source_ids: list[int], operator_ids: Collection[int]
) -> Sequence[sa.Row[int, str, bool, int, int]]:
    concerned = values_table(conn, "concerned", ("id", NumberedId, source_ids))
    of_sources = sa.select(source_operators.c.operator_id).where(
        source_operators.c.source_id.in_(sa.select(concerned.c.id))
    )
    named = values_table(conn, "named", ("id", NumberedId, sorted(operator_ids)))
    o = operators.c
    rows = await conn.execute(
        sa.select(o.id, o.name, o.is_active, o.max_active_contacts, o.load)
        .where(sa.or_(o.id.in_(of_sources), o.id.in_(sa.select(named.c.id))))
        .order_by(o.id)
        .with_for_update(key_share=True)
    )
    return rows.all()


async def _weights(conn: AsyncConnection, source_ids: list[int]) -> Sequence[sa.Row[int, int, int, float]]:
    concerned = values_table(conn, "concerned", ("id", NumberedId, source_ids))
    w = source_operators.c
    rows = await conn.execute(
        sa.select(w.source_id, w.operator_id, w.weight, w.deficit)
        .where(w.source_id.in_(sa.select(concerned.c.id)))
        .order_by(w.operator_id)
    )
    return rows.all()


async def _check_not_stale(conn: AsyncConnection, locked: set[int], operator_ids: Collection[int]) -> None:
    if not operator_ids:
        return
    named = values_table(conn, "named", ("id", NumberedId, sorted(operator_ids)))
    now = await conn.scalars(
        sa.select(source_operators.c.source_id).where(source_operators.c.operator_id.in_(sa.select(named.c.id)))
    )
    if not set(now.all()) <= locked:
        raise StalePool("an operator got another source meanwhile")
