"""Waiting contacts, read from the index alone, and how large contacts are: to decide before payloads are read."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.column_types import NumberedId
from distribution.store.contacts import IS_WAITING
from distribution.store.dialects import POSTGRESQL, UUIDS, ValuesTable, octets
from distribution.store.tables import contacts, decisions

LINES = ValuesTable("lines", source_id=NumberedId, after=sa.Uuid())
LAST_SEQUENCE = (
    sa.select(sa.func.max(decisions.c.sequence)).where(decisions.c.contact_id == contacts.c.id).scalar_subquery()
)
SIZES = (
    sa.select(contacts.c.id, contacts.c.lead_id, octets(contacts.c.payload))
    .join(UUIDS, contacts.c.id == UUIDS.c.id)
    .where(contacts.c.sequence == LAST_SEQUENCE)
)


class Size(NamedTuple):
    """A contact's lead, and the size of its payload."""

    lead_id: int
    bytes: int


async def upcoming(conn: AsyncConnection, after: Mapping[int, UUID], limit: int) -> Sequence[sa.Row[int, UUID]]:
    """(source id, contact id) of the next `limit` waiting contacts of each source, oldest first within a source.

    `after`: by source id, the last contact already known. One statement for all sources, on the index alone.
    """
    source_ids = sorted(after)
    parameters = LINES.bound(conn, source_ids, [after[source_id] for source_id in source_ids])
    return (await conn.execute(_upcoming(conn.dialect.name), parameters | {"each": limit})).all()


@cache
def _upcoming(dialect: str) -> sa.Select[int, UUID]:
    c, line = contacts.c, LINES
    following = (
        sa.select(c.id)
        .where(c.source_id == line.c.source_id, IS_WAITING, c.id > line.c.after)
        .order_by(c.id)
        .limit(sa.bindparam("each", type_=sa.Integer))
    )
    if dialect == POSTGRESQL:
        lateral = following.lateral("following")
        return sa.select(line.c.source_id, lateral.c.id).join_from(line, lateral, sa.true())
    # SQLite has no LATERAL, but a function in FROM may name the tables before it.
    ids = sa.select(sa.func.json_group_array(following.correlate(line).subquery().c.id)).scalar_subquery()
    listed = sa.func.json_each(ids).table_valued(sa.column("value", sa.Uuid()), name="following")
    return sa.select(line.c.source_id, listed.c.value).join_from(line, listed, sa.true())


async def sizes(conn: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, Size]:
    """Returns the sizes of these contacts.

    A contact whose sequence is not the end of its history is left out: there can be no next decision about it.
    """
    rows = await conn.execute(SIZES, UUIDS.bound(conn, sorted(ids)))
    return {contact_id: Size(lead_id, number) for contact_id, lead_id, number in rows}
