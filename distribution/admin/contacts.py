"""Contacts as admins read, close and assign them."""

from dataclasses import dataclass
from datetime import datetime
from random import Random
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation import close as closing
from distribution.allocation import reassignment
from distribution.allocation.close import CloseResult
from distribution.audit import Action, contact_state, record
from distribution.errors import MessageRejected, NotFound
from distribution.ids import first_id_at
from distribution.messages import Closing
from distribution.optimistic_locking import Edit, version_of
from distribution.selection.explain import MAX_COUNTED, unblocked_by
from distribution.store.bounded_payloads import LISTED, ListedContact, with_payloads
from distribution.store.contact_states import ContactState
from distribution.store.contacts import FIELDS, WAITING, Contact, count_older_waiting
from distribution.store.leads import Lead
from distribution.store.operator_pool import read_pool
from distribution.store.pagination import Page, page_of
from distribution.store.tables import contacts, leads, operators, sources


@dataclass(frozen=True, slots=True)
class ContactFilter:
    """Which contacts to list; None is any. Created at or after `created_from` and before `created_to`."""

    status: str | None = None
    source: str | None = None
    operator_id: int | None = None
    lead_id: int | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class ContactDetails:
    """A contact with its lead, source and operator."""

    contact: Contact
    lead: Lead
    source_code: str
    operator_name: str | None


async def page(
    conn: AsyncConnection, criteria: ContactFilter, before: UUID | None, limit: int
) -> Page[ListedContact, UUID]:
    """Contacts, the newest first."""
    query = LISTED.where(*_conditions(criteria)).order_by(contacts.c.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(contacts.c.id < before)
    return page_of(await with_payloads(conn, query), limit, lambda one: one.contact.id)


async def show(conn: AsyncConnection, contact_id: UUID) -> ContactDetails:
    """Returns one contact; raises NotFound."""
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
    """Returns what would get a waiting contact assigned; None for any other contact."""
    if contact.status != WAITING:
        return None
    older = await count_older_waiting(conn, contact, MAX_COUNTED + 1)
    return unblocked_by(await read_pool(conn, contact.source_id), contact.source_id, older)


def version(contact: Contact | ContactState) -> str:
    """Returns the contact's version: every change of its status or operator increments its sequence."""
    return version_of("contact", contact.id, {"sequence": contact.sequence})


async def close(
    conn: AsyncConnection,
    random: Random,
    contact_id: UUID,
    reason: str | None,
    edit: Edit,
    sources: frozenset[str] | None = None,
) -> frozenset[int]:
    """Close a contact, and fill its place; a closed one stays as it is. Returns the sources left to serve.

    `sources`: codes of those whose contacts the caller may close; other contacts raise NotFound, as if nonexistent.
    """
    closings = [Closing(contact_id, None, None, reason, sources)]
    locked = await closing.lock_for(conn, closings)
    [state] = locked.found
    if isinstance(state, MessageRejected):
        raise NotFound("contact", contact_id)
    edit.check(version(state))
    result = await closing.close(conn, locked, closings, random)
    for outcome in result.outcomes:
        if isinstance(outcome, CloseResult) and outcome.is_new:
            after = {**contact_state(outcome.contact), "reason": reason}
            await record(conn, edit.actor, Action.CONTACT_CLOSED, contact_id, outcome.before, after)
    return result.unserved


async def assign(
    conn: AsyncConnection, random: Random, contact_id: UUID, operator_id: int, edit: Edit, *, force: bool
) -> frozenset[int]:
    """Assign a contact to an operator by hand, with `force` over the limit. Returns the sources left to serve."""
    locked = await reassignment.lock_for(conn, contact_id, operator_id)
    contact = locked.held.contact
    before = contact_state(contact)
    edit.check(version(contact))
    result = await reassignment.assign(conn, random, locked, operator_id, force=force)
    action = Action.CONTACT_FORCED if result.forced else Action.CONTACT_ASSIGNED
    await record(conn, edit.actor, action, contact_id, before, contact_state(contact))
    return result.unserved


def _conditions(criteria: ContactFilter) -> list[sa.ColumnElement[bool]]:
    c = contacts.c
    conditions: list[sa.ColumnElement[bool]] = []
    if criteria.status is not None:
        # A literal in the statement: with a parameter the index of waiting contacts cannot be used.
        conditions.append(c.status == sa.bindparam(None, criteria.status, sa.String, literal_execute=True))
    if criteria.source is not None:
        of_code = sa.select(sources.c.id).where(sources.c.code == criteria.source)
        conditions.append(c.source_id == of_code.scalar_subquery())
    if criteria.operator_id is not None:
        conditions.append(c.operator_id == criteria.operator_id)
    if criteria.lead_id is not None:
        conditions.append(c.lead_id == criteria.lead_id)
    if criteria.created_from is not None:
        conditions.append(c.id >= first_id_at(criteria.created_from))
    if criteria.created_to is not None:
        conditions.append(c.id < first_id_at(criteria.created_to))
    return conditions
