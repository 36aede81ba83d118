"""Which operators get a source's contacts, and in what proportion."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.selection.deficit_redistribution import shared_out
from distribution.store.bulk import IDS, POSTGRESQL
from distribution.store.operator_pool import write_deficits
from distribution.store.tables import operators, source_operators


@dataclass(frozen=True, slots=True)
class WeightRow:
    """An operator's weight for a source, and what else decides whether it gets contacts."""

    operator_id: int
    name: str
    weight: int
    is_active: bool
    load: int
    max_active_contacts: int


async def of_source(conn: AsyncConnection, source_id: int) -> list[WeightRow]:
    """The weights of a source, in the order of operator ids."""
    o, w = operators.c, source_operators.c
    rows = await conn.execute(
        sa.select(w.operator_id, o.name, w.weight, o.is_active, o.load, o.max_active_contacts)
        .join(operators, o.id == w.operator_id)
        .where(w.source_id == source_id, o.deleted_at.is_(None))
        .order_by(w.operator_id)
    )
    return [WeightRow(*row) for row in rows]


async def of_operator(conn: AsyncConnection, operator_id: int) -> list[tuple[int, int]]:
    """The operator's (source id, weight) on every source, in the order of source ids."""
    w = source_operators.c
    rows = await conn.execute(
        sa.select(w.source_id, w.weight).where(w.operator_id == operator_id).order_by(w.source_id)
    )
    return [(row.source_id, row.weight) for row in rows]


async def replace(conn: AsyncConnection, source_id: int, weights: Sequence[tuple[int, int]]) -> None:
    """Make these (operator id, weight) the only ones; an existing weight is updated, so that its deficit stays."""
    w = source_operators.c
    dialect = conn.dialect.name
    staying = sa.select(IDS.table(dialect).c.id)
    await conn.execute(
        sa.delete(source_operators).where(w.source_id == source_id, w.operator_id.not_in(staying)),
        IDS.bound(dialect, sorted(o for o, _ in weights)),
    )
    rows = [{"source_id": source_id, "operator_id": o, "weight": weight} for o, weight in sorted(weights)]
    if rows:
        insert_into = postgresql.insert if dialect == POSTGRESQL else sqlite.insert
        statement = insert_into(source_operators)
        statement = statement.on_conflict_do_update(
            index_elements=["source_id", "operator_id"], set_={"weight": statement.excluded.weight}
        )
        await conn.execute(statement, rows)


async def share_out_deficits(conn: AsyncConnection, source_ids: Collection[int]) -> None:
    """After weights were deleted, distribute their operators' deficits among the others, under any strategy.

    The sources must be locked.
    """
    w = source_operators.c
    ids = sa.select(IDS.table(conn.dialect.name).c.id)
    rows = await conn.execute(
        sa.select(w.source_id, w.operator_id, w.weight, w.deficit).where(w.source_id.in_(ids)),
        IDS.bound(conn.dialect.name, sorted(source_ids)),
    )
    of_sources: dict[int, dict[int, tuple[int, float]]] = {}
    for source_id, operator_id, weight, deficit in rows:
        of_sources.setdefault(source_id, {})[operator_id] = weight, deficit
    new: dict[tuple[int, int], float] = {}
    for source_id, of_operators in of_sources.items():
        before, weights = (
            {o: owed for o, (_, owed) in of_operators.items()},
            {o: weight for o, (weight, _) in of_operators.items()},
        )
        if (after := shared_out(before, weights)) != before:
            new |= {(source_id, operator_id): owed for operator_id, owed in after.items()}
    await write_deficits(conn, new)
