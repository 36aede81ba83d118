"""Contacts as admins read them, close them and give them by hand."""

from dataclasses import dataclass
from datetime import datetime
from random import Random
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation import close as closing
from distribution.allocation import reassignment
from distribution.allocation.close import Closed
from distribution.audit import Action, contact_state, record
from distribution.errors import MessageRejected, NotFound
from distribution.ids import first_id_at
from distribution.messages import Closing
from distribution.optimistic_locking import Edit, version_of
from distribution.selection.explain import MAX_COUNTED, unblocked_by
from distribution.store.contact_lists import Listed, select_listed, with_payloads
from distribution.store.contact_lookup import ContactState
from distribution.store.contacts import FIELDS, WAITING, Contact, count_older_waiting
from distribution.store.leads import Lead
from distribution.store.operator_pool import read_pool
from distribution.store.pagination import Page, page_of
from distribution.store.tables import contacts, leads, operators, sources


@dataclass(frozen=True, slots=True)
class ContactFilter:
    """Which contacts to list; None is any. Made at or after `created_from` and before `created_to`."""

    status: str | None = None
    source: str | None = None
    operator_id: int | None = None
    lead_id: int | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class ContactDetails:
    """A contact with whom it concerns."""

    contact: Contact
    lead: Lead
    source_code: str
    operator_name: str | None


async def page(conn: AsyncConnection, wanted: ContactFilter, before: UUID | None, limit: int) -> Page[Listed, UUID]:
    """Contacts, the newest first."""
    listed = select_listed(conn.dialect.name)
    query = listed.where(*_conditions(wanted)).order_by(contacts.c.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(contacts.c.id < before)
    return page_of(await with_payloads(conn, query), limit, lambda one: one.contact.id)


async def show(conn: AsyncConnection, contact_id: UUID) -> ContactDetails:
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
    return ContactDetails(contact, Lead(contact.lead_id, row.external_id, row.phone, row.email), row.code, row.name)


async def waiting_for(conn: AsyncConnection, contact: Contact) -> str | None:
    """What would move a waiting contact, as things stand; None for any other."""
    if contact.status != WAITING:
        return None
    older = await count_older_waiting(conn, contact, MAX_COUNTED + 1)
    return unblocked_by(await read_pool(conn, contact.source_id), contact.source_id, older)


def version(contact: Contact | ContactState) -> str:
    """Names the contact as it is now: every change of its status or operator counts its sequence up."""
    return version_of("contact", contact.id, {"sequence": contact.sequence})


async def close(
    conn: AsyncConnection,
    random: Random,
    contact_id: UUID,
    reason: str | None,
    edit: Edit,
    sources: frozenset[str] | None = None,
) -> frozenset[int]:
    """Close a contact, and fill its place; one that is closed stays so. Returns the sources to serve further.

    `sources`: codes of those whose contacts the caller may close; any other is NotFound, as if there were none.
    """
    wanted = [Closing(contact_id, None, None, reason, sources)]
    locked = await closing.lock_for(conn, wanted)
    [found] = locked.found
    if isinstance(found, MessageRejected):
        raise NotFound("contact", contact_id)
    edit.check(version(found))
    done = await closing.close(conn, locked, wanted, random)
    for closed in done.outcomes:
        if isinstance(closed, Closed) and closed.is_new:
            after = {**contact_state(closed.contact), "reason": reason}
            await record(conn, edit.who, Action.CONTACT_CLOSED, contact_id, closed.before, after)
    return done.unserved


async def assign(
    conn: AsyncConnection, random: Random, contact_id: UUID, operator_id: int, edit: Edit, *, force: bool
) -> frozenset[int]:
    """Give a contact to an operator by hand, with `force` over the limit. Returns the sources to serve further."""
    locked = await reassignment.lock_for(conn, contact_id, operator_id)
    contact = locked.held.contact
    before = contact_state(contact)
    edit.check(version(contact))
    given = await reassignment.assign(conn, random, locked, operator_id, force=force)
    action = Action.CONTACT_FORCED if given.forced else Action.CONTACT_ASSIGNED
    await record(conn, edit.who, action, contact_id, before, contact_state(contact))
    return given.unserved


def _conditions(wanted: ContactFilter) -> list[sa.ColumnElement[bool]]:
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
