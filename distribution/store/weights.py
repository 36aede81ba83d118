"""Which operators get a source's contacts, and in what proportion."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.selection.deficit_redistribution import shared_out
from distribution.store.bulk import upsert
from distribution.store.dialects import IDS
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
    staying = sa.select(IDS.c.id)
    await conn.execute(
        sa.delete(source_operators).where(w.source_id == source_id, w.operator_id.not_in(staying)),
        IDS.bound(conn, sorted(o for o, _ in weights)),
    )
    rows = [{"source_id": source_id, "operator_id": o, "weight": weight} for o, weight in sorted(weights)]
    await upsert(conn, source_operators, ["source_id", "operator_id"], rows)


async def share_out_deficits(conn: AsyncConnection, source_ids: Collection[int]) -> None:
    """After weights of locked sources were deleted, distribute their operators' deficits among the others."""
    w = source_operators.c
    rows = await conn.execute(
        sa.select(w.source_id, w.operator_id, w.weight, w.deficit).where(w.source_id.in_(sa.select(IDS.c.id))),
        IDS.bound(conn, sorted(source_ids)),
    )
    weights: dict[int, dict[int, int]] = {}
    deficits: dict[int, dict[int, float]] = {}
    for source_id, operator_id, weight, deficit in rows:
        weights.setdefault(source_id, {})[operator_id] = weight
        deficits.setdefault(source_id, {})[operator_id] = deficit
    new: dict[tuple[int, int], float] = {}
    for source_id, before in deficits.items():
        if (after := shared_out(before, weights[source_id])) != before:
            new |= {(source_id, operator_id): owed for operator_id, owed in after.items()}
    await write_deficits(conn, new)
