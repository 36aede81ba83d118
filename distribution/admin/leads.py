"""Leads with their contacts, as admins read them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution import normalize
from distribution.errors import NotFound
from distribution.ids import LOWEST_ID
from distribution.store.bounded_payloads import LISTED, ListedContact, with_payloads
from distribution.store.dialects import IDS
from distribution.store.leads import Lead
from distribution.store.pagination import Page, page_of
from distribution.store.tables import contacts, leads

Detail = Literal["phone", "email"]

NEWEST = 20
DUPLICATES = 20


@dataclass(frozen=True, slots=True)
class LeadDetails:
    """A lead, its newest contacts and how many there are."""

    id: int
    external_id: str
    phone: str | None
    email: str | None
    created_at: datetime
    contacts_total: int
    contacts: list[ListedContact] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Another lead that may be the same customer, and what it has in common: `phone`, `email`, or both."""

    lead: Lead
    same: list[Detail]


@dataclass(frozen=True, slots=True)
class LeadFilter:
    """Which leads to list; None is any. A phone or e-mail is found as sent, or by one of its normal forms."""

    external_id: str | None = None
    phone: str | None = None
    email: str | None = None
    phones: Sequence[str] = ()
    emails: Sequence[str] = ()


async def page(conn: AsyncConnection, criteria: LeadFilter, before: int | None, limit: int) -> Page[LeadDetails, int]:
    """Leads, the newest first."""
    query = _select().where(*_conditions(criteria)).order_by(leads.c.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(leads.c.id < before)
    page = page_of([LeadDetails(*row) for row in await conn.execute(query)], limit, lambda lead: lead.id)
    await _add_contacts(conn, page.items)
    return page


async def show(conn: AsyncConnection, lead_id: int) -> LeadDetails:
    """Returns one lead; raises NotFound."""
    row = (await conn.execute(_select().where(leads.c.id == lead_id))).one_or_none()
    if row is None:
        raise NotFound("lead", lead_id)
    lead = LeadDetails(*row)
    await _add_contacts(conn, [lead])
    return lead


async def possible_duplicates(conn: AsyncConnection, lead_id: int, phone_region: str = "") -> list[Duplicate]:
    """Other leads with the same phone or e-mail, however written, the newest first; they are not merged."""
    c = leads.c
    columns: dict[Detail, sa.Column[str | None]] = {"phone": c.phone_normalized, "email": c.email_normalized}
    known = (await conn.execute(sa.select(c.phone, c.email, *columns.values()).where(c.id == lead_id))).one()
    own: dict[Detail, set[str]] = {
        "phone": {*normalize.phone_spellings(known.phone, phone_region), known.phone_normalized or ""},
        "email": {*normalize.email_spellings(known.email), known.email_normalized or ""},
    }
    by_id: dict[int, Duplicate] = {}
    # One statement for each value: it reads the index from the end and stops, however many leads share the value.
    for detail, value in ((name, value) for name, values in own.items() for value in values if value):
        rows = await conn.execute(
            sa.select(c.id, c.external_id, c.phone, c.email, *columns.values())
            .where(columns[detail] == value, c.id != lead_id)
            .order_by(c.id.desc())
            .limit(DUPLICATES)
        )
        for *lead, phone, email in rows:
            other: dict[Detail, str | None] = {"phone": phone, "email": email}
            by_id[lead[0]] = Duplicate(Lead(*lead), [name for name in own if other[name] in own[name]])
    return [by_id[key] for key in sorted(by_id, reverse=True)[:DUPLICATES]]


def _conditions(criteria: LeadFilter) -> list[sa.ColumnElement[bool]]:
    c = leads.c
    conditions = [] if criteria.external_id is None else [c.external_id == criteria.external_id]
    for sent, raw, normalized, spellings in (
        (c.phone, criteria.phone, c.phone_normalized, criteria.phones),
        (c.email, criteria.email, c.email_normalized, criteria.emails),
    ):
        if raw is not None:
            conditions.append(sa.or_(sent == raw, normalized.in_(spellings)) if spellings else sent == raw)
    return conditions


def _select() -> sa.Select[int, str, str | None, str | None, datetime, int]:
    total = sa.select(sa.func.count()).where(contacts.c.lead_id == leads.c.id).scalar_subquery()
    c = leads.c
    return sa.select(c.id, c.external_id, c.phone, c.email, c.created_at, total)


async def _add_contacts(conn: AsyncConnection, details: Sequence[LeadDetails]) -> None:
    """Add the newest contacts of all leads, in one statement that reads no more rows than it returns."""
    if not details:
        return
    by_id = {lead.id: lead for lead in details}
    other = contacts.alias("other")
    oldest = (
        sa.select(other.c.id)
        .where(other.c.lead_id == IDS.c.id)
        .order_by(other.c.id.desc())
        .offset(NEWEST - 1)
        .limit(1)
        .scalar_subquery()
    )
    ranges = sa.select(IDS.c.id, sa.func.coalesce(oldest, LOWEST_ID, type_=sa.Uuid()).label("oldest")).cte()
    # In the order in which they are shown: payloads are omitted from the end.
    query = LISTED.join(ranges, sa.and_(contacts.c.lead_id == ranges.c.id, contacts.c.id >= ranges.c.oldest)).order_by(
        contacts.c.lead_id.desc(), contacts.c.id.desc()
    )
    for listed in await with_payloads(conn, query, **IDS.bound(conn, sorted(by_id))):
        by_id[listed.contact.lead_id].contacts.append(listed)
