"""Locks and reads the operators and sources that a transaction decides about."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.errors import PoolOutdated
from distribution.selection.pool import SMOOTH_WEIGHTED, Operator, Pool, Source
from distribution.store.column_types import NumberedId
from distribution.store.contacts import IS_WAITING
from distribution.store.dialects import IDS, TEXTS, ValuesTable
from distribution.store.tables import MAX_ID, contacts, operators, source_operators, sources

HOLDERS = ValuesTable("holders", id=NumberedId)
CHANGES = ValuesTable("changes", operator_id=NumberedId, by=sa.Integer(), forced=sa.Integer())
IS_ACTIVE = sa.and_(operators.c.is_active, operators.c.deleted_at.is_(None)).label("is_active")
DEFICITS = ValuesTable("deficits", source_id=NumberedId, operator_id=NumberedId, deficit=sa.Double())
WEIGHTS = (
    sa.select(*(source_operators.c[name] for name in ("source_id", "operator_id", "weight", "deficit")))
    .where(source_operators.c.source_id.in_(sa.select(IDS.c.id)))
    .order_by(source_operators.c.operator_id)
)
WRITE_DEFICITS = (
    sa.update(source_operators)
    .where(*(source_operators.c[name] == DEFICITS.c[name] for name in ("source_id", "operator_id")))
    .values(deficit=DEFICITS.c.deficit)
)
SOURCES_OF_HOLDERS = sa.select(source_operators.c.source_id).where(
    source_operators.c.operator_id.in_(sa.select(HOLDERS.c.id))
)


async def lock_pool(
    conn: AsyncConnection, *, codes: Collection[str] = (), operator_ids: Collection[int] = (), ids: Collection[int] = ()
) -> Pool:
    """Lock the named sources, every source of the named operators, and every operator with a weight on any of them.

    Sources before operators, each in id order, so that transactions do not deadlock. Operators at their limit are
    locked too: a contact is about to wait because they are full. On SQLite the transaction is the lock. Raises
    PoolOutdated if an operator got another source before it was locked.
    """
    source_rows = await _lock_sources(conn, codes, operator_ids, ids)
    source_ids = [row.id for row in source_rows]
    named = IDS.bound(conn, source_ids) | HOLDERS.bound(conn, sorted(operator_ids))
    operator_rows = (await conn.execute(_operators_to_lock(), named)).all()
    await _check_not_stale(conn, set(source_ids), operator_ids)
    weights: dict[int, list[tuple[int, int]]] = {source_id: [] for source_id in source_ids}
    deficits = {}
    smooth = {row.id for row in source_rows if row.strategy == SMOOTH_WEIGHTED}
    for source_id, operator_id, weight, deficit in await conn.execute(WEIGHTS, IDS.bound(conn, source_ids)):
        weights[source_id].append((operator_id, weight))
        if source_id in smooth:
            deficits[source_id, operator_id] = deficit
    return Pool(
        [Operator(*row) for row in operator_rows],
        [Source(*row[:4], tuple(weights[row.id]), *row[4:]) for row in source_rows],
        deficits,
    )


async def read_pool(conn: AsyncConnection, source_id: int) -> Pool:
    """Returns one source and its operators, without any lock: to be shown, never to decide by."""
    o, s, w = operators.c, sources.c, source_operators.c
    source = (await conn.execute(sa.select(s.id, s.code, s.strategy, s.sticky).where(s.id == source_id))).one()
    rows = await conn.execute(
        sa.select(o.id, o.name, IS_ACTIVE, o.max_active_contacts, o.load, w.weight)
        .join(source_operators, w.operator_id == o.id)
        .where(w.source_id == source_id)
        .order_by(o.id)
    )
    of_source = [(Operator(*row[:5]), row[5]) for row in rows]
    weights = tuple((operator.id, weight) for operator, weight in of_source)
    return Pool([operator for operator, _ in of_source], [Source(*source, weights)])


async def servable_sources(conn: AsyncConnection) -> list[int]:
    """Returns sources with a waiting contact and an operator who could take it: there should be none."""
    w, o = source_operators.c, operators.c
    waiting = sa.exists().where(contacts.c.source_id == sources.c.id, IS_WAITING)
    able = (
        sa.exists()
        .where(w.source_id == sources.c.id, w.operator_id == o.id, w.weight > 0)
        .where(IS_ACTIVE, o.load < o.max_active_contacts)
    )
    return list((await conn.scalars(sa.select(sources.c.id).where(waiting, able).order_by(sources.c.id))).all())


async def change_loads(conn: AsyncConnection, changes: dict[int, int], forced: Collection[int] = ()) -> None:
    """Add to operators' loads, guarded: no operator goes over the limit, except by force; else PoolOutdated.

    This is the only statement that writes `load`.
    """
    rows = sorted((operator_id, by) for operator_id, by in changes.items() if by)
    if not rows:
        return
    columns = [operator_id for operator_id, _ in rows], [by for _, by in rows], [int(o in forced) for o, _ in rows]
    result = await conn.execute(_change_loads(), CHANGES.bound(conn, *columns))
    if result.rowcount != len(rows):
        raise PoolOutdated("an operator's load was not what the lock said")


@cache
def _change_loads() -> sa.Update:
    o, change = operators.c, CHANGES.c
    load = o.load + change.by
    fits = load <= o.max_active_contacts
    return (
        sa.update(operators)
        .where(o.id == change.operator_id, sa.or_(change.by < 0, change.forced == 1, fits))
        .values(load=sa.case((load < 0, 0), else_=load), had_contacts=sa.or_(o.had_contacts, change.by > 0))
    )


async def write_deficits(conn: AsyncConnection, deficits: Mapping[tuple[int, int], float]) -> None:
    """Write operators' deficits, by (source id, operator id)."""
    if not deficits:
        return
    keys = sorted(deficits)
    columns = [source_id for source_id, _ in keys], [o for _, o in keys], [deficits[key] for key in keys]
    await conn.execute(WRITE_DEFICITS, DEFICITS.bound(conn, *columns))


