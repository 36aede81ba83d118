"""What one bot or one subscriber does to the relay is theirs alone: everybody else's events come, and come soon."""

import asyncio
from collections import Counter, defaultdict

import aio_pika
import pytest
from aio_pika.abc import AbstractQueue
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from yarl import URL

from devservices.broker import Broker
from distribution.ids import new_id
from distribution.store import outbox as outbox_store
from distribution.store.outbox import Publication
from distribution.store.tables import contacts, outbox
from distribution.store.transactions import transaction
from tests.clients import Event, body, message
from tests.factories import count, open_source
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.health_pages import HealthPages
from tests.polling import until

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What is shown there has nothing to do with which database there is."""

HONEST = 60
SOON_SECONDS = 30
GARBAGE = "amq.rabbitmq.reply-to.g2dkABByZXBseUA.garbage{}=="
"""RabbitMQ 3.10 ends the connection of whoever publishes to it: INTERNAL_ERROR."""


@pytest.fixture(scope="module")
def rabbitmq(own_broker: Broker) -> Broker:
    """One of our own, whose queues may be stopped and users limited."""
    return own_broker


async def drained(engine: AsyncEngine) -> None:
    """Wait until nothing is left in the outbox."""

    async def empty() -> bool:
        return await count(engine, outbox) == 0

    await until(empty)


def honest(world: WorkerHarness, number: int = HONEST, source: str = "s") -> list[aio_pika.Message]:
    """Submissions of senders who listen for their replies."""
    return [
        message(body(source, f"{source}-{n}"), f"{source}-m-{n}", reply_to=world.replies_to, correlation_id=f"{n}")
        for n in range(number)
    ]


async def all_told(world: WorkerHarness, number: int = HONEST) -> None:
    """All events come soon, and the replies of those who listen."""
    async with asyncio.timeout(SOON_SECONDS):
        await world.subscriber.count(number)
        await world.replies.count(HONEST)


def hostile_reply(queue: str) -> Publication:
    """A reply to a queue of its sender's choice."""
    row_id = new_id()
    return Publication(row_id, None, 0, str(row_id), "contact.assigned", queue, True, "c", None, b"{}")


async def full_queue(channel: aio_pika.abc.AbstractChannel, length: int) -> AbstractQueue:
    """A queue that takes so many messages and then refuses."""
    arguments = {"x-max-length": length, "x-overflow": "reject-publish"}
    return await channel.declare_queue(exclusive=True, arguments=arguments)  # type: ignore[arg-type]  # dict is invariant


@on_sqlite
async def test_replies_that_end_the_connection(world: WorkerHarness) -> None:
    """Whoever named such a queue gets nothing; all events and everybody else's replies come soon."""
    await open_source(world.engine, "s", {"Olga": (1, 1000)})
    messages = honest(world)
    async with transaction(world.engine) as conn:
        await outbox_store.insert(conn, [hostile_reply(GARBAGE.format(n)) for n in range(3)], None)
    async with world.worker() as address:
        pages = HealthPages(address)
        await world.bot.publish(messages)
        await all_told(world)
        await drained(world.engine)
        assert await pages.problems() == {}
        assert await pages.published("reply_dropped") == 3
        assert await pages.connects_of("publisher") == 1
    assert len(world.subscriber.messages) == HONEST


@on_sqlite
async def test_a_bot_whose_reply_queue_ends_the_connection(world: WorkerHarness) -> None:
    """As above, with the reply of a contact that was just submitted."""
    await open_source(world.engine, "s", {"Olga": (1, 1000)})
    messages = honest(world)
    messages.insert(30, message(body("s", "bad"), "bad", reply_to=GARBAGE.format("")))
    async with world.worker():
        await world.bot.publish(messages)
        await all_told(world, HONEST + 1)
        await drained(world.engine)


@on_sqlite
async def test_a_reply_queue_that_is_full(world: WorkerHarness) -> None:
    """Its replies get a few tries and are dropped; nobody's connection is lost."""
    await open_source(world.engine, "s", {"Olga": (1, 1000)})
    full = await full_queue(world.bot.channel, 1)
    unread = [message(body("s", f"unread-{n}"), f"u-{n}", reply_to=full.name) for n in range(20)]
    async with world.worker() as address:
        pages = HealthPages(address)
        await world.bot.publish([*unread, *honest(world)])
        await all_told(world, HONEST + 20)
        await drained(world.engine)
        assert await pages.problems() == {}
        assert await pages.published("reply_dropped") == 19
        assert await pages.connects_of("publisher") == await pages.connects_of("replies") == 1


