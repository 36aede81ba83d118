"""Contacts as the transactions that assign and close them read and write them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.bulk import IDS, UUIDS, ValuesTable, columns_of, insert_columns
from distribution.store.column_types import NumberedId
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


@dataclass(frozen=True, slots=True)
class OperatorName:
    """An operator as events name it."""

    id: int
    name: str


class ContactWithLead(NamedTuple):
    """A contact, its lead, and the operator who had it before it waited again."""

    contact: Contact
    lead: Lead
    previous: OperatorName | None


CHANGING = ("operator_id", "status", "sequence", "assigned_at", "closed_at")
FIELDS = tuple(contacts.c[name] for name in Contact.__slots__)
LEAD_FIELDS = (leads.c.external_id, leads.c.phone, leads.c.email)
KEYS = ValuesTable("keys", source_id=NumberedId, message_id=sa.Text(), producer=sa.Text())
IS_WAITING = contacts.c.status == sa.literal_column("'waiting'")
"""A literal, since with a parameter PostgreSQL cannot tell that the partial index applies."""


async def by_keys(conn: AsyncConnection, keys: Sequence[ContactKey]) -> dict[ContactKey, Contact]:
    """The contacts that were submitted with these keys."""
    dialect = conn.dialect.name
    rows = await conn.execute(_by_keys(dialect), KEYS.bound(dialect, *zip(*keys, strict=True)))
    return {ContactKey(row.source_id, row.message_id, row.producer): Contact(*row) for row in rows}


@cache
def _by_keys(dialect: str) -> sa.Select[*tuple[Any, ...]]:
    c, key_table = contacts.c, KEYS.table(dialect)
    same_key = (c[name] == key_table.c[name] for name in ContactKey._fields)
    return sa.select(*FIELDS).join(key_table, sa.and_(*same_key))


async def by_ids(conn: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Contact]:
    """Contacts by id."""
    dialect = conn.dialect.name
    rows = await conn.execute(_by_ids(dialect), UUIDS.bound(dialect, sorted(ids)))
    return {row.id: Contact(*row) for row in rows}


@cache
def _by_ids(dialect: str) -> sa.Select[*tuple[Any, ...]]:
    id_table = UUIDS.table(dialect)
    return sa.select(*FIELDS).join(id_table, contacts.c.id == id_table.c.id)


async def count_older_waiting(conn: AsyncConnection, contact: Contact, up_to: int) -> int:
    """Returns how many contacts of its source have waited longer than this one, at most `up_to`."""
    c = contacts.c
    older = sa.select(c.id).where(c.source_id == contact.source_id, IS_WAITING, c.id < contact.id)
    counted = sa.select(sa.func.count()).select_from(older.limit(up_to).subquery())
    return (await conn.execute(counted)).scalar_one()


async def with_leads(conn: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, ContactWithLead]:
    """Returns contacts by id, each with its lead and, if it waits again, the operator who had it before."""
    dialect = conn.dialect.name
    query = _with_leads().where(contacts.c.id.in_(sa.select(UUIDS.table(dialect).c.id)))
    return {row.id: _contact_with_lead(row) for row in await conn.execute(query, UUIDS.bound(dialect, sorted(ids)))}


def _with_leads() -> sa.Select[*tuple[Any, ...]]:
    c, d = contacts.c, decisions.c
    return (
        sa.select(*FIELDS, *LEAD_FIELDS, d.previous_operator_id, operators.c.name)
        .join(leads, leads.c.id == c.lead_id)
        .join(decisions, sa.and_(d.contact_id == c.id, d.sequence == c.sequence))
        .outerjoin(operators, operators.c.id == d.previous_operator_id)
        .order_by(c.id)
    )


def _contact_with_lead(row: Sequence[Any]) -> ContactWithLead:
    contact = Contact(*row[: len(FIELDS)])
    external_id, phone, email, previous_id, previous_name = row[len(FIELDS) :]
    previous = None if previous_id is None else OperatorName(previous_id, previous_name)
    return ContactWithLead(contact, Lead(contact.lead_id, external_id, phone, email), previous)


async def last_operators(conn: AsyncConnection, lead_ids: Iterable[int]) -> dict[int, int]:
    """Returns by lead the operator of its newest contact that had one."""
    dialect = conn.dialect.name
    rows = await conn.execute(_last_operators(dialect), IDS.bound(dialect, sorted(lead_ids)))
    return {lead_id: operator_id for lead_id, operator_id in rows if operator_id is not None}


@cache
def _last_operators(dialect: str) -> sa.Select[int, int | None]:
    c, lead_table = contacts.c, IDS.table(dialect)
    newest = (
        sa.select(c.operator_id)
        .where(c.lead_id == lead_table.c.id, c.operator_id.is_not(None))
        .order_by(c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return sa.select(lead_table.c.id, newest)


async def insert(conn: AsyncConnection, new: Sequence[Contact]) -> None:
    """Write new contacts."""
    await insert_columns(conn, contacts, columns_of(new))


async def update(conn: AsyncConnection, changed: Sequence[Contact]) -> None:
    """Write the fields that can change of contacts that were read under lock."""
    if not changed:
        return
    rows: list[dict[str, Any]] = [
        {"contact_id": contact.id, **{f"new_{name}": getattr(contact, name) for name in CHANGING}}
        for contact in changed
    ]
    await conn.execute(_update(), rows)


@cache
def _update() -> sa.Update:
    return (
        sa.update(contacts)
        .where(contacts.c.id == sa.bindparam("contact_id"))
        .values({name: sa.bindparam(f"new_{name}") for name in CHANGING})
    )
