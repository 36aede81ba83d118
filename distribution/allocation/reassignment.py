"""Moves contacts: by hand, or away from an operator who leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.allocator import Allocator
from distribution.allocation.load_correction import correct_before_freeing
from distribution.errors import Conflict, InvalidField, NotFound, PoolOutdated
from distribution.selection.pool import Pool
from distribution.store import contact_states
from distribution.store import contacts as contact_rows
from distribution.store import operators as operator_rows
from distribution.store.contacts import ACTIVE, CLOSED, Contact, ContactWithLead
from distribution.store.operator_pool import lock_pool

MOVE_LIMIT = 200


@dataclass(frozen=True, slots=True)
class MoveResult:
    """The operator of each moved contact (None: it waits), and the sources to serve in further transactions."""

    to: Mapping[UUID, int | None]
    unserved: frozenset[int]

    @property
    def contacts(self) -> int:
        """How many contacts were moved."""
        return len(self.to)


class LockedContact(NamedTuple):
    """A contact, and the locked pool needed to give it to an operator."""

    pool: Pool
    held: ContactWithLead


class AssignResult(NamedTuple):
    """Whether it went over the limit, and the sources to serve in further transactions."""

    forced: bool
    unserved: frozenset[int]


async def lock_for(conn: AsyncConnection, contact_id: UUID, operator_id: int) -> LockedContact:
    """Lock what is needed to give a contact to an operator; raises PoolOutdated if it moved before it was locked."""
    seen = (await contact_states.by_ids(conn, [contact_id])).get(contact_id)
    if seen is None:
        raise NotFound("contact", contact_id)
    current = {seen.operator_id} if seen.operator_id is not None else set()
    pool = await lock_pool(conn, ids=[seen.source_id], operator_ids={operator_id} | current)
    target = (await contact_rows.with_leads(conn, [contact_id]))[contact_id]
    # The operator whose place this frees must be locked with all its sources, not only with this one.
    if target.contact.operator_id != seen.operator_id:
        raise PoolOutdated("the contact moved meanwhile")
    return LockedContact(pool, target)


async def assign(
    conn: AsyncConnection, random: Random, locked: LockedContact, operator_id: int, *, force: bool
) -> AssignResult:
    """Give a contact to an operator by hand, and fill the place this frees; at the limit Conflict, unless forced."""
    pool, contact = locked.pool, locked.held.contact
    if contact.status == ACTIVE and contact.operator_id == operator_id:
        return AssignResult(forced=False, unserved=frozenset())
    await correct_before_freeing(conn, pool, [contact])
    if not await operator_rows.existing(conn, [operator_id]):
        raise InvalidField("operator_id", f"There is no operator {operator_id}.")
    over_limit = _check(pool, contact, operator_id, force=force)
    allocator = Allocator(conn, pool, random)
    allocator.give(locked.held, operator_id, forced=over_limit)
    unserved = await allocator.assign_waiting()
    await allocator.flush()
    return AssignResult(over_limit, unserved)


async def move_all(conn: AsyncConnection, random: Random, operator_id: int) -> MoveResult:
    """Move up to MOVE_LIMIT active contacts, the oldest first, from an inactive operator to others or to waiting.

    Call it again in a new transaction until none is moved. An operator found active under the lock keeps its contacts.
    """
    seen = await contact_states.oldest_active(conn, operator_id, MOVE_LIMIT)
    pool = await lock_pool(conn, ids={contact.source_id for contact in seen}, operator_ids=[operator_id])
    targets = await _still_held(conn, pool, operator_id, [contact.id for contact in seen])
    await correct_before_freeing(conn, pool, (contact for contact, _, _ in targets))
    allocator = Allocator(conn, pool, random)
    unserved = await allocator.assign_waiting()
    for target in targets:
        allocator.move_away(target)
    await allocator.flush()
    moved_to = {contact.id: contact.operator_id for contact, _, _ in targets}
    return MoveResult(moved_to, unserved)


async def _still_held(conn: AsyncConnection, pool: Pool, operator_id: int, seen: list[UUID]) -> list[ContactWithLead]:
    """The contacts that the operator still has now that everything is locked; none if the operator is active."""
    operator = pool.operators.get(operator_id)
    if operator is None or operator.is_active:
        return []
    full = await contact_rows.with_leads(conn, seen)
    targets = [t for t in full.values() if t.contact.status == ACTIVE and t.contact.operator_id == operator_id]
    if seen and not targets:
        raise PoolOutdated("every contact that was to be moved has gone meanwhile")
    return targets


def _check(pool: Pool, contact: Contact, operator_id: int, *, force: bool) -> bool:
    """Raise Conflict if the operator may not get the contact; returns whether it goes over the limit."""
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
