"""Contacts as the transactions that assign and close them read and write them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.event_shapes import OperatorReference
from distribution.store.bulk import columns_of, insert_columns, update_fields
from distribution.store.column_types import NumberedId
from distribution.store.dialects import IDS, UUIDS, ValuesTable
from distribution.store.leads import Lead
from distribution.store.tables import contacts, decisions, leads, operators

WAITING, ACTIVE, CLOSED = "waiting", "active", "closed"


@dataclass(slots=True)
class Contact:
    """A row of `contacts`; `payload` is JSON text.

    `producer`: whose key `message_id` is: the `source` of a CloudEvent, else empty. `format`: of `digest`, as in
    `messages.digest`.
    """

    id: UUID
    source_id: int
    message_id: str
    digest: bytes
    lead_id: int
    operator_id: int | None
    status: str
    payload: str
    traceparent: str | None
    sequence: int
    created_at: datetime
    assigned_at: datetime | None = None
    closed_at: datetime | None = None
    producer: str = ""
    format: int = 0


class ContactKey(NamedTuple):
    """The idempotency key that a contact was submitted with."""

    source_id: int
    message_id: str
    producer: str


class ContactWithLead(NamedTuple):
    """A contact, its lead, and the operator who had it before it waited again."""

    contact: Contact
    lead: Lead
    previous: OperatorReference | None


CHANGING = ("operator_id", "status", "sequence", "assigned_at", "closed_at")
FIELDS = tuple(contacts.c[name] for name in Contact.__slots__)
KEYS = ValuesTable("keys", source_id=NumberedId, message_id=sa.Text(), producer=sa.Text())
IS_WAITING = contacts.c.status == sa.literal_column("'waiting'")
"""A literal, since with a parameter PostgreSQL cannot tell that the partial index applies."""


BY_KEYS = sa.select(*FIELDS).join(KEYS, sa.and_(*(contacts.c[name] == KEYS.c[name] for name in ContactKey._fields)))
LAST_OPERATOR = (
    sa.select(contacts.c.operator_id)
    .where(contacts.c.lead_id == IDS.c.id, contacts.c.operator_id.is_not(None))
    .order_by(contacts.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
LAST_OPERATORS = sa.select(IDS.c.id, LAST_OPERATOR)
WITH_LEADS = (
    sa.select(*FIELDS, leads.c.external_id, leads.c.phone, leads.c.email, operators.c.id, operators.c.name)
    .join(leads, leads.c.id == contacts.c.lead_id)
    .join(decisions, sa.and_(decisions.c.contact_id == contacts.c.id, decisions.c.sequence == contacts.c.sequence))
    .outerjoin(operators, operators.c.id == decisions.c.previous_operator_id)
    .where(contacts.c.id.in_(sa.select(UUIDS.c.id)))
    .order_by(contacts.c.id)
)


async def by_keys(conn: AsyncConnection, keys: Sequence[ContactKey]) -> dict[ContactKey, Contact]:
    """The contacts that were submitted with these keys."""
    rows = await conn.execute(BY_KEYS, KEYS.bound(conn, *zip(*keys, strict=True)))
    return {ContactKey(row.source_id, row.message_id, row.producer): Contact(*row) for row in rows}


async def count_older_waiting(conn: AsyncConnection, contact: Contact, up_to: int) -> int:
    """Returns how many contacts of its source have waited longer than this one, at most `up_to`."""
    c = contacts.c
    older = sa.select(c.id).where(c.source_id == contact.source_id, IS_WAITING, c.id < contact.id)
    counted = sa.select(sa.func.count()).select_from(older.limit(up_to).subquery())
    return (await conn.execute(counted)).scalar_one()


async def with_leads(conn: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, ContactWithLead]:
    """Returns contacts by id, each with its lead and, if it waits again, the operator who had it before."""
    rows = await conn.execute(WITH_LEADS, UUIDS.bound(conn, sorted(ids)))
    return {row[0]: _contact_with_lead(row) for row in rows}


def _contact_with_lead(row: Sequence[Any]) -> ContactWithLead:
    contact = Contact(*row[: len(FIELDS)])
    external_id, phone, email, previous_id, previous_name = row[len(FIELDS) :]
    previous: OperatorReference | None = None if previous_id is None else {"id": previous_id, "name": previous_name}
    return ContactWithLead(contact, Lead(contact.lead_id, external_id, phone, email), previous)


async def last_operators(conn: AsyncConnection, lead_ids: Iterable[int]) -> dict[int, int]:
    """Returns by lead the operator of its newest contact that had one."""
    rows = await conn.execute(LAST_OPERATORS, IDS.bound(conn, sorted(lead_ids)))
    return {lead_id: operator_id for lead_id, operator_id in rows if operator_id is not None}


async def insert(conn: AsyncConnection, new: Sequence[Contact]) -> None:
    """Write new contacts."""
    await insert_columns(conn, contacts, columns_of(new))


async def update(conn: AsyncConnection, changed: Sequence[Contact]) -> None:
    """Write the fields that can change of contacts that were read under lock."""
    await update_fields(conn, contacts, CHANGING, changed)