async def _lock_sources(
    conn: AsyncConnection, codes: Collection[str], operator_ids: Collection[int], ids: Collection[int]
) -> Sequence[sa.Row[int, str, str, bool, int | None, bool]]:
    ids = [i for i in ids if 0 < i <= MAX_ID]
    parameters: dict[str, Any] = {}
    for values, requested in ((TEXTS, codes), (HOLDERS, operator_ids), (IDS, ids)):
        if requested:
            parameters |= values.bound(conn, sorted(requested))
    statement = _sources_to_lock(by_code=bool(codes), by_holder=bool(operator_ids), by_id=bool(ids))
    return (await conn.execute(statement, parameters)).all()


@cache
def _sources_to_lock(
    *, by_code: bool, by_holder: bool, by_id: bool
) -> sa.Select[int, str, str, bool, int | None, bool]:
    # Only the conditions that have values: with all of them, PostgreSQL scans whole tables.
    s = sources.c
    conditions = []
    if by_code:
        conditions.append(s.code.in_(sa.select(TEXTS.c.text)))
    if by_holder:
        conditions.append(s.id.in_(SOURCES_OF_HOLDERS))
    if by_id:
        conditions.append(s.id.in_(sa.select(IDS.c.id)))
    return (
        sa.select(s.id, s.code, s.strategy, s.sticky, s.dedupe_window, s.has_contact_keys)
        .where(sa.or_(sa.false(), *conditions))
        .order_by(s.id)
        .with_for_update(key_share=True)
    )


@cache
def _operators_to_lock() -> sa.Select[int, str, bool, int, int]:
    o, w = operators.c, source_operators.c
    of_sources = sa.select(w.operator_id).where(w.source_id.in_(sa.select(IDS.c.id)))
    # Deleted ones too, as inactive: a program of the previous release may give them contacts and weights.
    holders = o.id.in_(sa.select(HOLDERS.c.id))
    return (
        sa.select(o.id, o.name, IS_ACTIVE, o.max_active_contacts, o.load)
        .where(sa.or_(o.id.in_(of_sources), holders))
        .order_by(o.id)
        .with_for_update(key_share=True)
    )


async def _check_not_stale(conn: AsyncConnection, locked: set[int], operator_ids: Collection[int]) -> None:
    if not operator_ids:
        return
    source_ids = await conn.scalars(SOURCES_OF_HOLDERS, HOLDERS.bound(conn, sorted(operator_ids)))
    if not set(source_ids.all()) <= locked:
        raise PoolOutdated("an operator got another source meanwhile")
