"""Executes the commands of a batch in one transaction: submissions, then closings, then waiting contacts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from time import perf_counter
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.close import CloseResult, LockedClosings, close, find, lock_for
from distribution.allocation.transaction_result import Result
from distribution.audit import NAME_LENGTH, Action, AuditEntry, contact_state, entry, record_all
from distribution.errors import MessageRejected, ParkedCode
from distribution.intake.submit import SubmitResult, submit_to
from distribution.messages import Closing, Command, Incoming, Submission, storable
from distribution.optimistic_locking import Actor
from distribution.store.outbox import Claim

Outcome = SubmitResult | CloseResult | MessageRejected
BOT = "bot"


@dataclass(frozen=True, slots=True)
class DecodedMessage:
    """A message and its command, or the reason for its rejection."""

    message: Incoming
    command: Command | MessageRejected


MessageOutcome = tuple[DecodedMessage, Outcome]


def failed_alone(decoded: DecodedMessage) -> MessageRejected:
    """The reason to park a message that fails even when it is processed alone."""
    detail = "Processing failed. See the worker's log; replay the message once the cause is fixed."
    source = None if isinstance(decoded.command, Closing) else decoded.command.source
    return MessageRejected(ParkedCode.PROCESSING_FAILED, detail, source=source)


async def process(
    conn: AsyncConnection, messages: Sequence[DecodedMessage], random: Random, claim: Claim | None = None
) -> Result[MessageOutcome]:
    """Execute the commands; returns every message with its outcome.

    All locks are taken at once, so that no two batches deadlock. Closings follow submissions, so that one batch may
    create and close a contact, in any order.
    """
    submissions = [m.command for m in messages if isinstance(m.command, Submission)]
    closings = [m.command for m in messages if isinstance(m.command, Closing)]
    codes = {s.source for s in submissions} | {c.source for c in closings if c.source and c.contact_id is None}
    started = perf_counter()
    locked = await lock_for(conn, closings, codes)
    lock_seconds = perf_counter() - started
    submitted = await submit_to(conn, locked.pool, submissions, random, claim)
    if submissions:
        locked = LockedClosings(locked.pool, await find(conn, closings))  # may include contacts that were just created
    closed = await close(conn, locked, closings, random)
    outcomes = list(_in_message_order(messages, submitted.outcomes, closed.outcomes))
    await record_all(conn, [_closing_entry(m, o) for m, o in outcomes if isinstance(o, CloseResult) and o.is_new])
    publications = [*submitted.publications, *closed.publications]
    return Result(outcomes, publications, submitted.unserved | closed.unserved, lock_seconds)


def _closing_entry(decoded: DecodedMessage, closed: CloseResult) -> AuditEntry:
    """The audit entry of a closing, with the broker user as the actor."""
    name = storable(decoded.message.user_id)
    reason = decoded.command.reason if isinstance(decoded.command, Closing) else None
    after = {**contact_state(closed.contact), "reason": reason}
    actor = Actor(BOT, name and name[:NAME_LENGTH])
    return entry(actor, Action.CONTACT_CLOSED, closed.contact.id, closed.before, after)


def contacts_named(messages: Iterable[DecodedMessage]) -> set[UUID]:
    """Ids of contacts that closings name by id: their source has to be looked up, since the sender may misstate it."""
    closings = [m.command for m in messages if isinstance(m.command, Closing)]
    return {closing.contact_id for closing in closings if closing.contact_id is not None}


def source_of(decoded: DecodedMessage, by_contact: Mapping[UUID, str]) -> str | None:
    """The source that a message belongs to; None if it needs no locks, or names an unknown contact."""
    match decoded.command:
        case MessageRejected():
            return None
        case Closing(contact_id=contact_id) if contact_id is not None:
            return by_contact.get(contact_id)
        case command:
            return command.source


def _in_message_order(
    messages: Sequence[DecodedMessage],
    submitted: Iterable[SubmitResult | MessageRejected],
    closed: Iterable[CloseResult | MessageRejected],
) -> Iterator[MessageOutcome]:
    of_submissions, of_closings = iter(submitted), iter(closed)
    for decoded in messages:
        match decoded.command:
            case Submission():
                yield decoded, next(of_submissions)
            case Closing():
                yield decoded, next(of_closings)
            case MessageRejected() as rejected:
                yield decoded, rejected
