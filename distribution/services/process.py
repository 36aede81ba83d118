"""What a batch of messages asks for, done in one transaction: submissions first, then closings, then who waited."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.errors import MessageRejected, ParkedCode
from distribution.messages import Closing, Command, Incoming, Submission, decode
from distribution.services.close import Closed, close, concerned, find
from distribution.services.submit import Submitted, submit_to
from distribution.store.outbox import Claim, Publication
from distribution.store.pools import lock_pool

Outcome = Submitted | Closed | MessageRejected


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message and what was understood of it."""

    message: Incoming
    command: Command | MessageRejected


@dataclass(frozen=True, slots=True)
class Processed:
    """Every arrival with its outcome; `unserved`: sources to serve in further transactions."""

    settled: list[tuple[Arrival, Outcome]]
    publications: list[Publication]
    unserved: frozenset[int]


def understood(message: Incoming, max_bytes: int, phone_region: str = "") -> Arrival:
    """The message with its command, or with the reason why there is none."""
    try:
        return Arrival(message, decode(message, max_bytes, phone_region))
    except MessageRejected as rejected:
        # From here on it is a result: as an exception it would keep every frame it came through, with the whole batch.
        rejected.__context__ = rejected.__cause__ = None
        return Arrival(message, rejected.with_traceback(None))


def failed_alone(error: Exception, arrival: Arrival) -> MessageRejected:
    """Why a message is parked that fails on its own, where its neighbours do not."""
    detail = f"It failed on its own ({type(error).__name__}); the log has more. Replay it once mended."
    source = None if isinstance(arrival.command, Closing) else arrival.command.source
    return MessageRejected(ParkedCode.PROCESSING_FAILED, detail, source=source)


async def process(
    conn: AsyncConnection, arrivals: Sequence[Arrival], random: Random, claim: Claim | None = None
) -> Processed:
    """Do what the commands ask for. All locks are taken at once, so that no two batches wait for each other.

    Closings come after submissions, so that a contact may be made and closed in one batch, in whatever order.
    """
    submissions = [a.command for a in arrivals if isinstance(a.command, Submission)]
    closings = [a.command for a in arrivals if isinstance(a.command, Closing)]
    source_ids, operator_ids = concerned(await find(conn, closings) if closings else ())
    codes = {s.source for s in submissions} | {c.source for c in closings if c.source}
    pool = await lock_pool(conn, codes=codes, ids=source_ids, operator_ids=operator_ids)
    submitted = await submit_to(conn, pool, submissions, random, claim)
    closed = await close(conn, pool, closings, random)
    return Processed(
        list(_settled(arrivals, submitted.outcomes, closed.outcomes)),
        [*submitted.publications, *closed.publications],
        frozenset(pool.sources) if closed.more else submitted.unserved,
    )


def _settled(
    arrivals: Sequence[Arrival],
    submitted: Iterable[Submitted | MessageRejected],
    closed: Iterable[Closed | MessageRejected],
) -> Iterator[tuple[Arrival, Outcome]]:
    of_submissions, of_closings = iter(submitted), iter(closed)
    for arrival in arrivals:
        match arrival.command:
            case Submission():
                yield arrival, next(of_submissions)
            case Closing():
                yield arrival, next(of_closings)
            case MessageRejected() as rejected:
                yield arrival, rejected
