"""Contacts are closed, and their places filled in the same transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.load_correction import correct_before_freeing
from distribution.allocation.result import Result
from distribution.allocation.unit_of_work import UnitOfWork
from distribution.audit import State, contact_state
from distribution.errors import MessageRejected, ParkedCode, PoolOutdated
from distribution.events import Change
from distribution.messages import ROUNDED, Closing
from distribution.selection.pool import Pool
from distribution.store import contact_lookup
from distribution.store import contacts as contact_rows
from distribution.store import sources as source_rows
from distribution.store.contact_lookup import ContactState
from distribution.store.contacts import ACTIVE, CLOSED, Contact
from distribution.store.operator_pool import lock_pool


@dataclass(frozen=True, slots=True)
class Closed:
    """The contact of a closing; `is_new` is false where it was closed before.

    `before`: its state before this closing. `told`: its closing event if that was made in this transaction.
    """

    contact: Contact
    is_new: bool
    before: State
    told: Change | None


class LockedClosings(NamedTuple):
    """What closing takes, locked, and for each closing the contact that it names, as it stands under the locks."""

    pool: Pool
    found: list[ContactState | MessageRejected]


async def find(conn: AsyncConnection, closings: Sequence[Closing]) -> list[ContactState | MessageRejected]:
    """Where the contact that each closing names stands, or why it cannot be closed by it."""
    codes = {c.source for c in closings if c.contact_id is None and c.source is not None}
    codes |= {code for c in closings if c.contact_id is not None for code in c.sources or ()}
    ids = await source_rows.ids_by_code(conn, codes) if codes else {}
    keys = {
        (ids[c.source], c.message_id) for c in closings if c.contact_id is None and c.source in ids and c.message_id
    }
    by_key = await contact_lookup.by_message_ids(conn, sorted(keys)) if keys else {}
    named = {c.contact_id for c in closings if c.contact_id is not None}
    by_id = await contact_lookup.by_ids(conn, named) if named else {}

    def found(closing: Closing) -> ContactState | MessageRejected:
        if closing.contact_id is None:
            return _of_producer(closing, by_key.get((ids.get(closing.source or "", 0), closing.message_id or ""), {}))
        contact = by_id.get(closing.contact_id)
        if contact is None:
            return _unknown_contact(closing)
        if closing.sources is not None and contact.source_id not in {ids.get(code) for code in closing.sources}:
            return _not_allowed(closing)
        return contact

    return [found(closing) for closing in closings]


async def lock_for(conn: AsyncConnection, closings: Sequence[Closing], codes: Collection[str] = ()) -> LockedClosings:
    """Lock what closing these contacts takes, and besides it the sources of these codes.

    Whose place becomes free has to be locked with all its sources, so that contacts of any of them can have it: raises
    PoolOutdated if a contact got an operator between being looked up and being locked.
    """
    source_ids, operator_ids = concerned(await find(conn, closings))
    pool = await lock_pool(conn, codes=codes, ids=source_ids, operator_ids=operator_ids)
    found = await find(conn, closings)
    now_in, now_with = concerned(found)
    if not (now_in <= set(pool.sources) and now_with <= operator_ids):
        raise PoolOutdated("a contact to be closed moved meanwhile")
    return LockedClosings(pool, found)


async def close(
    conn: AsyncConnection, locked: LockedClosings, closings: Sequence[Closing], random: Random
) -> Result[Closed | MessageRejected]:
    """Close contacts under the locks of `lock_for`, and serve who waited; raises PoolOutdated if they lack one."""
    if not closings:
        return Result([], [])
    pool, found = locked
    full = await contact_rows.with_leads(conn, {contact.id for contact in found if isinstance(contact, ContactState)})
    await correct_before_freeing(conn, pool, (contact for contact, _, _ in full.values()))
    ledger = UnitOfWork(conn, pool, random)
    outcomes: list[Closed | MessageRejected] = []
    for closing, named in zip(closings, found, strict=True):
        if isinstance(named, MessageRejected):
            outcomes.append(named)
            continue
        contact = full[named.id].contact
        is_new, before = contact.status != CLOSED, contact_state(contact)
        if is_new:
            _check_locked(pool, contact)
            ledger.close(full[named.id], closing.reason)
        outcomes.append(Closed(contact, is_new, before, ledger.told.get(contact.id)))
    unserved = await ledger.assign_waiting()
    return Result(outcomes, await ledger.flush(), unserved)


def _check_locked(pool: Pool, contact: Contact) -> None:
    held = contact.operator_id if contact.status == ACTIVE else None
    if contact.source_id not in pool.sources or (held is not None and held not in pool.operators):
        raise PoolOutdated("a contact to be closed moved meanwhile")


def _of_producer(closing: Closing, found: Mapping[str, ContactState]) -> ContactState | MessageRejected:
    """The contact among those of a message_id: of the producer that is named, else without one, else the only one."""
    plain = found.get("")
    if closing.producer:
        # Of a CloudEvent too an earlier release kept no producer.
        former = plain if plain and plain.format == ROUNDED else None
        return found.get(closing.producer) or former or _unknown_contact(closing)
    if plain or len(found) <= 1:
        return plain or next(iter(found.values()), None) or _unknown_contact(closing)
    detail = f"Several contacts have {closing.named}; add producer, the source of the CloudEvent that asked for it."
    return MessageRejected(ParkedCode.INVALID_MESSAGE, detail, "producer", closing.source)


def _unknown_contact(closing: Closing) -> MessageRejected:
    detail = f"There is no contact {closing.named}; submit it before it is closed."
    return MessageRejected(ParkedCode.UNKNOWN_CONTACT, detail, "contact_id", _claimed_source(closing))


def _not_allowed(closing: Closing) -> MessageRejected:
    detail = f"The sender may not close contact {closing.named}: it is of a source that the sender may not use."
    return MessageRejected(ParkedCode.NOT_ALLOWED, detail, "contact_id", _claimed_source(closing))


def _claimed_source(closing: Closing) -> str | None:
    """The source that names the contact; beside an id it is only the sender's word, and decides nothing."""
    return None if closing.contact_id is not None else closing.source


def concerned(found: Sequence[ContactState | MessageRejected]) -> tuple[set[int], set[int]]:
    """(source ids, operator ids) to lock for closing these contacts."""
    known = [contact for contact in found if isinstance(contact, ContactState) and contact.status != CLOSED]
    return {c.source_id for c in known}, {c.operator_id for c in known if c.operator_id is not None}
