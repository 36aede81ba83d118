"""A batch of messages in one transaction: every one is done, recognised, or parked with its reason."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.close import Closed
from distribution.errors import MessageRejected
from distribution.intake.parking import park
from distribution.intake.process import DecodedMessage, Outcome, Processed, process
from distribution.intake.replies import replies_to
from distribution.intake.submit import Submitted
from distribution.store import outbox
from distribution.store.outbox import Claim, Publication


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What to publish once the transaction is committed, how many messages ended how, whom to serve further.

    `claim`: under which the first event of each contact is the caller's own to publish.
    """

    publications: list[Publication]
    counts: Counter[str]
    claim: Claim | None = None
    unserved: frozenset[int] = frozenset()
    lock_seconds: float = 0.0


async def process_batch(
    conn: AsyncConnection, arrivals: Sequence[DecodedMessage], random: Random, claim: Claim | None = None
) -> BatchResult:
    """Process a batch; nothing that a sender can put into a message makes it raise."""
    done = await process(conn, arrivals, random, claim)
    await park(conn, [(a.message, outcome) for a, outcome in done.settled if isinstance(outcome, MessageRejected)])
    answers = await replies_to(conn, done)
    await outbox.insert(conn, answers, claim)
    return BatchResult([*done.publications, *answers], counts(done), claim, done.unserved, done.lock_seconds)


def counts(done: Processed) -> Counter[str]:
    """How many messages ended how."""
    return Counter(_kind(outcome) for _, outcome in done.settled)


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
