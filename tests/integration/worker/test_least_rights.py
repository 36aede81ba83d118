"""The broker's users as deploy/rabbitmq-definitions.json makes them: each can do its work, and nothing else."""

import asyncio
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Iterator

import aio_pika
import aiormq
import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelAccessRefused
from pamqp.commands import Basic
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from yarl import URL

from deploy import definitions
from devservices.broker import Broker
from tests.broker_setup import declare_at
from tests.clients import PATIENCE_SECONDS, body, message
from tests.factories import open_source
from tests.integration.worker.broker_installation import Installation, load
from tests.integration.worker.harness import WorkerHarness
from worker.broker.topology import Topology
from worker.settings import WorkerSettings

REPLY_TO = "amq.rabbitmq.reply-to"
OWN_QUEUE = "sub.contacts-subscriber.events"
MADE_BY_OTHERS = "not.ours"


@pytest.fixture(scope="module")
def users(own_broker: Broker) -> Iterator[Installation]:
    """The definitions, loaded beside all else into a broker of our own."""
    found = Installation(URL(own_broker.url), f"v{secrets.token_hex(3)}", "a-b.", secrets.token_hex(8))
    load(own_broker, found)
    yield found
    own_broker.rabbitmqctl("delete_vhost", found.vhost)


@pytest.fixture
async def world(users: Installation, engine: AsyncEngine, database_url: str) -> WorkerHarness:
    """An office of one operator, and a worker that is not started yet."""
    await open_source(engine, "web", {"Olga": (1, 100)})
    settings = WorkerSettings(
        database_url=SecretStr(database_url),
        amqp_url=SecretStr(users.url("worker")),
        broker_prefix=users.prefix,
        event_log_max_age="1h",
    )
    unused = None
    return WorkerHarness(engine, settings, users.topology, unused, unused, "", unused)  # type: ignore[arg-type]  # only its worker is used


@pytest.fixture
async def declared(users: Installation) -> Topology:
    """Everything is there, and a queue of somebody else."""
    await declare_at(users.url("worker"), users.topology)
    async with users.channel("admin") as channel:
        await channel.queue_declare(MADE_BY_OTHERS, durable=True)
    return users.topology


# Which database there is has nothing to do with rights on the broker.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_each_can_do_its_work(users: Installation, world: WorkerHarness) -> None:
    """The worker makes its own names, a bot submits and is answered, a subscriber hears, live and from the log."""
    async with (
        world.worker(),
        users.channel("subscriber") as channel,
        await aio_pika.connect(users.url("bot")) as bot,
    ):
        live = await subscribed(channel, users.topology)
        reply = await submitted(bot, users.topology.contacts)
        heard = await next_of(live)
        logged = await next_of(await from_the_log(channel, users.topology))
    assert reply["type"] == "contact.assigned"
    assert [event["id"] for event in (heard, logged)] == [reply["id"]] * 2


async def subscribed(channel: AbstractChannel, topology: Topology) -> asyncio.Queue[DeliveredMessage]:
    """A durable queue in the subscriber's own name space, bound to the events."""
    events: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
    await channel.queue_declare(OWN_QUEUE, durable=True)
    await channel.queue_bind(OWN_QUEUE, topology.assignments, routing_key="contact.#")
    await channel.basic_consume(OWN_QUEUE, events.put, no_ack=True)
    return events


async def from_the_log(channel: AbstractChannel, topology: Topology) -> asyncio.Queue[DeliveredMessage]:
    """The stream, from its beginning."""
    events: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
    await channel.basic_qos(prefetch_count=10)
    await channel.basic_consume(topology.log, events.put, arguments={"x-stream-offset": "first"})
    return events


async def submitted(bot: aio_pika.abc.AbstractConnection, exchange: str) -> dict[str, object]:
    """What became of one submission, over direct reply-to."""
    replies: asyncio.Queue[bytes] = asyncio.Queue()
    channel = await bot.channel()

    async def hear(reply: aio_pika.abc.AbstractIncomingMessage) -> None:
        await replies.put(reply.body)

    await (await channel.get_queue(REPLY_TO, ensure=False)).consume(hear, no_ack=True)
    contact = message(body("web", "l-1"), secrets.token_hex(4), reply_to=REPLY_TO, correlation_id="c")
    await (await channel.get_exchange(exchange, ensure=False)).publish(contact, "contact.submit.web")
    async with asyncio.timeout(PATIENCE_SECONDS):
        found: dict[str, object] = json.loads(await replies.get())
    return found


