"""Messages that cannot be processed: kept whole, explained, and no harm to their neighbours."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from pamqp.commands import Basic

from distribution.store.tables import contacts, parked_messages
from distribution.store.transactions import reading
from tests.clients import PATIENCE_SECONDS, body, message
from tests.factories import count, open_source, refuse_lead
from tests.integration.worker.failpoint_hooks import Crash, Passes
from tests.integration.worker.harness import WorkerHarness
from tests.polling import until
from worker.failpoints import Failpoint

GOOD = body("web", "w:1")


async def parked(world: WorkerHarness) -> dict[str, sa.Row[str, str, bytes, str, int, str]]:
    """What is parked, by code."""
    c = parked_messages.c
    async with reading(world.engine) as conn:
        rows = await conn.execute(sa.select(c.code, c.detail, c.body, c.state, c.attempts, c.properties))
    return {row.code: row for row in rows}


async def test_every_code_in_one_batch_with_good_ones(world: WorkerHarness) -> None:
    """One message of each broken kind among good ones: all broken are parked whole, all good go through."""
    await open_source(world.engine, "web", {"Olga": (1, 100)})
    big = body("web", "w:9", payload="x" * world.settings.max_message_bytes)
    broken = {
        "invalid_json": message(b"{not json", "b-1"),
        "invalid_message": message({"source": "web", "lead": {}}, "b-2"),
        "unknown_type": message(GOOD, "b-4", type="contact.explode"),
        "unknown_source": message(body("nowhere", "w:5"), "b-5"),
        "too_large": message(big, "b-6"),
        "key_reuse": message(body("web", "another"), "g-0"),
    }
    good = [message(body("web", f"g:{i}"), f"g-{i}") for i in range(7)]
    no_key = json.dumps(body("web", "w:3")).encode()
    await world.bot.publish_bare(no_key, Basic.Properties(content_type="application/json"))
    await world.bot.publish([*good[:4], *broken.values(), *good[4:]])
    async with world.worker():
        await world.subscriber.count(7)
        await world.bot.publish([message(body("web", "end"), "end")])
        events = await world.subscriber.count(8)
    assert {event["data"]["contact"]["message_id"] for event in events} == {*(f"g-{i}" for i in range(7)), "end"}
    kept = await parked(world)
    sent = {code: each.body for code, each in broken.items()} | {"missing_message_id": no_key}
    assert {code: row.body for code, row in kept.items()} == sent
    assert all((row.state, row.attempts) == ("rejected", 1) for row in kept.values())
    assert "lead.external_id" in kept["invalid_message"].detail
    assert "nowhere" in kept["unknown_source"].detail
    assert await count(world.engine, contacts) == 8


@pytest.mark.parametrize(
    "odd",
    [
        Basic.Properties(message_id="id", message_type="type"),
        Basic.Properties(message_id="odd", timestamp=datetime(2026, 11, 23, tzinfo=UTC)),
        Basic.Properties(message_id="odd", headers={"header": "value"}),
    ],
    ids=["short strings", "timestamp", "header name"],
)
async def test_properties_that_no_client_would_send(world: WorkerHarness, odd: Basic.Properties) -> None:
    """A message whose properties are not UTF-8, or no moment, is parked or taken; its neighbours are not harmed."""
    await open_source(world.engine, "web", {"Olga": (1, 100)})
    await world.bot.publish([message(body("web", f"w:{i}"), f"k-{i}") for i in range(3)])
    await world.bot.publish_garbled(json.dumps(body("web", "odd")).encode(), odd)
    await world.bot.publish([message(body("web", f"w:{i}"), f"k-{i}") for i in range(3, 6)])
    async with world.worker():
        await world.subscriber.count(6)
        await world.bot.publish([message(body("web", "end"), "end")])
        await world.subscriber.until(lambda seen: any(e["data"]["contact"]["message_id"] == "end" for e in seen))
    assert await count(world.engine, contacts) + await count(world.engine, parked_messages) == 8


async def test_a_message_that_fails_alone_is_parked_alone(world: WorkerHarness) -> None:
    """A submission that the database itself refuses is parked as processing_failed; its batch goes through."""
    await open_source(world.engine, "web", {"Olga": (1, 100)})
    await refuse_lead(world.engine, "poison")
    await world.bot.publish(message(body("web", "poison" if i == 5 else f"w:{i}"), f"k-{i}") for i in range(12))
    async with world.worker():
        events = await world.subscriber.count(11)
    assert "k-5" not in {event["data"]["contact"]["message_id"] for event in events}
    kept = await parked(world)
    assert set(kept) == {"processing_failed"}
    assert b"poison" in kept["processing_failed"].body


async def test_senders_who_ask_get_the_outcome(world: WorkerHarness) -> None:
    """With reply_to: the event of a new contact, the same event for a repeat, contact.parked with code and detail."""
    await open_source(world.engine, "web", {"Olga": (1, 100)})
    asked = {"reply_to": world.replies_to, "correlation_id": "c-1"}
    async with world.worker():
        await world.bot.publish([message(GOOD, "k-1", **asked)])
        (first,) = await world.replies.count(1)
        await world.bot.publish([message(GOOD, "k-1", **asked), message(b"nope", "k-2", **asked)])
        replies = await world.replies.until(lambda seen: any(e["type"] == "contact.parked" for e in seen))
        (event,) = await world.subscriber.count(1)
    assert first == event
    assert [m.correlation_id for m in world.replies.messages] == ["c-1"] * 3
    assert [m.message_id for m in world.replies.messages[:2]] == [event["id"]] * 2
    (told,) = [e["data"] for e in replies if e["type"] == "contact.parked"]
    assert (told["code"], told["message_id"]) == ("invalid_json", "k-2")
    assert told["detail"]


async def test_a_reply_queue_that_is_gone_is_no_error(world: WorkerHarness) -> None:
    """A reply nobody waits for any more is forgotten, and work goes on."""
    await open_source(world.engine, "web", {"Olga": (1, 100)})
    async with world.worker():
        await world.bot.publish([message(GOOD, "k-1", reply_to="gone"), message(body("web", "w:2"), "k-2")])
        await world.subscriber.count(2)
    assert len(world.subscriber.events) == 2


async def test_nothing_that_a_bot_set_is_lost_beside_an_equal_body(world: WorkerHarness) -> None:
    """Bots without ids that say the same, and one that tries again with another reply queue: each has its row."""
    sent_at = datetime(2026, 11, 23, 10, tzinfo=UTC)
    equal: dict[str, Any] = {"content_type": "application/json", "message_type": "contact.submit", "timestamp": sent_at}
    others: list[dict[str, Any]]
    others = [{}, {}, {"reply_to": "amq.gen-a"}, {"reply_to": "amq.gen-b"}, {"headers": {"tenant": 1}}]
    for more in others:
        await world.bot.publish_bare(b"{broken", Basic.Properties(**equal, **more))
    async with world.worker():
        c = parked_messages.c

        async def all_there() -> bool:
            return await count(world.engine, parked_messages) == 5

        await until(all_there, PATIENCE_SECONDS)
        async with reading(world.engine) as conn:
            kept = [json.loads(text) for text in await conn.scalars(sa.select(c.properties).order_by(c.id))]
    assert {properties["timestamp"] for properties in kept} == {"2026-11-23T10:00:00.000Z"}
    assert [properties.get("reply_to") for properties in kept] == [None, None, "amq.gen-a", "amq.gen-b", None]
    assert kept[-1]["headers"] == {"tenant": 1}


async def test_what_is_delivered_again_is_counted(world: WorkerHarness) -> None:
    """A message without a key whose worker ended before it was acknowledged: one row, tried twice."""
    await world.bot.publish_bare(b"{broken", Basic.Properties(content_type="application/json"))
    crash = Passes(Failpoint.BEFORE_ACK, 1, crash=True)
    with pytest.RaisesGroup(Crash):
        async with world.worker(crash.see):
            await crash.reached.wait()

    async def tried_twice() -> bool:
        return [row.attempts for row in (await parked(world)).values()] == [2]

    async with world.worker():
        await until(tried_twice, PATIENCE_SECONDS)
    assert await count(world.engine, parked_messages) == 1
