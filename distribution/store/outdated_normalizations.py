"""Leads whose phone or e-mail was normalized by another rule than today's, or by none."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.normalize import RULE
from distribution.store.column_types import NumberedId
from distribution.store.dialects import IDS, ValuesTable
from distribution.store.tables import leads

IDS_AT_ONCE = 5000
ROWS_AT_ONCE = 100
"""How many ids one statement looks at, and how many rows one transaction writes: a few milliseconds each."""


@dataclass(frozen=True, slots=True)
class NormalizedDetails:
    """The normal forms of a lead's phone and e-mail; `phone` and `email` are what they were made from."""

    id: int
    phone: str | None
    email: str | None
    phone_normalized: str | None
    email_normalized: str | None


TEXT_COLUMNS = {name: sa.Text() for name in NormalizedDetails.__slots__ if name != "id"}
NORMALIZED = ValuesTable("normalized", id=NumberedId, **TEXT_COLUMNS)
LOCK = (
    sa.select(leads.c.id, leads.c.phone, leads.c.email)
    .where(leads.c.id.in_(sa.select(IDS.c.id)))
    .order_by(leads.c.id)
    .with_for_update(key_share=True, skip_locked=True)
)


async def highest(conn: AsyncConnection) -> int:
    """The highest id of a lead; 0 if there is none."""
    return (await conn.scalar(sa.select(sa.func.max(leads.c.id)))) or 0


async def after(conn: AsyncConnection, last: int) -> Sequence[sa.Row[int, str | None, str | None]]:
    """The first ROWS_AT_ONCE such leads (id, phone, email) among the IDS_AT_ONCE ids after `last`, in id order."""
    c = leads.c
    is_outdated = sa.or_(
        *(sa.and_(c[name].is_not(None), c[f"{name}_rule"].is_distinct_from(RULE)) for name in ("phone", "email"))
    )
    query = sa.select(c.id, c.phone, c.email).where(c.id > last, c.id <= last + IDS_AT_ONCE, is_outdated)
    return (await conn.execute(query.order_by(c.id).limit(ROWS_AT_ONCE))).all()


async def write(conn: AsyncConnection, normalized: Sequence[NormalizedDetails]) -> None:
    """Store normal forms; rows that are locked or have changed meanwhile are left for the next run."""
    rows = await conn.execute(LOCK, IDS.bound(conn, [row.id for row in normalized]))
    stored = {tuple(row) for row in rows}
    unchanged = [row for row in normalized if (row.id, row.phone, row.email) in stored]
    columns = [[getattr(row, name) for row in unchanged] for name in NormalizedDetails.__slots__]
    await conn.execute(_write(), NORMALIZED.bound(conn, *columns))


@cache
def _write() -> sa.Update:
    new = NORMALIZED.c
    rules = {f"{name}_rule": sa.case((new[name].is_not(None), RULE)) for name in ("phone", "email")}
    forms = {name: new[name] for name in ("phone_normalized", "email_normalized")}
    return sa.update(leads).where(leads.c.id == new.id).values(forms | rules)
