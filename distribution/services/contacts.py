"""Contacts as admins read them."""

from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.errors import NotFound
from distribution.ids import first_id_at
from distribution.store.contacts import FIELDS, Contact
from distribution.store.leads import Lead
from distribution.store.pages import Page, cut
from distribution.store.tables import contacts, leads, operators, sources


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which contacts to list; None is any. Made at or after `created_from` and before `created_to`."""

    status: str | None = None
    source: str | None = None
    operator_id: int | None = None
    lead_id: int | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A contact with whom it concerns."""

    contact: Contact
    lead: Lead
    source_code: str
    operator_name: str | None


async def page(conn: AsyncConnection, wanted: Wanted, before: UUID | None, limit: int) -> Page[Contact, UUID]:
    """Contacts, the newest first."""
    query = sa.select(*FIELDS).where(*_conditions(wanted)).order_by(contacts.c.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(contacts.c.id < before)
    return cut([Contact(*row) for row in await conn.execute(query)], limit, attrgetter("id"))


async def show(conn: AsyncConnection, contact_id: UUID) -> Shown:
    """One contact, or NotFound."""
    c = contacts.c
    row = (
        await conn.execute(
            sa.select(*FIELDS, leads.c.external_id, leads.c.phone, leads.c.email, sources.c.code, operators.c.name)
            .join(leads, leads.c.id == c.lead_id)
            .join(sources, sources.c.id == c.source_id)
            .outerjoin(operators, operators.c.id == c.operator_id)
            .where(c.id == contact_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("contact", contact_id)
    contact = Contact(*row[: len(FIELDS)])
    return Shown(contact, Lead(contact.lead_id, row.external_id, row.phone, row.email), row.code, row.name)


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    c = contacts.c
    found: list[sa.ColumnElement[bool]] = []
    if wanted.status is not None:
        # Part of the statement's text: only so can the index of waiting contacts be used.
        found.append(c.status == sa.bindparam(None, wanted.status, sa.String, literal_execute=True))
    if wanted.source is not None:
        of_code = sa.select(sources.c.id).where(sources.c.code == wanted.source)
        found.append(c.source_id == of_code.scalar_subquery())
    if wanted.operator_id is not None:
        found.append(c.operator_id == wanted.operator_id)
    if wanted.lead_id is not None:
        found.append(c.lead_id == wanted.lead_id)
    if wanted.created_from is not None:
        found.append(c.id >= first_id_at(wanted.created_from))
    if wanted.created_to is not None:
        found.append(c.id < first_id_at(wanted.created_to))
    return found
