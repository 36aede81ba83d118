"""Parked messages are replayed; one that still fails keeps nobody else from going through."""

from random import Random

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.intake.batch import process_batch
from distribution.intake.decoder import Decoder
from distribution.intake.replay import replay_code
from distribution.messages import Incoming
from distribution.store.tables import contacts, parked_messages
from distribution.store.transactions import reading, transaction
from tests.clients import body, message
from tests.factories import count, open_source, refuse_lead

MOST = 10_000


def incoming(external_id: str) -> Incoming:
    """A submission to a source that is not there yet."""
    key = f"key of {external_id}"
    return Incoming(message(body("late", external_id), key).body, key, properties={"message_id": key})


async def test_one_that_still_fails(engine: AsyncEngine, random: Random) -> None:
    """Of four replayed messages the one that the database refuses is parked again, with a new reason."""
    waiting = [Decoder(MOST).decode(incoming(lead)) for lead in ("a", "poison", "b", "c")]
    async with transaction(engine) as conn:
        await process_batch(conn, waiting, random)
    await open_source(engine, "late", {"Olga": (1, 2)})
    await refuse_lead(engine, "poison")
    async with transaction(engine) as conn:
        done = await replay_code(conn, random, Decoder(MOST), "unknown_source", None)
    assert (done.replayed, done.parked_again) == (3, 1)
    p = parked_messages.c
    async with reading(engine) as conn:
        rows = await conn.execute(sa.select(p.message_id, p.state, p.code, p.attempts).order_by(p.id))
        kept = [tuple(row) for row in rows]
    assert kept == [
        ("key of a", "replayed", "unknown_source", 2),
        ("key of poison", "rejected", "processing_failed", 2),
        ("key of b", "replayed", "unknown_source", 2),
        ("key of c", "replayed", "unknown_source", 2),
    ]
    assert await count(engine, contacts) == 3
