"""Closes contacts, and fills their places in the same transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.allocator import Allocator
from distribution.allocation.load_correction import correct_before_freeing
from distribution.allocation.transaction_result import Result
from distribution.audit import State, contact_state
from distribution.errors import MessageRejected, ParkedCode, PoolOutdated
from distribution.events import Change
from distribution.messages import ROUNDED, Closing
from distribution.selection.pool import Pool
from distribution.store import contact_states
from distribution.store import contacts as contact_rows
from distribution.store import sources as source_rows
from distribution.store.contact_states import ContactState
from distribution.store.contacts import ACTIVE, CLOSED, Contact
from distribution.store.operator_pool import lock_pool


@dataclass(frozen=True, slots=True)
class CloseResult:
    """The contact of a closing, and its state before; `is_new` is false if it was closed by an earlier one."""

    contact: Contact
    is_new: bool
    before: State
    change: Change | None
    """Its closing, if this transaction made it."""


class LockedClosings(NamedTuple):
    """The locked pool that closing needs, and for each closing its contact as it is under the locks."""

    pool: Pool
    found: list[ContactState | MessageRejected]


async def find(conn: AsyncConnection, closings: Sequence[Closing]) -> list[ContactState | MessageRejected]:
    """The state of the contact that each closing names, or why the closing is rejected."""
    codes = {c.source for c in closings if c.contact_id is None and c.source is not None}
    codes |= {code for c in closings if c.contact_id is not None for code in c.sources or ()}
    ids = await source_rows.ids_by_code(conn, codes) if codes else {}
    keys = {
        (ids[c.source], c.message_id) for c in closings if c.contact_id is None and c.source in ids and c.message_id
    }
    by_key = await contact_states.by_message_ids(conn, sorted(keys)) if keys else {}
    named = {c.contact_id for c in closings if c.contact_id is not None}
    by_id = await contact_states.by_ids(conn, named) if named else {}

    def find_one(closing: Closing) -> ContactState | MessageRejected:
        if closing.contact_id is None:
            return _contact_of_producer(
                closing, by_key.get((ids.get(closing.source or "", 0), closing.message_id or ""), {})
            )
        contact = by_id.get(closing.contact_id)
        if contact is None:
            return _unknown_contact(closing)
        if closing.sources is not None and contact.source_id not in {ids.get(code) for code in closing.sources}:
            return _not_allowed(closing)
        return contact

    return [find_one(closing) for closing in closings]


async def lock_for(conn: AsyncConnection, closings: Sequence[Closing], codes: Collection[str] = ()) -> LockedClosings:
    """Lock the sources and operators that closing these contacts needs, and the sources of these codes.

    An operator whose place becomes free must be locked with all its sources, so that a contact of any of them can get
    the place: raises PoolOutdated if a contact got an operator between being looked up and being locked.
    """
    source_ids, operator_ids = ids_to_lock(await find(conn, closings))
    pool = await lock_pool(conn, codes=codes, ids=source_ids, operator_ids=operator_ids)
    states = await find(conn, closings)
    now_source_ids, now_operator_ids = ids_to_lock(states)
    if not (now_source_ids <= set(pool.sources) and now_operator_ids <= operator_ids):
        raise PoolOutdated("a contact to be closed moved meanwhile")
    return LockedClosings(pool, states)


async def close(
    conn: AsyncConnection, locked: LockedClosings, closings: Sequence[Closing], random: Random
) -> Result[CloseResult | MessageRejected]:
    """Close contacts under the locks of `lock_for`, assign waiting ones; raises PoolOutdated if a lock is missing."""
    if not closings:
        return Result([], [])
    pool, states = locked
    full = await contact_rows.with_leads(conn, {state.id for state in states if isinstance(state, ContactState)})
    await correct_before_freeing(conn, pool, (contact for contact, _, _ in full.values()))
    allocator = Allocator(conn, pool, random)
    outcomes: list[CloseResult | MessageRejected] = []
    for closing, state in zip(closings, states, strict=True):
        if isinstance(state, MessageRejected):
            outcomes.append(state)
            continue
        contact = full[state.id].contact
        is_new, before = contact.status != CLOSED, contact_state(contact)
        if is_new:
            _check_locked(pool, contact)
            allocator.close(full[state.id], closing.reason)
        outcomes.append(CloseResult(contact, is_new, before, allocator.recorder.changes.get(contact.id)))
    unserved = await allocator.assign_waiting()
    return Result(outcomes, await allocator.flush(), unserved)


def _check_locked(pool: Pool, contact: Contact) -> None:
    operator_id = contact.operator_id if contact.status == ACTIVE else None
    if contact.source_id not in pool.sources or (operator_id is not None and operator_id not in pool.operators):
        raise PoolOutdated("a contact to be closed moved meanwhile")


def _contact_of_producer(closing: Closing, by_producer: Mapping[str, ContactState]) -> ContactState | MessageRejected:
    """The contact, by producer: of the producer that the closing names, else without one, else the only one."""
    without_producer = by_producer.get("")
    if closing.producer:
        # An earlier release stored no producer, not even of a CloudEvent.
        former = without_producer if without_producer and without_producer.format == ROUNDED else None
        return by_producer.get(closing.producer) or former or _unknown_contact(closing)
    if without_producer or len(by_producer) <= 1:
        return without_producer or next(iter(by_producer.values()), None) or _unknown_contact(closing)
    detail = f"Several contacts have {closing.named}; add producer, the source of the CloudEvent that asked for it."
    return MessageRejected(ParkedCode.INVALID_MESSAGE, detail, "producer", closing.source)


def _unknown_contact(closing: Closing) -> MessageRejected:
    detail = f"There is no contact {closing.named}; submit it before it is closed."
    return MessageRejected(ParkedCode.UNKNOWN_CONTACT, detail, "contact_id", _claimed_source(closing))


def _not_allowed(closing: Closing) -> MessageRejected:
    detail = f"The sender may not close contact {closing.named}: it is of a source that the sender may not use."
    return MessageRejected(ParkedCode.NOT_ALLOWED, detail, "contact_id", _claimed_source(closing))


def _claimed_source(closing: Closing) -> str | None:
    """The source that names the contact; beside an id it is only the sender's claim, and decides nothing."""
    return None if closing.contact_id is not None else closing.source


def ids_to_lock(states: Sequence[ContactState | MessageRejected]) -> tuple[set[int], set[int]]:
    """(source ids, operator ids) to lock for closing these contacts."""
    unclosed = [state for state in states if isinstance(state, ContactState) and state.status != CLOSED]
    return {c.source_id for c in unclosed}, {c.operator_id for c in unclosed if c.operator_id is not None}
