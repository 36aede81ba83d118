"""Contacts that people move: given by hand, or taken from an operator who leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.load_correction import correct_before_freeing
from distribution.allocation.unit_of_work import UnitOfWork
from distribution.errors import Conflict, InvalidField, NotFound, PoolOutdated
from distribution.selection.pool import Pool
from distribution.store import contact_lookup
from distribution.store import contacts as contact_rows
from distribution.store import operators as operator_rows
from distribution.store.contacts import ACTIVE, CLOSED, Contact, ContactWithLead
from distribution.store.operator_pool import lock_pool

MOVE_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Moved:
    """Which contacts went to which operator (None: to waiting), and the sources to serve in further transactions."""

    to: Mapping[UUID, int | None]
    unserved: frozenset[int]

    @property
    def contacts(self) -> int:
        """How many."""
        return len(self.to)


class LockedContact(NamedTuple):
    """A contact under the locks that giving it to an operator takes."""

    pool: Pool
    held: ContactWithLead


class Given(NamedTuple):
    """Whether it took force, and the sources to serve in further transactions."""

    forced: bool
    unserved: frozenset[int]


async def lock_for(conn: AsyncConnection, contact_id: UUID, operator_id: int) -> LockedContact:
    """Lock what giving a contact to an operator takes; raises PoolOutdated if it moved before it was locked."""
    seen = (await contact_lookup.by_ids(conn, [contact_id])).get(contact_id)
    if seen is None:
        raise NotFound("contact", contact_id)
    held = {seen.operator_id} if seen.operator_id is not None else set()
    pool = await lock_pool(conn, ids=[seen.source_id], operator_ids={operator_id} | held)
    found = (await contact_rows.with_leads(conn, [contact_id]))[contact_id]
    # Whose place this frees has to be locked with all its sources, not only with this one.
    if found.contact.operator_id != seen.operator_id:
        raise PoolOutdated("the contact moved meanwhile")
    return LockedContact(pool, found)


async def assign(
    conn: AsyncConnection, random: Random, locked: LockedContact, operator_id: int, *, force: bool
) -> Given:
    """Give a waiting or active contact to an operator by hand; a place this frees is filled.

    At the limit it is a Conflict, unless forced.
    """
    pool, contact = locked.pool, locked.held.contact
    if contact.status == ACTIVE and contact.operator_id == operator_id:
        return Given(forced=False, unserved=frozenset())
    await correct_before_freeing(conn, pool, [contact])
    if not await operator_rows.existing(conn, [operator_id]):
        raise InvalidField("operator_id", f"There is no operator {operator_id}.")
    over = _check(pool, contact, operator_id, force=force)
    ledger = UnitOfWork(conn, pool, random)
    ledger.give(locked.held, operator_id, forced=over)
    unserved = await ledger.assign_waiting()
    await ledger.flush()
    return Given(over, unserved)


async def move_all(conn: AsyncConnection, random: Random, operator_id: int) -> Moved:
    """Move up to MOVE_LIMIT active contacts, the oldest first, from an inactive operator to others or to waiting.

    Call again in a new transaction until none is moved. An operator that is active under the lock keeps its contacts.
    """
    seen = await contact_lookup.oldest_active(conn, operator_id, MOVE_LIMIT)
    pool = await lock_pool(conn, ids={contact.source_id for contact in seen}, operator_ids=[operator_id])
    held = await _still_held(conn, pool, operator_id, [contact.id for contact in seen])
    await correct_before_freeing(conn, pool, (contact for contact, _, _ in held))
    ledger = UnitOfWork(conn, pool, random)
    unserved = await ledger.assign_waiting()
    for one in held:
        ledger.move_away(one)
    await ledger.flush()
    to = {contact.id: contact.operator_id for contact, _, _ in held}
    return Moved(to, unserved)


async def _still_held(conn: AsyncConnection, pool: Pool, operator_id: int, seen: list[UUID]) -> list[ContactWithLead]:
    """Those of the contacts that are to be moved now that everything is locked."""
    operator = pool.operators.get(operator_id)
    if operator is None or operator.is_active:
        return []
    full = await contact_rows.with_leads(conn, seen)
    held = [each for each in full.values() if each.contact.status == ACTIVE and each.contact.operator_id == operator_id]
    if seen and not held:
        raise PoolOutdated("every contact that was to be moved has gone meanwhile")
    return held


def _check(pool: Pool, contact: Contact, operator_id: int, *, force: bool) -> bool:
    """Whether the operator may have the contact; returns whether that takes it over the limit."""
    operator = pool.operators[operator_id]
    if contact.status == CLOSED:
        raise Conflict(f"Contact {contact.id} is closed.")
    if not operator.is_active:
        raise Conflict(f"{operator.name} is not active; activate the operator first.")
    full = operator.load >= operator.max_active_contacts
    if full and not force:
        taken = f"{operator.load} of {operator.max_active_contacts} places taken"
        raise Conflict(f"{operator.name} has {taken}; close a contact, raise the limit, or force it.")
    return full
