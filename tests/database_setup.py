"""Operators, sources and weights for a test, and what its database holds afterwards."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.store.engine import reading, transaction
from distribution.store.tables import contacts, operators, source_operators, sources


async def open_source(
    engine: AsyncEngine, code: str, operators_with: Mapping[str, tuple[int, int]], **rules: Any
) -> dict[str, int]:
    """A source with new operators, by name: (weight, limit); returns the operators' ids by name."""
    now = datetime.now(UTC)
    rules = {"name": code, "strategy": "weighted_random", "sticky": False, "created_at": now} | rules
    ids = {}
    async with transaction(engine) as conn:
        new_source = sa.insert(sources).values(code=code, **rules).returning(sources.c.id)
        source_id = (await conn.execute(new_source)).scalar_one()
        for name, (weight, limit) in operators_with.items():
            made = sa.insert(operators).values(name=name, is_active=True, max_active_contacts=limit, created_at=now)
            ids[name] = (await conn.execute(made.returning(operators.c.id))).scalar_one()
            await conn.execute(
                sa.insert(source_operators).values(source_id=source_id, operator_id=ids[name], weight=weight)
            )
    return ids


async def statuses(engine: AsyncEngine) -> dict[str, int]:
    """How many contacts there are of each status."""
    async with reading(engine) as conn:
        rows = await conn.execute(
            sa.select(contacts.c.status, sa.func.count().label("number")).group_by(contacts.c.status)
        )
    return {row.status: row.number for row in rows}


async def loads(engine: AsyncEngine) -> dict[int, tuple[int, int, int]]:
    """Per operator: its load as kept, its active contacts as counted, its limit."""
    counted = (
        sa.select(sa.func.count())
        .where(contacts.c.operator_id == operators.c.id, contacts.c.status == "active")
        .scalar_subquery()
    )
    o = operators.c
    async with reading(engine) as conn:
        rows = await conn.execute(sa.select(o.id, o.load, counted, o.max_active_contacts))
    return {operator_id: (load, count, limit) for operator_id, load, count, limit in rows}


async def count(engine: AsyncEngine, table: sa.Table) -> int:
    """How many rows a table has."""
    async with reading(engine) as conn:
        return (await conn.execute(sa.select(sa.func.count()).select_from(table))).scalar_one()


async def refuse_lead(engine: AsyncEngine, external_id: str) -> None:
    """Make the database refuse one lead, as a constraint of the owner's would."""
    async with transaction(engine) as conn:
        if conn.dialect.name == "postgresql":
            await conn.execute(sa.text(f"ALTER TABLE leads ADD CHECK (external_id <> '{external_id}')"))
        else:
            await conn.execute(
                sa.text(
                    "CREATE TRIGGER refuse BEFORE INSERT ON leads WHEN NEW.external_id = "
                    f"'{external_id}' BEGIN SELECT RAISE(ABORT, 'refused'); END"
                )
            )
