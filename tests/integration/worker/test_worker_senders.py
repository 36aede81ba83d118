"""Who may do what over the broker: users and their sources, queues for replies, names in the audit."""

import json
from datetime import UTC, datetime
from typing import Any

import aio_pika
import aiormq
import pytest
import sqlalchemy as sa
from aiormq.exceptions import ChannelPreconditionFailed
from pamqp.commands import Basic
from yarl import URL

from devservices.broker import Broker
from distribution.messages import CLOSE
from distribution.store.tables import outbox, parked_messages
from distribution.store.transactions import transaction
from tests import factories as made
from tests.clients import body, message
from tests.factories import count, open_source
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.health_pages import HealthPages
from tests.polling import until

PHONE, PAYLOAD = "+79991234567", "the other bot's words"


@pytest.fixture
def user(rabbitmq: Broker) -> str:
    """The broker user as whom the test's bot is connected."""
    return URL(rabbitmq.url).user or "guest"


def close(content: dict[str, Any], **properties: Any) -> aio_pika.Message:
    """A `contact.close` without a key of its own."""
    return message(content, None, type=CLOSE, **properties)


async def end(world: WorkerHarness, **properties: Any) -> None:
    """Wait until everything that was published before is done: the queue is in order."""
    await world.bot.publish([message(body("web", "end"), "end", **properties)])
    await world.subscriber.until(lambda seen: any(e["data"]["contact"]["message_id"] == "end" for e in seen))


async def test_only_listed_users_use_only_their_sources(world: WorkerHarness, user: str) -> None:
    """BOT_USERS set: others' sources, others' contacts and messages without a user are parked as not_allowed."""
    world.settings = world.settings.model_copy(update={"bot_users": f"{user}=web+fax,other=telegram"})
    await open_source(world.engine, "web", {"Olga": (1, 100)})
    await open_source(world.engine, "telegram", {"Ivan": (1, 100)})
    await made.take(world.engine, [made.message("t-1", source="telegram", payload=PAYLOAD, phone=PHONE)])
    [foreign] = await made.all_contacts(world.engine)
    known, asked = {"user_id": user}, {"reply_to": world.replies_to}
    refused = [
        message(body("web", "w:1"), "no-user", **asked),
        message(body("telegram", "w:1"), "no-right", **known, **asked),
        close({"source": "telegram", "message_id": "t-1"}, **known, **asked),
        close({"contact_id": str(foreign.id)}, **known, **asked),
        message(b"{", "broken", **asked),
    ]
    async with world.worker():
        await world.bot.publish([message(body("web", "w:1"), "w-1", **known), *refused])
        replies = await world.replies.count(len(refused))
        await end(world, **known)
    assert [(reply["type"], reply["data"]["code"]) for reply in replies] == [("contact.parked", "not_allowed")] * 5
    assert not [secret for secret in (PHONE, PAYLOAD) if secret in json.dumps(replies)]
    parked = await made.all_parked(world.engine)
    assert sorted(row.body for row in parked) == sorted(each.body for each in refused)
    assert {(row.state, row.code) for row in parked} == {("rejected", "not_allowed")}
    assert [c.status for c in await made.all_contacts(world.engine)] == ["active", "active", "active"]


async def test_what_is_deferred_is_checked_under_the_setting_of_today(world: WorkerHarness, user: str) -> None:
    """A closing that waits for its contact, of a user who has lost the source since, is not_allowed when it is due."""
    world.settings = world.settings.model_copy(update={"bot_users": f"{user}=web"})
    early = made.closing(user, source="telegram", message_id="t-1")
    await made.take(world.engine, [early])
    async with transaction(world.engine) as conn:
        await conn.execute(sa.update(parked_messages).values(next_attempt_at=datetime.now(UTC)))

    async def is_parked_for_good() -> bool:
        [row] = await made.all_parked(world.engine)
        return (row.state, row.code) == ("rejected", "not_allowed")

    async with world.worker():
        await until(is_parked_for_good)


async def test_the_broker_vouches_for_the_user(world: WorkerHarness) -> None:
    """A bot that says it is another user is refused by the broker itself; nothing arrives."""
    forged = Basic.Properties(message_id="k", user_id="somebody-else")
    async with aiormq.connect(world.settings.brokers[0]) as connection:
        channel = await connection.channel()
        with pytest.raises(ChannelPreconditionFailed, match="user_id"):
            await channel.basic_publish(b"{}", exchange=world.topology.contacts, properties=forged)


async def test_without_the_setting_nobody_is_asked(world: WorkerHarness) -> None:
    """The default: any user, or none, submits to any source and closes any contact."""
    await open_source(world.engine, "web", {"Olga": (1, 100)})
    async with world.worker():
        await world.bot.publish([message(body("web", "w:1"), "k"), close({"source": "web", "message_id": "k"})])
        await world.subscriber.count(2)
    assert await made.all_parked(world.engine) == []


