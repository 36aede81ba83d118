"""Creates contacts from submissions: finds the lead, picks an operator, writes everything in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.allocator import Allocator
from distribution.allocation.event_loop_yield import CooperativeYield
from distribution.allocation.transaction_result import Result
from distribution.errors import MessageRejected, ParkedCode
from distribution.events import Change
from distribution.intake import payload_dedupe
from distribution.intake.idempotency import ExistingContact, Key, existing_contacts, key_among
from distribution.messages import AS_WRITTEN, Submission, is_same_body
from distribution.selection.pool import Pool, Source
from distribution.store import contacts as contact_rows
from distribution.store import leads as lead_rows
from distribution.store.contacts import Contact
from distribution.store.leads import Details, Lead
from distribution.store.operator_pool import lock_pool
from distribution.store.outbox import Claim


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """The contact of a submission; `is_new` is false if its key, or its payload within the window, came before."""

    contact: Contact
    is_new: bool
    change: Change | None = None
    """Its first change, if this transaction created it."""


async def submit(
    conn: AsyncConnection, submissions: Sequence[Submission], random: Random, claim: Claim | None = None
) -> Result[SubmitResult | MessageRejected]:
    """Process submissions in order; a key used before is the same contact, with another body it is rejected."""
    pool = await lock_pool(conn, codes={s.source for s in submissions})
    return await submit_to(conn, pool, submissions, random, claim)


async def submit_to(
    conn: AsyncConnection, pool: Pool, submissions: Sequence[Submission], random: Random, claim: Claim | None = None
) -> Result[SubmitResult | MessageRejected]:
    """`submit` with a pool that is locked already."""
    if not submissions:
        return Result([], [])
    sources = {source.code: source for source in pool.sources.values()}
    existing = await existing_contacts(conn, submissions, sources)
    first: dict[Key, Submission] = {}
    keys: list[Key] = []
    for submission in submissions:
        keys.append(key_among(first, existing, submission))
        if submission.source in sources and keys[-1] not in existing:
            first.setdefault(keys[-1], submission)
    repeats = await payload_dedupe.find(conn, first, sources)
    new = {key: submission for key, submission in first.items() if key not in repeats}
    allocator = Allocator(conn, pool, random, claim)
    unserved = await allocator.assign_waiting() if new else frozenset[int]()
    created = await _create(allocator, new, [first[key] for key in repeats], sources)
    publications = await allocator.flush()
    await payload_dedupe.keep(conn, repeats, first, created, sources)

    new_ids = {contact.id for contact in created.values()}

    def outcome(submission: Submission, key: Key) -> SubmitResult | MessageRejected:
        if submission.source not in sources:
            return _unknown_source(submission.source)
        if key in existing:
            return _repeated(submission, existing[key], None)
        contact = repeats.contact_of(key, created)
        change = allocator.recorder.changes[contact.id] if contact.id in new_ids else None
        if first[key] is submission:
            return SubmitResult(contact, is_new=key in created, change=change)
        return _repeated(submission, ExistingContact(contact, first[key].digest, AS_WRITTEN), change)

    return Result([*map(outcome, submissions, keys)], publications, unserved)


async def _create(
    allocator: Allocator, new: dict[Key, Submission], repeated: Sequence[Submission], sources: dict[str, Source]
) -> dict[Key, Contact]:
    """Create the new contacts; phones and e-mails of the repeated submissions fill blanks in their leads too."""
    details: dict[str, Details] = {}
    for submission in (*new.values(), *(s for s in repeated if s.phone or s.email)):
        sent = (submission.phone, submission.phone_normalized, submission.email, submission.email_normalized)
        details.setdefault(submission.external_id, Details()).add(Details(*sent))
    if not details:
        return {}
    leads = await lead_rows.find_or_make(allocator.conn, details, datetime.now(UTC))
    last_operators = await _last_operators(allocator.conn, new.values(), leads, sources)
    created, pauses = {}, CooperativeYield()
    for key, submission in new.items():
        lead, source = leads[submission.external_id], sources[submission.source]
        last_operator_id = allocator.last_given.get(lead.id, last_operators.get(lead.id)) if source.sticky else None
        created[key] = allocator.submit(submission, source.id, lead, last_operator_id)
        await pauses.after(len(source.weights))
    return created


async def _last_operators(
    conn: AsyncConnection, submissions: Iterable[Submission], leads: dict[str, Lead], sources: dict[str, Source]
) -> dict[int, int]:
    of_sticky = {leads[s.external_id].id for s in submissions if sources[s.source].sticky}
    return await contact_rows.last_operators(conn, of_sticky) if of_sticky else {}


def _repeated(
    submission: Submission, existing: ExistingContact, change: Change | None
) -> SubmitResult | MessageRejected:
    if is_same_body(submission, existing.digest, existing.format):
        return SubmitResult(existing.contact, is_new=False, change=change)
    detail = f"message_id {submission.message_id!r} was used before with another body; use a new one for a new contact."
    return MessageRejected(ParkedCode.KEY_REUSE, detail, "message_id", submission.source)


def _unknown_source(code: str) -> MessageRejected:
    detail = f"There is no source {code!r}: check the code, or create the source first."
    return MessageRejected(ParkedCode.UNKNOWN_SOURCE, detail, "source", code)
