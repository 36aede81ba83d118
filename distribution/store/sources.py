"""Sources as admins see and change them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.bulk import first_from
from distribution.store.dialects import TEXTS, UUIDS, insert_into
from distribution.store.pagination import Page, page_of
from distribution.store.tables import contacts, sources


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row of `sources`."""

    id: int
    code: str
    name: str
    strategy: str
    sticky: bool
    created_at: datetime
    dedupe_window: int | None


FIELDS = tuple(sources.c[name] for name in SourceRow.__slots__)


async def insert(conn: AsyncConnection, values: Mapping[str, object], now: datetime) -> SourceRow | None:
    """Write a new source; None if its code is in use."""
    statement = insert_into(conn.dialect.name, sources).values(created_at=now, **values)
    statement = statement.on_conflict_do_nothing(index_elements=["code"])
    row = (await conn.execute(statement.returning(*FIELDS))).one_or_none()
    return None if row is None else SourceRow(*row)


async def get(conn: AsyncConnection, source_id: int) -> SourceRow | None:
    """One source."""
    row = (await conn.execute(sa.select(*FIELDS).where(sources.c.id == source_id))).one_or_none()
    return None if row is None else SourceRow(*row)


async def page(conn: AsyncConnection, after: int | None, limit: int) -> Page[SourceRow, int]:
    """Sources in id order."""
    query = sa.select(*FIELDS).where(sources.c.id > (after or 0)).order_by(sources.c.id).limit(limit + 1)
    return page_of([SourceRow(*row) for row in await conn.execute(query)], limit, attrgetter("id"))


async def update(conn: AsyncConnection, source_id: int, values: Mapping[str, object]) -> None:
    """Change a source."""
    if values:
        await conn.execute(sa.update(sources).where(sources.c.id == source_id).values(**values))


async def has_contacts(conn: AsyncConnection, source_id: int) -> bool:
    """Whether anything ever came through the source."""
    return await conn.scalar(sa.select(first_from(contacts.c.source_id, source_id))) == source_id


async def delete(conn: AsyncConnection, source_id: int) -> None:
    """Remove a source, and its weights with it."""
    await conn.execute(sa.delete(sources).where(sources.c.id == source_id))


async def ids_by_code(conn: AsyncConnection, codes: Collection[str]) -> dict[str, int]:
    """Returns ids by code of the sources that exist."""
    with_codes = sa.select(sources.c.code, sources.c.id).where(sources.c.code.in_(sa.select(TEXTS.c.text)))
    rows = await conn.execute(with_codes, TEXTS.bound(conn, sorted(codes)))
    return {row.code: row.id for row in rows}


async def codes_of_contacts(conn: AsyncConnection, contact_ids: Collection[UUID]) -> dict[UUID, str]:
    """Returns the code of each contact's source."""
    codes = sa.select(contacts.c.id, sources.c.code).join(sources).where(contacts.c.id.in_(sa.select(UUIDS.c.id)))
    rows = await conn.execute(codes, UUIDS.bound(conn, sorted(contact_ids)))
    return {row.id: row.code for row in rows}