async def test_closings_are_audited_with_the_brokers_user(world: WorkerHarness, user: str) -> None:
    """With `user_id` its name, without one nobody's; a closing of what is closed is not."""
    await open_source(world.engine, "web", {"Olga": (1, 100)})
    first, second = {"source": "web", "message_id": "k-1"}, {"source": "web", "message_id": "k-2"}
    async with world.worker():
        await world.bot.publish([message(body("web", f"w:{n}"), f"k-{n}") for n in (1, 2)])
        await world.bot.publish([close(first | {"reason": "solved"}, user_id=user)])
        await world.bot.publish([close(second), close(first, user_id=user)])
        await end(world)
    rows = await made.all_audited(world.engine)
    assert [(row.role, row.name, row.action) for row in rows] == [
        ("bot", user, "contact.closed"), ("bot", None, "contact.closed"),
    ]  # fmt: skip
    assert [json.loads(row.after)["reason"] for row in rows] == ["solved", None]


async def test_a_bot_cannot_make_the_worker_write_to_our_queues(world: WorkerHarness) -> None:
    """A reply_to that names one of ours writes nothing there; its message is done, and who asks rightly is answered."""
    await open_source(world.engine, "web", {"Olga": (1, 100)})
    ours = [world.topology.inbound, world.topology.dead, world.topology.log, f"{world.topology.prefix}contacts"]
    sent = [message(body("web", f"w:{n}"), f"k-{n}", reply_to=queue) for n, queue in enumerate(ours)]

    async def everything_left() -> bool:
        return await count(world.engine, outbox) == 0

    async with world.worker() as address:
        await world.bot.publish(sent)
        await world.subscriber.count(len(ours))
        await until(everything_left)
        await end(world, reply_to=world.replies_to)
        await world.replies.count(1)
        counted = await HealthPages(address).metric("contacts_replies_refused_total")
        dead = await world.bot.channel.declare_queue(world.topology.dead, passive=True)
    assert [row.body for row in await made.all_parked(world.engine)] == []
    assert dead.declaration_result.message_count == 0
    assert len(await made.all_contacts(world.engine)) == len(ours) + 1
    assert counted == len(ours)


async def test_replies_go_to_queues_of_the_prefix_and_back_to_who_asks(world: WorkerHarness) -> None:
    """REPLY_QUEUE_PREFIX set: queues whose names begin so and direct reply-to; no other hears anything."""
    prefix = f"{world.topology.prefix}answers."
    world.settings = world.settings.model_copy(update={"reply_queue_prefix": prefix})
    await open_source(world.engine, "web", {"Olga": (1, 100)})
    arrived: list[str | None] = []

    async def remember(reply: Any) -> None:
        arrived.append(reply.header.properties.correlation_id)

    async with aiormq.connect(world.settings.brokers[0]) as connection, world.worker() as address:
        channel = await connection.channel()
        await channel.queue_declare(f"{prefix}bot", exclusive=True)
        await channel.basic_consume(f"{prefix}bot", remember, no_ack=True)
        await channel.basic_consume("amq.rabbitmq.reply-to", remember, no_ack=True)
        queues = [world.replies_to, f"{prefix}bot", "amq.rabbitmq.reply-to"]
        for number, queue in enumerate(queues):
            properties = Basic.Properties(message_id=f"k-{number}", reply_to=queue)
            content = json.dumps(body("web", f"w:{number}")).encode()
            await channel.basic_publish(content, exchange=world.topology.contacts, properties=properties)

        async def both() -> bool:
            return len(arrived) == len(queues) - 1

        await until(both)
        counted = await HealthPages(address).metric("contacts_replies_refused_total")
    assert (sorted(map(str, arrived)), world.replies.messages, counted) == (["k-1", "k-2"], [], 1)


async def test_a_reply_holds_what_its_bot_sent(world: WorkerHarness) -> None:
    """A bot that guesses a lead learns neither phone nor payload, from the broker as from the API."""
    await open_source(world.engine, "web", {"Olga": (1, 100)})
    theirs = body("web", "w:1", lead={"phone": PHONE}, payload=PAYLOAD)
    async with world.worker():
        await world.bot.publish([message(theirs, "theirs")])
        await world.bot.publish([message(body("web", "w:1", payload="mine"), "mine", reply_to=world.replies_to)])
        await world.bot.publish([close({"source": "web", "message_id": "theirs"}, reply_to=world.replies_to)])
        assigned, closed = await world.replies.count(2)
        events = await world.subscriber.count(3)
    assert (assigned["data"]["payload"], assigned["data"]["lead"]["phone"]) == ("mine", None)
    assert (closed["type"], closed["data"]["payload"], closed["data"]["lead"]["phone"]) == (
        "contact.closed",
        None,
        None,
    )
    assert {event["data"]["lead"]["phone"] for event in events} == {PHONE}