async def next_of(events: asyncio.Queue[DeliveredMessage]) -> dict[str, object]:
    """The next event."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        found: dict[str, object] = json.loads((await events.get()).body)
    return found


async def test_a_worker_without_configure_can_do_all_but_declare(users: Installation, declared: Topology) -> None:
    """What BROKER_DECLARE=false takes: looking at every name, consuming, publishing events and replies."""
    async with users.channel("worker-plain") as channel:
        for exchange in declared.exchanges():
            await channel.exchange_declare(exchange.name, passive=True)
        for queue in declared.queues():
            await channel.queue_declare(queue.name, passive=True)
        for name in (declared.inbound, declared.dead):
            consumer = await channel.basic_consume(name, nothing)
            await channel.basic_cancel(consumer.consumer_tag or "")
        await published(channel, declared.assignments)
        await published(channel, "", MADE_BY_OTHERS)


async def test_a_person_at_the_command_line(users: Installation, declared: Topology) -> None:
    """`contacts-worker publish` and `watch` work as the user contacts-shell."""
    async with users.channel("shell") as channel:
        queue = (await channel.queue_declare(exclusive=True)).queue or ""
        await channel.queue_bind(queue, declared.assignments, routing_key="#")
        await channel.basic_consume(queue, nothing, no_ack=True)
        await published(channel, declared.contacts)
        await channel.basic_get(declared.dead)


Act = Callable[[AbstractChannel, Topology], Awaitable[object]]


async def nothing(_: DeliveredMessage) -> None:
    """Takes a delivery and does nothing."""


async def published(channel: AbstractChannel, exchange: str, key: str = "contact.x") -> None:
    """One publication, confirmed; of one without the right the broker tells at once."""
    await channel.basic_publish(b"{}", exchange=exchange, routing_key=key, properties=Basic.Properties())


ACTS: dict[str, Act] = {
    "publish to contacts": lambda channel, names: published(channel, names.contacts),
    "publish events": lambda channel, names: published(channel, names.assignments),
    "publish to the dead": lambda channel, names: published(channel, names.dead),
    "publish to any queue": lambda channel, _: published(channel, "", MADE_BY_OTHERS),
    "consume what bots send": lambda channel, names: channel.basic_consume(names.inbound, nothing),
    "consume the dead": lambda channel, names: channel.basic_consume(names.dead, nothing),
    "consume others' queue": lambda channel, _: channel.basic_consume(MADE_BY_OTHERS, nothing),
    "read the log": lambda channel, names: channel.basic_consume(names.log, nothing),
    "purge what bots send": lambda channel, names: channel.queue_purge(names.inbound),
    "delete what bots send": lambda channel, names: channel.queue_delete(names.inbound),
    "delete the exchange of events": lambda channel, names: channel.exchange_delete(names.assignments),
    "listen to bots": lambda channel, names: channel.queue_bind(OWN_QUEUE, names.contacts, routing_key="#"),
    "make a queue": lambda channel, _: channel.queue_declare("sub.other.events"),
    "make a nameless queue": lambda channel, _: channel.queue_declare(exclusive=True),
    "make an exchange": lambda channel, _: channel.exchange_declare("mine"),
    "declare ours": lambda channel, names: channel.exchange_declare(
        names.contacts, exchange_type="topic", durable=True
    ),
}
FORBIDDEN = {
    "bot": set(ACTS) - {"publish to contacts"},
    "subscriber": set(ACTS) - {"read the log"},
    "worker": {
        "publish to contacts",
        "consume others' queue",
        "read the log",
        "listen to bots",
        "make a queue",
        "make a nameless queue",
        "make an exchange",
    },
    "worker-plain": set(ACTS)
    - {"publish events", "publish to any queue", "consume what bots send", "consume the dead", "purge what bots send"},
    "shell": set(ACTS) - {"publish to contacts", "consume the dead", "read the log", "make a nameless queue"},
}


@pytest.mark.parametrize("user", FORBIDDEN)
async def test_what_is_not_its_work_is_refused(users: Installation, declared: Topology, user: str) -> None:
    """Each forbidden thing fails with ACCESS_REFUSED, and changes nothing."""
    async with users.channel("subscriber") as channel:
        await channel.queue_declare(OWN_QUEUE, durable=True)
    async with aiormq.connect(users.url(user)) as connection:
        for what in sorted(FORBIDDEN[user]):
            channel = await connection.channel()
            await channel.basic_qos(prefetch_count=1)
            assert await is_refused(ACTS[what](channel, declared)), f"{user} may {what}"
    await declare_at(users.url("admin"), declared)


async def is_refused(act: Awaitable[object]) -> bool:
    """Whether the broker refuses it for lack of rights."""
    try:
        await act
    except ChannelAccessRefused:
        return True
    return False


async def test_the_file_as_it_is_opens_nothing(users: Installation) -> None:
    """Without a password of its own nobody gets in, with an empty one least of all."""
    assert {user["password_hash"] for user in definitions.fill({})["users"]} == {""}
    with pytest.raises(aiormq.exceptions.AMQPConnectionError):
        await aiormq.connect(str(URL(users.url("bot")).with_password("")))


def test_every_name_of_the_topology_has_rights() -> None:
    """A name that is added to the topology has to be added to the worker's rights."""
    (worker,) = [rule for rule in definitions.fill({})["permissions"] if rule["user"] == "contacts-worker"]
    topology = Topology("", "7D")
    exchanges, queues = topology.exchanges(), topology.queues()
    for name in [*(each.name for each in exchanges), *(each.name for each in queues)]:
        assert re.search(worker["configure"], name), name
