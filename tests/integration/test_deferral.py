"""Deferred messages are retried after pauses that count from each try, by source in turn, a batch at once."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.errors import MessageRejected, ParkedCode
from distribution.intake.decoder import Decoder
from distribution.intake.parking import park
from distribution.intake.replay import CHUNK, CHUNK_BYTES, Replayed, replay_code, retry_due
from distribution.messages import CLOSE, Incoming
from distribution.store import parked_messages
from distribution.store.transactions import reading, transaction
from tests import factories as made

FIRST_RETRY = timedelta(seconds=5)
OUTAGE = timedelta(minutes=14)
JUNK = 5_000


def close(key: str = "late", source: str = made.SOURCE, **content: object) -> Incoming:
    """A close that names a contact by its key."""
    return made.as_sent(Incoming(json.dumps({"source": source, "message_id": key, **content}).encode(), type=CLOSE))


def close_by_id(contact_id: UUID) -> Incoming:
    """A close that names a contact by its id."""
    return made.as_sent(Incoming(json.dumps({"contact_id": str(contact_id)}).encode(), type=CLOSE))


async def retry(engine: AsyncEngine, random: Random, now: datetime) -> Replayed:
    """One transaction of retries."""
    async with transaction(engine) as conn:
        return await retry_due(conn, random, Decoder(made.MAX_BYTES), now)


async def open_source(engine: AsyncEngine, code: str = made.SOURCE) -> None:
    """A source with an operator."""
    await made.make_source(engine, {await made.make_operator(engine, f"of {code}"): 1}, code)


async def test_an_outage_uses_up_no_retry(engine: AsyncEngine, random: Random) -> None:
    """After an outage of 14 minutes the first retry is the first of four: a submission that comes then is closed."""
    await open_source(engine)
    await made.take(engine, [close()])
    back = datetime.now(UTC) + OUTAGE
    assert (await retry(engine, random, back)).parked_again == 1
    [row] = await made.all_parked(engine)
    assert (row.state, row.attempts, row.next_attempt_at) == ("deferred", 2, back + timedelta(seconds=30))
    await made.take(engine, [made.message("late")])
    assert (await retry(engine, random, row.next_attempt_at)).replayed == 1
    assert [contact.status for contact in await made.all_contacts(engine)] == ["closed"]


async def test_the_same_close_after_its_rejection_is_deferred_anew(engine: AsyncEngine, random: Random) -> None:
    """Sent again after its retries ran out, a close gets four new ones; the row and its count of attempts stay."""
    await open_source(engine)
    await made.take(engine, [close()])
    while (at := (await made.all_parked(engine))[0].next_attempt_at) is not None:
        await retry(engine, random, at)
    assert [(row.state, row.attempts) for row in await made.all_parked(engine)] == [("rejected", 5)]
    await made.take(engine, [close()])
    [row] = await made.all_parked(engine)
    assert (row.state, row.attempts) == ("deferred", 6)
    assert row.next_attempt_at <= datetime.now(UTC) + FIRST_RETRY
    await made.take(engine, [made.message("late")])
    assert (await retry(engine, random, row.next_attempt_at)).replayed == 1


async def test_a_deferred_message_stays_deferred_whatever_becomes_of_its_copy(engine: AsyncEngine) -> None:
    """A second copy that expired on the broker does not end the retries of the first."""
    await open_source(engine)
    await made.take(engine, [close(), close()])
    async with transaction(engine) as conn:
        await park(conn, [(close(), MessageRejected(ParkedCode.UNDELIVERED, "It expired."))])
    [row] = await made.all_parked(engine)
    assert (row.state, row.code, row.attempts) == ("deferred", "unknown_contact", 3)


async def test_a_replayed_close_that_was_undelivered_is_deferred(engine: AsyncEngine, random: Random) -> None:
    """What a person replays for another reason has its retries still before it."""
    await open_source(engine)
    async with transaction(engine) as conn:
        await park(conn, [(close(), MessageRejected(ParkedCode.UNDELIVERED, "It expired."))])
        await replay_code(conn, random, Decoder(made.MAX_BYTES), "undelivered", None)
    [row] = await made.all_parked(engine)
    assert (row.state, row.code) == ("deferred", "unknown_contact")


async def junk_and_one(engine: AsyncEngine, junk: Sequence[Incoming], honest: Incoming) -> datetime:
    """Junk closes, an honest one after them whose submission comes still later; returns when all are due."""
    await made.take(engine, [*junk, honest])
    await made.take(engine, [made.message("late")])
    return datetime.now(UTC) + FIRST_RETRY


@pytest.mark.parametrize("of", ["one source", "invented sources", "no source"])
async def test_junk_does_not_delay_an_honest_close(engine: AsyncEngine, random: Random, of: str) -> None:
    """Of 5,000 junk closes and one of another source's bot, the one is done in the first transaction of retries."""
    await open_source(engine)
    await open_source(engine, "junk")
    junk = {
        "one source": [close(f"j-{n}", "junk") for n in range(JUNK)],
        "invented sources": [close("j", f"junk-{n}") for n in range(JUNK)],
        "no source": [close_by_id(uuid4()) for _ in range(JUNK)],
    }
    due = await junk_and_one(engine, junk[of], close())
    done = await retry(engine, random, due)
    assert (done.replayed, done.parked_again) == (1, CHUNK - 1)
    assert [contact.status for contact in await made.all_contacts(engine)] == ["closed"]


async def test_retries_are_as_large_as_batches(engine: AsyncEngine, random: Random) -> None:
    """5,000 junk closes are retried in ten transactions; then none is due."""
    await open_source(engine)
    due = await junk_and_one(engine, [close(f"j-{n}") for n in range(JUNK - 1)], close())
    done = [await retry(engine, random, due) for _ in range(JUNK // CHUNK + 1)]
    assert [each.replayed + each.parked_again for each in done] == [CHUNK] * (JUNK // CHUNK) + [0]
    async with reading(engine) as conn:
        assert not await parked_messages.sources_due(conn, due)


async def test_retries_are_bounded_by_bytes(engine: AsyncEngine, random: Random) -> None:
    """Of large bodies fewer are retried in one transaction, each of them once."""
    await open_source(engine)
    size, number = 200_000, 30
    await made.take(engine, [close(f"k-{n}", filler="x" * size) for n in range(number)])
    due, counts = datetime.now(UTC) + FIRST_RETRY, []
    while count := (await retry(engine, random, due)).parked_again:
        counts.append(count)
    first = CHUNK_BYTES // size + 1
    assert counts == [first, number - first]
    assert {row.attempts for row in await made.all_parked(engine)} == {2}
