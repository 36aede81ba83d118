"""Where contacts stand, without their payloads: what has to be known before they are locked."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.contacts import ACTIVE, KEYS
from distribution.store.pages import fitting
from distribution.store.rows import UUIDS, octets
from distribution.store.tables import contacts

MOVED_BYTES = 8 * 1024 * 1024
"""Payloads that one transaction moves: it holds each of them, and its event."""


class ContactState(NamedTuple):
    """Which contact, of which source, with whom."""

    id: UUID
    source_id: int
    operator_id: int | None
    status: str


FIELDS = tuple(contacts.c[name] for name in ContactState._fields)


async def by_keys(conn: AsyncConnection, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], ContactState]:
    """The contacts that were submitted with these (source id, message_id) keys."""
    dialect = conn.dialect.name
    source_ids, message_ids = [source_id for source_id, _ in keys], [message_id for _, message_id in keys]
    rows = await conn.execute(_by_keys(dialect), KEYS.bound(dialect, source_ids, message_ids))
    return {(row.source_id, row.message_id): ContactState(*row[:-1]) for row in rows}


@cache
def _by_keys(dialect: str) -> sa.Select[*tuple[Any, ...]]:
    c, wanted = contacts.c, KEYS.table(dialect)
    of_key = sa.and_(c.source_id == wanted.c.source_id, c.message_id == wanted.c.message_id)
    return sa.select(*FIELDS, c.message_id).join(wanted, of_key)


async def by_ids(conn: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, ContactState]:
    """Contacts by id."""
    dialect = conn.dialect.name
    rows = await conn.execute(_by_ids(dialect), UUIDS.bound(dialect, sorted(ids)))
    return {row.id: ContactState(*row) for row in rows}


@cache
def _by_ids(dialect: str) -> sa.Select[*tuple[Any, ...]]:
    wanted = UUIDS.table(dialect)
    return sa.select(*FIELDS).join(wanted, contacts.c.id == wanted.c.id)


async def oldest_active(conn: AsyncConnection, operator_id: int, limit: int) -> list[ContactState]:
    """The oldest active contacts of an operator: up to `limit`, with payloads of up to MOVED_BYTES; one at least."""
    c = contacts.c
    rows = await conn.execute(
        sa.select(*FIELDS, octets(c.payload, conn.dialect.name))
        .where(c.operator_id == operator_id, c.status == ACTIVE)
        .order_by(c.id)
        .limit(limit)
    )
    found = [(ContactState(*row[:-1]), int(row[-1])) for row in rows]
    fits = max(1, fitting((size for _, size in found), MOVED_BYTES))
    return [state for state, _ in found[:fits]]
