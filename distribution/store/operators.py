"""Operators as admins see and change them; only `operator_pool` changes their load.

A deleted operator keeps its row (docs/decisions/0014): in no list, without weights, its id never used again.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.bulk import first_from
from distribution.store.dialects import IDS
from distribution.store.pagination import Page, page_of
from distribution.store.tables import contacts, operators, source_operators


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """A row of `operators`."""

    id: int
    name: str
    is_active: bool
    max_active_contacts: int
    load: int
    created_at: datetime


FIELDS = tuple(operators.c[name] for name in OperatorRow.__slots__)
EXISTING = operators.c.deleted_at.is_(None)


async def insert(
    conn: AsyncConnection, name: str, is_active: bool, max_active_contacts: int, now: datetime
) -> OperatorRow:
    """Write a new operator."""
    values = {"name": name, "is_active": is_active, "max_active_contacts": max_active_contacts, "created_at": now}
    return OperatorRow(*(await conn.execute(sa.insert(operators).values(load=0, **values).returning(*FIELDS))).one())


async def get(conn: AsyncConnection, operator_id: int) -> OperatorRow | None:
    """One operator."""
    row = (await conn.execute(sa.select(*FIELDS).where(operators.c.id == operator_id, EXISTING))).one_or_none()
    return None if row is None else OperatorRow(*row)


async def page(conn: AsyncConnection, after: int | None, limit: int) -> Page[OperatorRow, int]:
    """Operators in id order."""
    query = sa.select(*FIELDS).where(EXISTING, operators.c.id > (after or 0)).order_by(operators.c.id).limit(limit + 1)
    return page_of([OperatorRow(*row) for row in await conn.execute(query)], limit, attrgetter("id"))


async def existing(conn: AsyncConnection, ids: Collection[int]) -> set[int]:
    """Returns which of these are operators that are not deleted."""
    statement = sa.select(operators.c.id).join(IDS, operators.c.id == IDS.c.id).where(EXISTING)
    return set(await conn.scalars(statement, IDS.bound(conn, sorted(ids))))


async def names(conn: AsyncConnection, ids: Collection[int]) -> dict[int, str]:
    """Returns names by id, those of deleted operators too."""
    statement = sa.select(operators.c.id, operators.c.name).join(IDS, operators.c.id == IDS.c.id)
    return {row.id: row.name for row in await conn.execute(statement, IDS.bound(conn, sorted(ids)))}


async def update(conn: AsyncConnection, operator_id: int, values: Mapping[str, object]) -> None:
    """Change an operator."""
    if values:
        await conn.execute(sa.update(operators).where(operators.c.id == operator_id).values(**values))


async def has_history(conn: AsyncConnection, operator_id: int) -> bool:
    """Whether the operator has or had a contact."""
    o = operators.c
    # `decisions` would tell too, but has no index on the operator and may have millions of rows.
    in_contacts = first_from(contacts.c.operator_id, operator_id) == operator_id
    return bool(await conn.scalar(sa.select(sa.or_(o.had_contacts, in_contacts)).where(o.id == operator_id)))


async def delete(conn: AsyncConnection, operator_id: int, now: datetime) -> None:
    """Mark an operator as deleted, and remove its weights."""
    await conn.execute(sa.delete(source_operators).where(source_operators.c.operator_id == operator_id))
    await update(conn, operator_id, {"deleted_at": now, "is_active": False})
