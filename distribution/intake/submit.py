"""Submissions become contacts: the lead is recognised, an operator chosen, everything written in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.event_loop_yield import CooperativeYield
from distribution.allocation.result import Result
from distribution.allocation.unit_of_work import UnitOfWork
from distribution.errors import MessageRejected, ParkedCode
from distribution.events import Change
from distribution.intake import dedupe_window
from distribution.intake.idempotency import Key, Known, key_among, known
from distribution.messages import AS_WRITTEN, Submission, is_same_body
from distribution.selection.pool import Pool, Source
from distribution.store import contacts as contact_rows
from distribution.store import leads as lead_rows
from distribution.store.contacts import Contact
from distribution.store.leads import Details, Lead
from distribution.store.operator_pool import lock_pool
from distribution.store.outbox import Claim


@dataclass(frozen=True, slots=True)
class Submitted:
    """The contact of a submission.

    `is_new` is false where the key was used before with the same body, or where the source's `dedupe_window` makes it
    the same contact as another.
    `told`: its first event if that was made in this transaction.
    """

    contact: Contact
    is_new: bool
    told: Change | None = None


async def submit(
    conn: AsyncConnection, submissions: Sequence[Submission], random: Random, claim: Claim | None = None
) -> Result[Submitted | MessageRejected]:
    """Take submissions in order; a known key is the same contact, a key with another body is refused."""
    return await submit_to(
        conn, await lock_pool(conn, codes={s.source for s in submissions}), submissions, random, claim
    )


async def submit_to(
    conn: AsyncConnection,
    pool: Pool,
    submissions: Sequence[Submission],
    random: Random,
    claim: Claim | None = None,
) -> Result[Submitted | MessageRejected]:
    """The same over a pool that is locked already."""
    if not submissions:
        return Result([], [])
    sources = {source.code: source for source in pool.sources.values()}
    before = await known(conn, submissions, sources)
    first: dict[Key, Submission] = {}
    keys: list[Key] = []
    for submission in submissions:
        keys.append(key_among(first, before, submission))
        if submission.source in sources and keys[-1] not in before:
            first.setdefault(keys[-1], submission)
    repeats = await dedupe_window.find(conn, first, sources)
    new = {key: submission for key, submission in first.items() if key not in repeats}
    ledger = UnitOfWork(conn, pool, random, claim)
    unserved = await ledger.assign_waiting() if new else frozenset[int]()
    made = await _make(ledger, new, [first[key] for key in repeats], sources)
    publications = await ledger.flush()
    await dedupe_window.keep(conn, repeats, first, made, sources)

    new_ids = {contact.id for contact in made.values()}

    def outcome(submission: Submission, key: Key) -> Submitted | MessageRejected:
        if submission.source not in sources:
            return _unknown_source(submission.source)
        if key in before:
            return _repeated(submission, before[key], None)
        contact = repeats.contact_of(key, made)
        told = ledger.told[contact.id] if contact.id in new_ids else None
        if first[key] is submission:
            return Submitted(contact, is_new=key in made, told=told)
        return _repeated(submission, Known(contact, first[key].digest, AS_WRITTEN), told)

    return Result([*map(outcome, submissions, keys)], publications, unserved)


async def _make(
    ledger: UnitOfWork, new: dict[Key, Submission], repeated: Sequence[Submission], sources: dict[str, Source]
) -> dict[Key, Contact]:
    """The new contacts; what the repeated say of their leads fills blanks too."""
    details: dict[str, Details] = {}
    for submission in (*new.values(), *(s for s in repeated if s.phone or s.email)):
        details.setdefault(submission.external_id, Details()).add(_details(submission))
    if not details:
        return {}
    leads = await lead_rows.find_or_make(ledger.conn, details, datetime.now(UTC))
    last = await _last_operators(ledger.conn, new.values(), leads, sources)
    made, pauses = {}, CooperativeYield()
    for key, submission in new.items():
        lead, source = leads[submission.external_id], sources[submission.source]
        last_operator_id = ledger.given.get(lead.id, last.get(lead.id)) if source.sticky else None
        made[key] = ledger.submit(submission, source.id, lead, last_operator_id)
        await pauses.after(len(source.weights))
    return made


def _details(submission: Submission) -> Details:
    s = submission
    return Details(s.phone, s.phone_normalized, s.email, s.email_normalized)


async def _last_operators(
    conn: AsyncConnection, submissions: Iterable[Submission], leads: dict[str, Lead], sources: dict[str, Source]
) -> dict[int, int]:
    of_sticky = {leads[s.external_id].id for s in submissions if sources[s.source].sticky}
    return await contact_rows.last_operators(conn, of_sticky) if of_sticky else {}


def _repeated(submission: Submission, known: Known, told: Change | None) -> Submitted | MessageRejected:
    if is_same_body(submission, known.digest, known.format):
        return Submitted(known.contact, is_new=False, told=told)
    detail = f"message_id {submission.message_id!r} was used before with another body; use a new one for a new contact."
    return MessageRejected(ParkedCode.KEY_REUSE, detail, "message_id", submission.source)


def _unknown_source(code: str) -> MessageRejected:
    detail = f"There is no source {code!r}: check the code, or create the source first."
    return MessageRejected(ParkedCode.UNKNOWN_SOURCE, detail, "source", code)
