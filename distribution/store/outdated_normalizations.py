"""Leads whose phone or e-mail another rule spelled than the one of today, or none."""

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
"""So many ids are looked at in one statement, and so many rows written in one transaction: a few milliseconds each."""


@dataclass(frozen=True, slots=True)
class StoredDetails:
    """What a lead's phone and e-mail are, as they were sent."""

    id: int
    phone: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Spelled:
    """What they are spelled as; `phone` and `email` say what it was made from."""

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
    """The first ROWS_AT_ONCE of them among the IDS_AT_ONCE ids after `last`, in id order."""
    c = leads.c
    of_another = sa.or_(
        *(sa.and_(c[name].is_not(None), c[f"{name}_rule"].is_distinct_from(RULE)) for name in ("phone", "email"))
    )
    query = sa.select(c.id, c.phone, c.email).where(c.id > last, c.id <= last + IDS_AT_ONCE, of_another)
    return [StoredDetails(*row) for row in await conn.execute(query.order_by(c.id).limit(ROWS_AT_ONCE))]


async def write(conn: AsyncConnection, spelled: Sequence[Spelled]) -> None:
    """Store spellings; rows that are locked or have changed meanwhile are left for the next time."""
    dialect = conn.dialect.name
    rows = await conn.execute(_lock(dialect), IDS.bound(dialect, [each.id for each in spelled]))
    as_read = {StoredDetails(*row) for row in rows}
    kept = [each for each in spelled if StoredDetails(each.id, each.phone, each.email) in as_read]
    columns = [[getattr(each, name) for each in kept] for name in Spelled.__slots__]
    await conn.execute(_write(dialect), SPELLED.bound(dialect, *columns))


@cache
def _lock(dialect: str) -> sa.Select[int, str | None, str | None]:
    c = leads.c
    wanted = sa.select(c.id, c.phone, c.email).where(c.id.in_(sa.select(IDS.table(dialect).c.id)))
    return wanted.order_by(c.id).with_for_update(key_share=True, skip_locked=True)


@cache
def _write(dialect: str) -> sa.Update:
    c, new = leads.c, SPELLED.table(dialect)
    rules = {f"{name}_rule": sa.case((new.c[name].is_not(None), RULE)) for name in ("phone", "email")}
    normalized = {name: new.c[name] for name in ("phone_normalized", "email_normalized")}
    return sa.update(leads).where(c.id == new.c.id).values(normalized | rules)
