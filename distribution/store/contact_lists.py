"""Contacts as lists show them: payloads up to a total, in order; those beyond it are neither fetched nor shown."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.bulk import UUIDS, octets
from distribution.store.contacts import FIELDS, Contact
from distribution.store.pagination import fitting
from distribution.store.tables import contacts


class Listed(NamedTuple):
    """A contact in a list; if `payload_omitted`, its payload is not the one that was sent but null."""

    contact: Contact
    payload_omitted: bool


def select_listed(dialect: str) -> sa.Select[*tuple[Any, ...]]:
    """Contacts without their payloads, for `with_payloads`; to be narrowed and ordered."""
    payload = contacts.c.payload
    null: sa.ColumnElement[str] = sa.literal_column("'null'", sa.Text)
    return sa.select(*[null if field is payload else field for field in FIELDS], octets(payload, dialect))


async def with_payloads(conn: AsyncConnection, query: sa.Select[*tuple[Any, ...]], **values: Any) -> list[Listed]:
    """The contacts of a query made from `select_listed`, the first of them with their payloads."""
    found = [(Contact(*row[:-1]), int(row[-1])) for row in await conn.execute(query, values)]
    fits = fitting(size for _, size in found)
    payloads = await _payloads(conn, [contact.id for contact, _ in found[:fits]])
    for contact, _ in found[:fits]:
        contact.payload = payloads[contact.id]
    return [Listed(contact, payload_omitted=index >= fits) for index, (contact, _) in enumerate(found)]


async def _payloads(conn: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, str]:
    if not ids:
        return {}
    dialect = conn.dialect.name
    wanted = UUIDS.table(dialect)
    rows = await conn.execute(
        sa.select(contacts.c.id, contacts.c.payload).join(wanted, contacts.c.id == wanted.c.id),
        UUIDS.bound(dialect, sorted(ids)),
    )
    return {row.id: row.payload for row in rows}
