"""A batch of messages in one transaction: each is processed, recognised as a repeat, or parked with its reason."""

from collections.abc import Sequence
from random import Random

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.close import CloseResult
from distribution.allocation.transaction_result import Result
from distribution.errors import MessageRejected
from distribution.intake.parking import park
from distribution.intake.process_commands import DecodedMessage, Outcome, process
from distribution.intake.replies import replies_to
from distribution.intake.submit import SubmitResult
from distribution.store import outbox
from distribution.store.outbox import Claim

BatchResult = Result[str]
"""For each message, the kind of its outcome."""


async def process_batch(
    conn: AsyncConnection, messages: Sequence[DecodedMessage], random: Random, claim: Claim | None = None
) -> BatchResult:
    """Process a batch; nothing that a sender puts into a message makes it raise."""
    result = await process(conn, messages, random, claim)
    await park(conn, [(m.message, outcome) for m, outcome in result.outcomes if isinstance(outcome, MessageRejected)])
    replies = await replies_to(conn, result)
    await outbox.insert(conn, replies, claim)
    kinds = [_kind(outcome) for _, outcome in result.outcomes]
    return Result(kinds, [*result.publications, *replies], result.unserved, result.lock_seconds, claim)


def _kind(outcome: Outcome) -> str:
    match outcome:
        case MessageRejected():
            return f"parked_{outcome.code}"
        case SubmitResult(is_new=True):
            return outcome.contact.status
        case SubmitResult() | CloseResult(is_new=False):
            return "repeated"
        case _:
            return "closed"
