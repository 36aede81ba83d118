"""The main path: a bot publishes, an operator gets the contact, the subscriber hears of it."""

import asyncio
from uuid import UUID

from distribution.store.tables import contacts, leads, outbox
from tests.clients import body, message
from tests.factories import count, loads, open_source, statuses
from tests.integration.worker.harness import WorkerHarness

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_event_is_as_the_contract_shows(world: WorkerHarness) -> None:
    """A submission becomes one contact.assigned event with the contract's properties and data."""
    operators = await open_source(world.engine, "telegram-bot", {"Olga": (30, 10)})
    lead = {"external_id": "tg:1001", "phone": "+79991234567", "email": "anna@example.com"}
    submission = {"source": "telegram-bot", "lead": lead, "payload": {"text": "Where is my order?"}}
    async with world.worker():
        await world.bot.publish([message(submission, "m-1", headers={"traceparent": TRACE})])
        (event,) = await world.subscriber.count(1)
    carrier = world.subscriber.messages[0]
    assert UUID(event["id"]).version == 7
    assert {k: event[k] for k in ("specversion", "source", "type", "datacontenttype")} == {
        "specversion": "1.0",
        "source": "/contact-distribution",
        "type": "contact.assigned",
        "datacontenttype": "application/json",
    }
    data = event["data"]
    assert data["contact"] | {"created_at": ""} == {
        "id": event["subject"], "status": "active", "created_at": "", "message_id": "m-1"
    }  # fmt: skip
    assert data["lead"] == {"id": data["lead"]["id"], **lead}
    assert data["source"]["code"] == "telegram-bot"
    assert data["operator"] == {"id": operators["Olga"], "name": "Olga"}
    assert (data["previous_operator"], data["payload"], data["sequence"], data["reason"]) == (
        None, submission["payload"], 1, "weighted_random"
    )  # fmt: skip
    assert carrier.routing_key == f"contact.assigned.telegram-bot.{operators['Olga']}"
    assert (carrier.message_id, carrier.type, carrier.correlation_id) == (event["id"], "contact.assigned", "m-1")
    assert (carrier.content_type, int(carrier.delivery_mode or 0)) == ("application/cloudevents+json", 2)
    assert carrier.headers["traceparent"] == TRACE
    assert carrier.timestamp is not None


async def test_cloudevent_and_plain_message_are_the_same_submission(world: WorkerHarness) -> None:
    """A CloudEvents envelope with a key that was used in plain JSON is the same contact."""
    await open_source(world.engine, "web", {"Olga": (1, 10)})
    plain = body("web", "w:1")
    envelope = {"specversion": "1.0", "source": "bot", "id": "k-1", "type": "contact.submit", "data": plain}
    cloud = message(envelope, None, content_type="application/cloudevents+json", type="anything")
    async with world.worker():
        await world.bot.publish([message(plain, "k-1"), cloud, message(body("web", "w:2"), "k-2")])
        events = await world.subscriber.count(2)
    assert {event["data"]["contact"]["message_id"] for event in events} == {"k-1", "k-2"}
    assert await count(world.engine, contacts) == 2


async def test_places_are_never_exceeded(world: WorkerHarness) -> None:
    """Of 300 contacts for 100 places, 100 are active and 200 wait; no load is over its limit."""
    await open_source(world.engine, "web", {"A": (1, 20), "B": (2, 30), "C": (7, 50)})
    async with world.worker():
        await world.bot.publish(message(body("web", f"w:{i}"), f"k-{i}") for i in range(300))
        events = await world.subscriber.count(300)
    assert await statuses(world.engine) == {"active": 100, "waiting": 200}
    assert sorted((await loads(world.engine)).values()) == [20, 30, 50]
    waiting = [event for event in events if event["type"] == "contact.waiting"]
    assert len(waiting) == 200
    assert all(event["data"]["operator"] is None for event in waiting)


async def test_everything_twice_changes_nothing(world: WorkerHarness) -> None:
    """The same 3,000 messages published twice give the same 3,000 contacts, each told of once."""
    await open_source(world.engine, "web", {"A": (1, 6000), "B": (2, 6000)})
    messages = [message(body("web", f"w:{i % 1000}", payload={"n": i}), f"k-{i}") for i in range(3_000)]
    async with world.worker():
        await asyncio.gather(world.bot.publish(messages), world.bot.publish(messages))
        events = await world.subscriber.count(3_000)
        await world.bot.publish([message(body("web", "last"), "last")])
        await world.subscriber.until(lambda seen: any(e["data"]["contact"]["message_id"] == "last" for e in seen))
    assert len(world.subscriber.events) == 3_001
    assert len({event["data"]["contact"]["id"] for event in events}) == 3_000
    assert await count(world.engine, contacts) == 3_001
    assert await count(world.engine, leads) == 1_001
    assert await count(world.engine, outbox) == 0
    assert await loads(world.engine)
