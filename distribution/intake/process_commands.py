"""What a batch of messages asks for, done in one transaction: submissions first, then closings, then who waited."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from time import perf_counter
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.close import Closed, LockedClosings, close, find, lock_for
from distribution.allocation.result import Result
from distribution.audit import NAME_LENGTH, Action, AuditEntry, contact_state, entry, record_all
from distribution.errors import MessageRejected, ParkedCode
from distribution.intake.submit import Submitted, submit_to
from distribution.messages import Closing, Command, Incoming, Submission, storable
from distribution.optimistic_locking import Actor
from distribution.store.outbox import Claim

Outcome = Submitted | Closed | MessageRejected
BOT = "bot"


@dataclass(frozen=True, slots=True)
class DecodedMessage:
    """A message and what was understood of it."""

    message: Incoming
    command: Command | MessageRejected


Settled = tuple[DecodedMessage, Outcome]


def failed_alone(arrival: DecodedMessage) -> MessageRejected:
    """Why a message is parked that fails on its own, where its neighbours do not."""
    detail = "Processing failed. See the worker's log; replay the message once the cause is fixed."
    source = None if isinstance(arrival.command, Closing) else arrival.command.source
    return MessageRejected(ParkedCode.PROCESSING_FAILED, detail, source=source)


async def process(
    conn: AsyncConnection, arrivals: Sequence[DecodedMessage], random: Random, claim: Claim | None = None
) -> Result[Settled]:
    """Do what the commands ask for; returns every message with its outcome.

    All locks are taken at once, so that no two batches wait for each other.
    Closings come after submissions, so that a contact may be made and closed in one batch, in whatever order.
    """
    submissions = [a.command for a in arrivals if isinstance(a.command, Submission)]
    closings = [a.command for a in arrivals if isinstance(a.command, Closing)]
    codes = {s.source for s in submissions} | {c.source for c in closings if c.source and c.contact_id is None}
    begun = perf_counter()
    locked = await lock_for(conn, closings, codes)
    lock_seconds = perf_counter() - begun
    submitted = await submit_to(conn, locked.pool, submissions, random, claim)
    if submissions:
        locked = LockedClosings(locked.pool, await find(conn, closings))  # among them perhaps what was just made
    closed = await close(conn, locked, closings, random)
    settled = list(_settled(arrivals, submitted.outcomes, closed.outcomes))
    await record_all(conn, [_noted(a, o) for a, o in settled if isinstance(o, Closed) and o.is_new])
    return Result(
        settled,
        [*submitted.publications, *closed.publications],
        submitted.unserved | closed.unserved,
        lock_seconds,
    )


def _noted(arrival: DecodedMessage, closed: Closed) -> AuditEntry:
    """Who closed it, as far as the broker knows."""
    name = storable(arrival.message.user_id)
    reason = arrival.command.reason if isinstance(arrival.command, Closing) else None
    after = {**contact_state(closed.contact), "reason": reason}
    who = Actor(BOT, name and name[:NAME_LENGTH])
    return entry(who, Action.CONTACT_CLOSED, closed.contact.id, closed.before, after)


def contacts_named(arrivals: Iterable[DecodedMessage]) -> set[UUID]:
    """The contacts that are named by their id, so that their source has to be looked up, whatever the sender says."""
    closings = [a.command for a in arrivals if isinstance(a.command, Closing)]
    return {closing.contact_id for closing in closings if closing.contact_id is not None}


def source_of(arrival: DecodedMessage, by_contact: Mapping[UUID, str]) -> str | None:
    """The source that an arrival belongs to; None: it needs no locks, or names a contact that nobody knows."""
    match arrival.command:
        case MessageRejected():
            return None
        case Closing(contact_id=contact_id) if contact_id is not None:
            return by_contact.get(contact_id)
        case command:
            return command.source


def _settled(
    arrivals: Sequence[DecodedMessage],
    submitted: Iterable[Submitted | MessageRejected],
    closed: Iterable[Closed | MessageRejected],
) -> Iterator[Settled]:
    of_submissions, of_closings = iter(submitted), iter(closed)
    for arrival in arrivals:
        match arrival.command:
            case Submission():
                yield arrival, next(of_submissions)
            case Closing():
                yield arrival, next(of_closings)
            case MessageRejected() as rejected:
                yield arrival, rejected
