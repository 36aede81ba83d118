"""The state of contacts, without their payloads: what has to be known before they are locked."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.column_types import NumberedId
from distribution.store.contacts import ACTIVE
from distribution.store.dialects import UUIDS, ValuesTable, octets
from distribution.store.pagination import fitting
from distribution.store.tables import contact_keys, contacts

MOVED_BYTES = 8 * 1024 * 1024
"""The total of payloads that one transaction moves: it keeps each in memory, and its event."""


class ContactState(NamedTuple):
    """A contact's state; `format`: of its digest, as in `Contact`."""

    id: UUID
    source_id: int
    operator_id: int | None
    status: str
    format: int
    sequence: int


FIELDS = tuple(contacts.c[name] for name in ContactState._fields)
MESSAGE_IDS = ValuesTable("message_ids", source_id=NumberedId, message_id=sa.Text())
BY_IDS = sa.select(*FIELDS).join(UUIDS, contacts.c.id == UUIDS.c.id)


async def by_message_ids(
    conn: AsyncConnection, keys: Sequence[tuple[int, str]]
) -> dict[tuple[int, str], dict[str, ContactState]]:
    """Returns by (source id, message_id) the contacts that were submitted with it, by producer."""
    states: dict[tuple[int, str], dict[str, ContactState]] = {}
    for row in await conn.execute(_by_message_ids(), MESSAGE_IDS.bound(conn, *zip(*keys, strict=True))):
        states.setdefault((row.source_id, row.message_id), {})[row.producer] = ContactState(*row[:-2])
    return states


@cache
def _by_message_ids() -> sa.CompoundSelect[*tuple[Any, ...]]:
    c, k, keys = contacts.c, contact_keys.c, MESSAGE_IDS
    first = sa.and_(c.source_id == keys.c.source_id, c.message_id == keys.c.message_id)
    further = sa.and_(k.source_id == keys.c.source_id, k.message_id == keys.c.message_id)
    return sa.union_all(
        sa.select(*FIELDS, c.message_id, c.producer).join(keys, first),
        sa.select(*FIELDS, k.message_id, k.producer).join(contact_keys, k.contact_id == c.id).join(keys, further),
    )


async def by_ids(conn: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, ContactState]:
    """Returns contacts by id."""
    rows = await conn.execute(BY_IDS, UUIDS.bound(conn, sorted(ids)))
    return {row.id: ContactState(*row) for row in rows}


async def oldest_active(conn: AsyncConnection, operator_id: int, limit: int) -> list[ContactState]:
    """The oldest active contacts of an operator: up to `limit`, with payloads of up to MOVED_BYTES; one at least."""
    c = contacts.c
    rows = await conn.execute(
        sa.select(*FIELDS, octets(c.payload))
        .where(c.operator_id == operator_id, c.status == ACTIVE)
        .order_by(c.id)
        .limit(limit)
    )
    sized = [(ContactState(*row[:-1]), int(row[-1])) for row in rows]
    fits = max(1, fitting((size for _, size in sized), MOVED_BYTES))
    return [state for state, _ in sized[:fits]]
