"""A batch of messages in one transaction: every one is done, recognised, or parked with its reason."""

from collections.abc import Sequence
from random import Random

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.close import Closed
from distribution.allocation.result import Result
from distribution.errors import MessageRejected
from distribution.intake.parking import park
from distribution.intake.process_commands import DecodedMessage, Outcome, process
from distribution.intake.replies import replies_to
from distribution.intake.submit import Submitted
from distribution.store import outbox
from distribution.store.outbox import Claim

BatchResult = Result[str]
"""For each message how it ended."""


async def process_batch(
    conn: AsyncConnection, arrivals: Sequence[DecodedMessage], random: Random, claim: Claim | None = None
) -> BatchResult:
    """Process a batch; nothing that a sender can put into a message makes it raise."""
    done = await process(conn, arrivals, random, claim)
    await park(conn, [(a.message, outcome) for a, outcome in done.outcomes if isinstance(outcome, MessageRejected)])
    answers = await replies_to(conn, done)
    await outbox.insert(conn, answers, claim)
    kinds = [_kind(outcome) for _, outcome in done.outcomes]
    return Result(kinds, [*done.publications, *answers], done.unserved, done.lock_seconds, claim)


def _kind(outcome: Outcome) -> str:
    match outcome:
        case MessageRejected():
            return f"parked_{outcome.code}"
        case Submitted(is_new=True):
            return outcome.contact.status
        case Submitted() | Closed(is_new=False):
            return "repeated"
        case _:
            return "closed"
