"""Parked messages are tried again: the deferred by themselves, all others when a person asks for it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.result import Result
from distribution.errors import Conflict, MessageRejected, NotFound
from distribution.intake.decoder import Decoder
from distribution.intake.parking import next_attempt, restored, words
from distribution.intake.process_commands import DecodedMessage, Outcome, Settled, failed_alone, process
from distribution.intake.replies import replies_to
from distribution.store import outbox, parked_messages
from distribution.store.db_errors import Failure, classify
from distribution.store.engine import savepoint
from distribution.store.parked_messages import DEFERRED, DROPPED, REJECTED, REPLAYED, Parked

CHUNK = 500
CHUNK_BYTES = 4 * 1024 * 1024
"""How many messages are retried in one transaction, and how many bytes of bodies (one is, whatever its size)."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many went through and how many are parked again; `last`: where to go on; `unserved`: sources to serve."""

    replayed: int
    parked_again: int
    last: UUID | None
    unserved: frozenset[int]


async def retry_due(
    conn: AsyncConnection,
    random: Random,
    decoder: Decoder,
    now: datetime,
    left_out: Collection[str | None] = (),
) -> Replayed:
    """Try some deferred messages whose time has come, by source in turn; call again until `last` is None.

    What their senders may do is decided anew. `left_out`: sources to leave for later; None is those without one.
    """
    rows = await parked_messages.due(conn, now, CHUNK, CHUNK_BYTES, left_out)
    return await _again(conn, rows, random, decoder, now)


async def replay_code(
    conn: AsyncConnection, random: Random, decoder: Decoder, code: str, after: UUID | None
) -> Replayed:
    """Try up to CHUNK parked messages of a code, oldest first; call again with `last` until that is None."""
    rows = await parked_messages.open_ones(conn, code, after, CHUNK, CHUNK_BYTES)
    return await _again(conn, rows, random, decoder, datetime.now(UTC))


async def replay_one(conn: AsyncConnection, random: Random, decoder: Decoder, parked_id: UUID) -> Replayed:
    """Try one parked message; one that is done with, or not whole, is a Conflict."""
    row = await open_row(conn, parked_id)
    if row.body_size is not None:
        kept = f"only the first {len(row.body)} of its {row.body_size} bytes are kept"
        raise Conflict(f"Parked message {parked_id} cannot be replayed: {kept}. Have it published again, or drop it.")
    return await _again(conn, [row], random, decoder, datetime.now(UTC))


async def drop(conn: AsyncConnection, parked_id: UUID) -> Parked:
    """Give a parked message up; it stays on record."""
    row = await open_row(conn, parked_id)
    row.state, row.next_attempt_at = DROPPED, None
    await parked_messages.update(conn, [row])
    return row


async def open_row(conn: AsyncConnection, parked_id: UUID) -> Parked:
    """A parked message that is not done with, locked; else NotFound or Conflict."""
    row = await parked_messages.lock(conn, parked_id)
    if row is None:
        raise NotFound("parked message", parked_id)
    if row.state not in (DEFERRED, REJECTED):
        raise Conflict(f"Parked message {parked_id} is {row.state} already.")
    return row


async def _again(
    conn: AsyncConnection, rows: Sequence[Parked], random: Random, decoder: Decoder, now: datetime
) -> Replayed:
    if not rows:
        return Replayed(0, 0, None, frozenset())
    whole = [row for row in rows if row.body_size is None]
    arrivals = [decoder.decode(restored(row)) for row in whole]
    done = await _each_tried(conn, arrivals, random)
    for row, (_, outcome) in zip(whole, done.outcomes, strict=True):
        _mark(row, outcome, now)
    await parked_messages.update(conn, whole)
    await outbox.insert(conn, await replies_to(conn, _final(done, whole), last_try=True), None)
    through = sum(row.state == REPLAYED for row in whole)
    return Replayed(through, len(rows) - through, rows[-1].id, done.unserved)


async def _each_tried(conn: AsyncConnection, arrivals: Sequence[DecodedMessage], random: Random) -> Result[Settled]:
    """Process all; where that fails for their content, in halves, so that one keeps nobody else from going through."""
    try:
        async with savepoint(conn):
            return await process(conn, arrivals, random)
    except Exception as error:
        if classify(error) is not Failure.BAD_DATA:
            raise
        if len(arrivals) == 1:
            return Result([(arrivals[0], failed_alone(arrivals[0]))], [])
    middle = len(arrivals) // 2
    one, other = [await _each_tried(conn, half, random) for half in (arrivals[:middle], arrivals[middle:])]
    return Result(one.outcomes + other.outcomes, one.publications + other.publications, one.unserved | other.unserved)


def _mark(row: Parked, outcome: Outcome, now: datetime) -> None:
    row.attempts += 1
    if not isinstance(outcome, MessageRejected):
        row.state, row.next_attempt_at = REPLAYED, None
        return
    row.retries = row.retries + 1 if row.code == outcome.code else 0
    row.next_attempt_at = next_attempt(outcome, row.retries, now)
    row.state = REJECTED if row.next_attempt_at is None else DEFERRED
    row.code, row.detail, row.source = str(outcome.code), words(outcome), outcome.source


def _final(done: Result[Settled], rows: Sequence[Parked]) -> Result[Settled]:
    """Without what will be tried again: nobody is told yet."""
    settled = [each for row, each in zip(rows, done.outcomes, strict=True) if row.state != DEFERRED]
    return Result(settled, done.publications, done.unserved)