@on_sqlite
async def test_a_worker_that_may_not_reply(world: WorkerHarness, rabbitmq: Broker) -> None:
    """No right to write to the default exchange: replies are dropped, all events come."""
    rabbitmq.rabbitmqctl("add_user", "narrow", "narrow-password")
    rabbitmq.rabbitmqctl("set_permissions", "narrow", ".*", r"^(?!amq\.default$).*", ".*")
    url = URL(rabbitmq.url).with_user("narrow").with_password("narrow-password")
    world.settings.amqp_url = SecretStr(str(url))
    await open_source(world.engine, "s", {"Olga": (1, 1000)})
    async with world.worker() as address:
        pages = HealthPages(address)
        await world.bot.publish(honest(world))
        async with asyncio.timeout(SOON_SECONDS):
            await world.subscriber.count(HONEST)
        await drained(world.engine)
        assert await pages.problems() == {}
        assert await pages.published("reply_dropped") == HONEST
        assert await pages.connects_of("publisher") == 1
    assert len(world.subscriber.messages) == HONEST


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_subscriber_whose_queue_is_full(world: WorkerHarness) -> None:
    """Events that it should get are tried again by themselves, rarely; all others come soon, once, and in order.

    Once there is room everything is published, each contact's events in their order.
    """
    for source in ("web", "shop"):
        await open_source(world.engine, source, {f"Olga of {source}": (1, 1000)})
    full = await full_queue(world.bot.channel, 5)
    await full.bind(f"{world.topology.prefix}assignments", "contact.*.web.#")
    async with world.worker() as address:
        pages = HealthPages(address)
        await world.bot.publish([*plain("web"), *plain("shop")])
        async with asyncio.timeout(SOON_SECONDS):
            await world.subscriber.until(lambda events: told(events)["shop"] == told(events)["web"] == HONEST)
        await world.bot.publish([closing("web", n) for n in range(HONEST)])

        async def tried_again() -> bool:
            return await pages.published("retried") >= 20 and "set aside" in await pages.details()

        await until(tried_again)
        copies = Counter(event.message_id for event in world.subscriber.messages)
        assert copies.total() - len(copies) <= 20 + 5, "a round of retries is a few, and so are the copies"
        assert await pages.problems() == {}
        assert await pages.connects_of("publisher") == 1
        assert await pages.metric("contacts_events_set_aside") > 0
        await full.unbind(f"{world.topology.prefix}assignments", "contact.*.web.#")
        await drained(world.engine)
        await world.subscriber.until(lambda events: len(events) == 3 * HONEST)

        async def said_no_more() -> bool:
            return await pages.details() == {}

        await until(said_no_more)
    in_order(world.subscriber.events)


async def test_a_subscriber_whose_queue_never_confirms(world: WorkerHarness, rabbitmq: Broker) -> None:
    """More events than may be in flight wait for it, and all others come soon; nothing is lost once it is back."""
    number = 250
    for source in ("web", "shop"):
        await open_source(world.engine, source, {f"Olga of {source}": (1, 1000)})
    stuck = await world.bot.channel.declare_queue(exclusive=True)
    await stuck.bind(f"{world.topology.prefix}assignments", "contact.*.web.#")
    async with world.worker() as address:
        await asyncio.to_thread(to_process, rabbitmq, stuck.name, "suspend")
        try:
            mixed = [m for pair in zip(plain("web", number), plain("shop", number), strict=True) for m in pair]
            await world.bot.publish(mixed)
            async with asyncio.timeout(SOON_SECONDS):
                await world.subscriber.until(lambda events: told(events)["shop"] == number)
            assert await HealthPages(address).problems() == {}
            assert await count(world.engine, contacts) == 2 * number
        finally:
            await asyncio.to_thread(to_process, rabbitmq, stuck.name, "resume")
        await drained(world.engine)
    assert told(world.subscriber.events) == {"web": number, "shop": number}
    shop = {event["id"] for event in world.subscriber.events if event["data"]["source"]["code"] == "shop"}
    assert sum(copy.message_id in shop for copy in world.subscriber.messages) == number


def to_process(server: Broker, queue: str, what: str) -> None:
    """Stop a queue's process, or let it go on."""
    found = f'{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"{queue}">>))'
    server.rabbitmqctl("eval", f"{found}, sys:{what}(amqqueue:get_pid(Q)).")


def plain(source: str, number: int = HONEST) -> list[aio_pika.Message]:
    """Submissions without a reply."""
    return [message(body(source, f"{source}-{n}"), f"{source}-m-{n}") for n in range(number)]


def closing(source: str, number: int) -> aio_pika.Message:
    """A close of one of them."""
    content = {"source": source, "message_id": f"{source}-m-{number}"}
    return message(content, f"close-{source}-{number}", type="contact.close")


def told(events: list[Event]) -> Counter[str]:
    """First events by source."""
    return Counter(event["data"]["source"]["code"] for event in events if event["data"]["sequence"] == 1)


def in_order(events: list[Event]) -> None:
    """Each contact's events came in the order of their sequence."""
    by_contact: dict[str, list[int]] = defaultdict(list)
    for event in events:
        by_contact[event["data"]["contact"]["id"]].append(event["data"]["sequence"])
    assert all(sequences == sorted(sequences) for sequences in by_contact.values())
