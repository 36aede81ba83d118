"""Contacts are closed, and their places filled in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.errors import MessageRejected, ParkedCode, StalePool
from distribution.messages import Closing
from distribution.selection.pool import Pool
from distribution.services.ledger import Ledger
from distribution.services.loads import correct_before_freeing
from distribution.services.serve import SERVE_LIMIT
from distribution.store import contacts as contact_rows
from distribution.store import sources as source_rows
from distribution.store.contacts import ACTIVE, CLOSED, Contact
from distribution.store.outbox import Publication


@dataclass(frozen=True, slots=True)
class Closed:
    """The contact of a closing; `is_new` is false where it was closed before."""

    contact: Contact
    is_new: bool


@dataclass(frozen=True, slots=True)
class Closings:
    """An outcome per closing, in order; `more`: contacts wait that could be served in another transaction."""

    outcomes: list[Closed | MessageRejected]
    publications: list[Publication]
    more: bool


async def find(conn: AsyncConnection, closings: Sequence[Closing]) -> list[Contact | None]:
    """The contact that each closing names, as far as there is one."""
    codes = {c.source for c in closings if c.contact_id is None and c.source is not None}
    ids = await source_rows.ids_by_code(conn, codes) if codes else {}
    keys = {
        (ids[c.source], c.message_id) for c in closings if c.contact_id is None and c.source in ids and c.message_id
    }
    by_key = await contact_rows.by_keys(conn, sorted(keys)) if keys else {}
    named = {c.contact_id for c in closings if c.contact_id is not None}
    by_id = await contact_rows.by_ids(conn, named) if named else {}
    return [
        by_id.get(c.contact_id)
        if c.contact_id is not None
        else by_key.get((ids.get(c.source or "", 0), c.message_id or ""))
        for c in closings
    ]


async def close(conn: AsyncConnection, pool: Pool, closings: Sequence[Closing], random: Random) -> Closings:
    """Close contacts over a pool locked for them, and serve who waited; raises StalePool where the pool lacks one."""
    if not closings:
        return Closings([], [], more=False)
    found = await find(conn, closings)
    full = await contact_rows.with_leads(conn, {contact.id for contact in found if contact is not None})
    await correct_before_freeing(conn, pool, (contact for contact, _, _ in full.values()))
    ledger = Ledger(conn, pool, random)
    outcomes: list[Closed | MessageRejected] = []
    for closing, named in zip(closings, found, strict=True):
        if named is None:
            outcomes.append(_unknown_contact(closing))
            continue
        contact, lead, _ = full[named.id]
        is_new = contact.status != CLOSED
        if is_new:
            _check_locked(pool, contact)
            ledger.close(contact, lead, closing.reason)
        outcomes.append(Closed(contact, is_new))
    more = await ledger.serve_waiting(SERVE_LIMIT)
    return Closings(outcomes, await ledger.flush(), more)


def _check_locked(pool: Pool, contact: Contact) -> None:
    held = contact.operator_id if contact.status == ACTIVE else None
    if contact.source_id not in pool.sources or (held is not None and held not in pool.operators):
        raise StalePool("a contact to be closed moved meanwhile")


def _unknown_contact(closing: Closing) -> MessageRejected:
    detail = f"There is no contact {closing.named}; submit it before it is closed."
    return MessageRejected(ParkedCode.UNKNOWN_CONTACT, detail, "contact_id", closing.source)


def concerned(found: Sequence[Contact | None]) -> tuple[set[int], set[int]]:
    """(source ids, operator ids) to lock for closing these contacts."""
    known = [contact for contact in found if contact is not None and contact.status != CLOSED]
    return {c.source_id for c in known}, {c.operator_id for c in known if c.operator_id is not None}
