"""Contacts as lists show them: payloads up to a total size, in order; those beyond it are neither fetched nor shown."""

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.contacts import FIELDS, Contact
from distribution.store.dialects import UUIDS, octets
from distribution.store.pagination import fitting
from distribution.store.tables import contacts


class ListedContact(NamedTuple):
    """A contact in a list; if `payload_omitted`, its payload is null instead of the one that was sent."""

    contact: Contact
    payload_omitted: bool


NO_PAYLOAD: sa.ColumnElement[str] = sa.literal_column("'null'", sa.Text)
LISTED = sa.select(
    *[NO_PAYLOAD if field is contacts.c.payload else field for field in FIELDS], octets(contacts.c.payload)
)
"""Contacts without their payloads, for `with_payloads`; the caller adds conditions and an order."""
PAYLOADS = sa.select(contacts.c.id, contacts.c.payload).join(UUIDS, contacts.c.id == UUIDS.c.id)


async def with_payloads(
    conn: AsyncConnection, query: sa.Select[*tuple[Any, ...]], **values: Any
) -> list[ListedContact]:
    """Returns the contacts of a query built on LISTED, the first of them with their payloads."""
    sized = [(Contact(*row[:-1]), int(row[-1])) for row in await conn.execute(query, values)]
    fits = fitting(size for _, size in sized)
    ids = sorted(contact.id for contact, _ in sized[:fits])
    payloads = {row.id: row.payload for row in await conn.execute(PAYLOADS, UUIDS.bound(conn, ids))} if ids else {}
    for contact, _ in sized[:fits]:
        contact.payload = payloads[contact.id]
    return [ListedContact(contact, payload_omitted=index >= fits) for index, (contact, _) in enumerate(sized)]
