"""Tries parked messages again: the deferred ones automatically, all others when an admin asks for it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.transaction_result import Result
from distribution.errors import Conflict, MessageRejected, NotFound
from distribution.intake.decoder import Decoder
from distribution.intake.parking import next_attempt, restored, storable_detail
from distribution.intake.process_commands import DecodedMessage, MessageOutcome, Outcome, failed_alone, process
from distribution.intake.replies import replies_to
from distribution.store import outbox, parked_messages
from distribution.store.db_errors import Failure, classify
from distribution.store.parked_messages import DEFERRED, DROPPED, REJECTED, REPLAYED, Parked
from distribution.store.transactions import savepoint

CHUNK = 500
CHUNK_BYTES = 4 * 1024 * 1024
"""How many messages one transaction retries, and how many bytes of bodies (at least one message of any size)."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many were processed and how many parked again; `last`: id to continue after; `unserved`: sources to serve."""

    replayed: int
    parked_again: int
    last: UUID | None
    unserved: frozenset[int]


async def retry_due(
    conn: AsyncConnection, random: Random, decoder: Decoder, now: datetime, left_out: Collection[str | None] = ()
) -> Replayed:
    """Try some deferred messages that are due, the sources in turn; call again until `last` is None.

    The permissions of their senders are checked again. `left_out`: sources to skip; None stands for no source.
    """
    rows = await parked_messages.due(conn, now, CHUNK, CHUNK_BYTES, left_out)
    return await _retry(conn, rows, random, decoder, now)


async def replay_code(
    conn: AsyncConnection, random: Random, decoder: Decoder, code: str, after: UUID | None
) -> Replayed:
    """Try up to CHUNK parked messages of a code, oldest first; call again with `last` until that is None."""
    rows = await parked_messages.open_ones(conn, code, after, CHUNK, CHUNK_BYTES)
    return await _retry(conn, rows, random, decoder, datetime.now(UTC))


async def replay_one(conn: AsyncConnection, random: Random, decoder: Decoder, parked_id: UUID) -> Replayed:
    """Try one parked message; raises Conflict if it was replayed or dropped already, or its body was cut."""
    row = await open_row(conn, parked_id)
    if row.body_size is not None:
        kept = f"only the first {len(row.body)} of its {row.body_size} bytes are kept"
        raise Conflict(f"Parked message {parked_id} cannot be replayed: {kept}. Have it published again, or drop it.")
    return await _retry(conn, [row], random, decoder, datetime.now(UTC))


async def drop(conn: AsyncConnection, parked_id: UUID) -> Parked:
    """Drop a parked message; its row stays."""
    row = await open_row(conn, parked_id)
    row.state, row.next_attempt_at = DROPPED, None
    await parked_messages.update(conn, [row])
    return row


async def open_row(conn: AsyncConnection, parked_id: UUID) -> Parked:
    """Lock a parked message that is neither replayed nor dropped; raises NotFound or Conflict."""
    row = await parked_messages.lock(conn, parked_id)
    if row is None:
        raise NotFound("parked message", parked_id)
    if row.state not in (DEFERRED, REJECTED):
        raise Conflict(f"Parked message {parked_id} is {row.state} already.")
    return row


async def _retry(
    conn: AsyncConnection, rows: Sequence[Parked], random: Random, decoder: Decoder, now: datetime
) -> Replayed:
    if not rows:
        return Replayed(0, 0, None, frozenset())
    whole = [row for row in rows if row.body_size is None]
    messages = [decoder.decode(restored(row)) for row in whole]
    result = await _process_isolating_failures(conn, messages, random)
    for row, (_, outcome) in zip(whole, result.outcomes, strict=True):
        _apply_outcome(row, outcome, now)
    await parked_messages.update(conn, whole)
    await outbox.insert(conn, await replies_to(conn, _without_deferred(result, whole), last_try=True), None)
    replayed = sum(row.state == REPLAYED for row in whole)
    return Replayed(replayed, len(rows) - replayed, rows[-1].id, result.unserved)


async def _process_isolating_failures(
    conn: AsyncConnection, messages: Sequence[DecodedMessage], random: Random
) -> Result[MessageOutcome]:
    """Process all; if their content makes that fail, in halves, so that one bad message does not block the others."""
    try:
        async with savepoint(conn):
            return await process(conn, messages, random)
    except Exception as error:  # of any library: classify knows which the content causes
        if classify(error) not in (Failure.BAD_DATA, Failure.DEFECT):
            raise
        if len(messages) == 1:
            message_id = messages[0].message.message_id
            structlog.get_logger("intake").error("processing_failed", message_id=message_id, exc_info=error)
            return Result([(messages[0], failed_alone(messages[0]))], [])
    middle = len(messages) // 2
    first, second = [
        await _process_isolating_failures(conn, half, random) for half in (messages[:middle], messages[middle:])
    ]
    publications = first.publications + second.publications
    return Result(first.outcomes + second.outcomes, publications, first.unserved | second.unserved)


def _apply_outcome(row: Parked, outcome: Outcome, now: datetime) -> None:
    row.attempts += 1
    if not isinstance(outcome, MessageRejected):
        row.state, row.next_attempt_at = REPLAYED, None
        return
    row.retries = row.retries + 1 if row.code == outcome.code else 0
    row.next_attempt_at = next_attempt(outcome, row.retries, now)
    row.state = REJECTED if row.next_attempt_at is None else DEFERRED
    row.code, row.detail, row.source = str(outcome.code), storable_detail(outcome), outcome.source


def _without_deferred(result: Result[MessageOutcome], rows: Sequence[Parked]) -> Result[MessageOutcome]:
    """The result without messages that will be retried: their senders get no reply yet."""
    outcomes = [outcome for row, outcome in zip(rows, result.outcomes, strict=True) if row.state != DEFERRED]
    return Result(outcomes, result.publications, result.unserved)
