"""Leads whose phone or e-mail was normalized by another rule than today's, or by none."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.normalize import RULE
from distribution.store.bulk import IDS, ValuesTable
from distribution.store.column_types import NumberedId
from distribution.store.tables import leads

IDS_AT_ONCE = 5000
ROWS_AT_ONCE = 100
"""How many ids one statement looks at, and how many rows one transaction writes: a few milliseconds each."""


@dataclass(frozen=True, slots=True)
class StoredDetails:
    """A lead's phone and e-mail, as they were sent."""

    id: int
    phone: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Spelled:
    """The normal forms of a lead's phone and e-mail; `phone` and `email` are what they were made from."""

    id: int
    phone: str | None
    email: str | None
    phone_normalized: str | None
    email_normalized: str | None


SPELLED = ValuesTable(
    "spelled",
    id=NumberedId,
    phone=sa.Text(),
    email=sa.Text(),
    phone_normalized=sa.Text(),
    email_normalized=sa.Text(),
)


async def highest(conn: AsyncConnection) -> int:
    """The highest id of a lead; 0 if there is none."""
    return (await conn.scalar(sa.select(sa.func.max(leads.c.id)))) or 0


async def after(conn: AsyncConnection, last: int) -> Sequence[StoredDetails]:
    """Returns the first ROWS_AT_ONCE such leads among the IDS_AT_ONCE ids after `last`, in id order."""
    c = leads.c
    is_outdated = sa.or_(
        *(sa.and_(c[name].is_not(None), c[f"{name}_rule"].is_distinct_from(RULE)) for name in ("phone", "email"))
    )
    query = sa.select(c.id, c.phone, c.email).where(c.id > last, c.id <= last + IDS_AT_ONCE, is_outdated)
    return [StoredDetails(*row) for row in await conn.execute(query.order_by(c.id).limit(ROWS_AT_ONCE))]


async def write(conn: AsyncConnection, spelled: Sequence[Spelled]) -> None:
    """Store normal forms; rows that are locked or have changed meanwhile are left for the next run."""
    dialect = conn.dialect.name
    rows = await conn.execute(_lock(dialect), IDS.bound(dialect, [row.id for row in spelled]))
    stored = {StoredDetails(*row) for row in rows}
    unchanged = [row for row in spelled if StoredDetails(row.id, row.phone, row.email) in stored]
    columns = [[getattr(row, name) for row in unchanged] for name in Spelled.__slots__]
    await conn.execute(_write(dialect), SPELLED.bound(dialect, *columns))


@cache
def _lock(dialect: str) -> sa.Select[int, str | None, str | None]:
    c = leads.c
    query = sa.select(c.id, c.phone, c.email).where(c.id.in_(sa.select(IDS.table(dialect).c.id)))
    return query.order_by(c.id).with_for_update(key_share=True, skip_locked=True)


@cache
def _write(dialect: str) -> sa.Update:
    c, new = leads.c, SPELLED.table(dialect)
    rules = {f"{name}_rule": sa.case((new.c[name].is_not(None), RULE)) for name in ("phone", "email")}
    normalized = {name: new.c[name] for name in ("phone_normalized", "email_normalized")}
    return sa.update(leads).where(c.id == new.c.id).values(normalized | rules)
