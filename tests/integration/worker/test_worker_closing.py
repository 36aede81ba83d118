"""Contacts are closed by message; who waited gets the place."""

from collections.abc import Iterable
from random import Random

import aio_pika
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.intake.batch import process_batch
from distribution.intake.decoder import Decoder
from distribution.intake.parking import PAUSES
from distribution.intake.replay import retry_due
from distribution.messages import CLOSE, Incoming
from distribution.store.tables import parked_messages
from distribution.store.transactions import reading, transaction
from tests.clients import Event, body, message
from tests.factories import loads, open_source, statuses
from tests.integration.worker.harness import WorkerHarness


def closing(content: object, **properties: str) -> aio_pika.Message:
    """A `contact.close` without a key of its own."""
    return message(content, None, type=CLOSE, **properties)


def of(events: Iterable[Event], key: str) -> list[str]:
    """The types of one contact's events, in order of arrival."""
    return [event["type"] for event in events if event["data"]["contact"]["message_id"] == key]


async def test_a_close_gives_the_place_to_the_oldest(world: WorkerHarness) -> None:
    """Closing by id and by key frees two places; the two oldest waiting contacts get them, the third still waits."""
    operators = await open_source(world.engine, "web", {"Olga": (1, 2)})
    async with world.worker():
        for i in range(5):
            await world.bot.publish([message(body("web", f"w:{i}"), f"k-{i}")])
        events = await world.subscriber.count(5)
        first = next(e for e in events if e["data"]["contact"]["message_id"] == "k-0")
        by_id = closing({"contact_id": first["subject"], "reason": "solved"}, reply_to=world.replies_to)
        await world.bot.publish([by_id, closing({"source": "web", "message_id": "k-1"})])
        events = await world.subscriber.count(9)
        (reply,) = await world.replies.count(1)
    assert [of(events, f"k-{i}") for i in range(5)] == [
        ["contact.assigned", "contact.closed"],
        ["contact.assigned", "contact.closed"],
        ["contact.waiting", "contact.assigned"],
        ["contact.waiting", "contact.assigned"],
        ["contact.waiting"],
    ]
    closed = next(e for e in events if e["type"] == "contact.closed" and e["subject"] == first["subject"])
    assert reply == closed
    assert (closed["data"]["reason"], closed["data"]["sequence"]) == ("solved", 2)
    assert closed["data"]["contact"]["status"] == "closed"
    assert await statuses(world.engine) == {"closed": 2, "active": 2, "waiting": 1}
    assert await loads(world.engine) == {operators["Olga"]: 2}


async def test_closing_twice_is_once(world: WorkerHarness) -> None:
    """The same close three times is one event; a sender who asks gets that event again."""
    await open_source(world.engine, "web", {"Olga": (1, 5)})
    by_key = closing({"source": "web", "message_id": "k"}, reply_to=world.replies_to)
    async with world.worker():
        await world.bot.publish([message(body("web", "w:1"), "k")])
        await world.subscriber.count(1)
        await world.bot.publish([by_key, by_key])
        await world.subscriber.count(2)
        await world.bot.publish([by_key, message(body("web", "w:2"), "end")])
        events = await world.subscriber.count(3)
        await world.replies.until(lambda _: len(world.replies.messages) == 3)
    assert of(events, "k") == ["contact.assigned", "contact.closed"]
    assert len(world.replies.events) == 1


async def test_a_close_that_overtakes_its_submission(world: WorkerHarness) -> None:
    """A close that comes before its submission is deferred, tried again by itself, and then closes the contact."""
    await open_source(world.engine, "web", {"Olga": (1, 5)})
    async with world.worker():
        await world.bot.publish([closing({"source": "web", "message_id": "late"})])
        await world.bot.publish([message(body("web", "w:1"), "late")])
        events = await world.subscriber.count(2)
    assert of(events, "late") == ["contact.assigned", "contact.closed"]


async def test_a_close_of_nothing_is_rejected_in_the_end(engine: AsyncEngine, random: Random) -> None:
    """A close whose contact never turns up is tried after 5 s, 30 s, 2 min and 10 min, then needs a person."""
    nothing = Incoming(b'{"source": "web", "message_id": "never"}', type=CLOSE, properties={"message_type": CLOSE})
    async with transaction(engine) as conn:
        await process_batch(conn, [Decoder(10_000).decode(nothing)], random)
    p = parked_messages.c
    seen = []
    async with reading(engine) as conn:
        tried = await conn.scalar(sa.select(p.created_at))
    while tried is not None:
        async with reading(engine) as conn:
            row = (await conn.execute(sa.select(p.state, p.code, p.attempts, p.next_attempt_at))).one()
        seen.append((row.state, row.code, row.attempts, row.next_attempt_at and row.next_attempt_at - tried))
        tried = row.next_attempt_at
        if tried is not None:
            async with transaction(engine) as conn:
                await retry_due(conn, random, Decoder(10_000), tried)
    assert seen == [
        *[("deferred", "unknown_contact", n + 1, pause) for n, pause in enumerate(PAUSES)],
        ("rejected", "unknown_contact", 5, None),
    ]
