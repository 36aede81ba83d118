"""Contacts as admins read them, close them and give them by hand."""

from dataclasses import dataclass
from datetime import datetime
from random import Random
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation import close as closing
from distribution.allocation import reassignment
from distribution.allocation.unit_of_work import FORCED
from distribution.audit import Action, contact_state, record
from distribution.errors import MessageRejected, NotFound, PoolOutdated
from distribution.ids import first_id_at
from distribution.messages import Closing
from distribution.selection.explain import MAX_COUNTED, unblocked_by
from distribution.store import decisions as decision_rows
from distribution.store.contact_lists import Listed, select_listed, with_payloads
from distribution.store.contacts import FIELDS, WAITING, Contact, by_ids, count_older_waiting
from distribution.store.leads import Lead
from distribution.store.pagination import Page, page_of
from distribution.store.pools import lock_pool, read_pool
from distribution.store.tables import contacts, leads, operators, sources
from distribution.versions import Edit, version_of


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


def version(contact: Contact) -> str:
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
    pool = await closing.lock_for(conn, wanted)
    if isinstance((await closing.find(conn, wanted))[0], MessageRejected):
        raise NotFound("contact", contact_id)
    before = await _one(conn, contact_id)
    edit.check(version(before))
    done = await closing.close(conn, pool, wanted, random)
    after = await _one(conn, contact_id)
    if version(before) != version(after):
        closed = {**contact_state(after), "reason": reason}
        await record(conn, edit.who, Action.CONTACT_CLOSED, contact_id, contact_state(before), closed)
    return done.unserved


async def assign(
    conn: AsyncConnection, random: Random, contact_id: UUID, operator_id: int, edit: Edit, *, force: bool
) -> frozenset[int]:
    """Give a contact to an operator by hand, with `force` over the limit. Returns the sources to serve further."""
    before = await _locked(conn, contact_id, operator_id)
    edit.check(version(before))
    unserved = await reassignment.assign(conn, random, contact_id, operator_id, force=force)
    after = await _one(conn, contact_id)
    reason = (await decision_rows.of_contact(conn, contact_id))[-1].reason
    action = Action.CONTACT_FORCED if reason == FORCED else Action.CONTACT_ASSIGNED
    await record(conn, edit.who, action, contact_id, contact_state(before), contact_state(after))
    return unserved


async def _locked(conn: AsyncConnection, contact_id: UUID, operator_id: int) -> Contact:
    """The contact, under the locks that giving it to the operator takes again."""
    seen = await _one(conn, contact_id)
    held = set() if seen.operator_id is None else {seen.operator_id}
    await lock_pool(conn, ids=[seen.source_id], operator_ids={operator_id} | held)
    found = await _one(conn, contact_id)
    if found.operator_id != seen.operator_id:
        raise PoolOutdated("the contact moved meanwhile")
    return found


async def _one(conn: AsyncConnection, contact_id: UUID) -> Contact:
    found = (await by_ids(conn, [contact_id])).get(contact_id)
    if found is None:
        raise NotFound("contact", contact_id)
    return found


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
