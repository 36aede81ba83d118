"""Broker objects are looked after: what is deleted comes back and is said; what is forbidden or missing is said."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random

import aiormq
import pytest
from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelNotFoundEntity, ConnectionInternalError, PublishError

from devservices.broker import Broker
from distribution.store import broker_queue_depths
from distribution.store.database import Database
from distribution.store.transactions import reading
from tests.broker_setup import worker_connection
from tests.clients import PATIENCE_SECONDS, body, message
from tests.factories import open_source
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.health_pages import HealthPages
from tests.polling import until
from worker.consume.batch_committer import BatchCommitter
from worker.consume.context import ConsumeContext
from worker.failpoints import no_failpoints
from worker.metrics import Metrics
from worker.publish.relay import Relay
from worker.readiness import Readiness
from worker.topology_monitor import PART, TopologyMonitor

# What is shown here has nothing to do with which database there is.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def rabbitmq(own_broker: Broker) -> Broker:
    """One whose queues are ours to delete."""
    return own_broker


@dataclass
class Looking:
    """A topology monitor that looks all the time."""

    monitor: TopologyMonitor
    readiness: Readiness
    metrics: Metrics
    connection: AbstractConnection

    async def until_said(self, words: str) -> None:
        """Wait for words in the readiness details."""

        async def is_said() -> bool:
            return words in self.readiness.details.get(PART, "")

        await until(is_said, PATIENCE_SECONDS)

    async def delete_until_said(self, kind: str, name: str, channel: AbstractChannel) -> None:
        """Delete a queue or an exchange, again if it was declared unmissed, in the middle of a look."""
        delete = channel.queue_delete if kind == "queue" else channel.exchange_delete
        await delete(name)

        async def is_said() -> bool:
            if f"{kind} {name}" in self.readiness.details.get(PART, ""):
                return True
            if await exists(self.connection, name, kind):
                await delete(name)
            return False

        await until(is_said, PATIENCE_SECONDS)

    def missed(self, name: str) -> float:
        """How often an object was found missing."""
        return self.metrics.registry.get_sample_value("contacts_missing_broker_objects_total", {"object": name}) or 0


@asynccontextmanager
async def looking(world: WorkerHarness, url: str) -> AsyncIterator[Looking]:
    """A topology monitor at work on a connection of its own, after its first look."""
    readiness, metrics, database = Readiness(), Metrics(), Database(world.engine, Random(3))
    relay = Relay(database, world.topology, readiness, metrics, no_failpoints)
    batches, stopping = BatchCommitter(database), asyncio.Event()
    context = ConsumeContext(world.settings, database, batches, relay.inbox, readiness, metrics, stopping)
    monitor = TopologyMonitor(context, look_seconds=0.1)
    async with aiormq.connect(url) as connection:
        serving = asyncio.create_task(supervised(monitor, url))
        gauge = "contacts_queue_messages", {"queue": "inbound"}

        async def has_looked() -> bool:
            return metrics.registry.get_sample_value(*gauge) is not None

        await until(has_looked, PATIENCE_SECONDS)
        yield Looking(monitor, readiness, metrics, connection)
        stopping.set()
        await serving


async def supervised(monitor: TopologyMonitor, url: str) -> None:
    """Serve, again after a broker has ended the connection since it was deleting what was declared."""
    while True:
        async with await worker_connection(url) as connection:
            with suppress(ConnectionInternalError):
                await monitor.serve(connection)
                return


async def exists(connection: AbstractConnection, name: str, kind: str = "queue") -> bool:
    """Whether there is such a queue or exchange."""
    channel = await connection.channel()
    try:
        await (channel.queue_declare if kind == "queue" else channel.exchange_declare)(name, passive=True)
    except ChannelNotFoundEntity:
        return False
    await channel.close()
    return True


async def test_deleted_queues_come_back_within_a_minute(world: WorkerHarness, rabbitmq: Broker) -> None:
    """A running worker notices a deleted log and a deleted contacts.dead, declares both anew and says so."""
    await open_source(world.engine, "web", {"Olga": (1, 10)})
    gone = (world.topology.log, world.topology.dead)
    async with world.worker() as address, aiormq.connect(rabbitmq.url) as connection:
        channel = await connection.channel()

        async def has_looked() -> bool:
            async with reading(world.engine) as conn:
                return (
                    await broker_queue_depths.since(conn, broker_queue_depths.DEAD, broker_queue_depths.EVER)
                    is not None
                )

        await until(has_looked, PATIENCE_SECONDS)

        async def are_told() -> bool:
            said = (await HealthPages(address).details()).get("topology", "")
            if "declared anew" in said and all(f"queue {queue}" in said for queue in gone):
                return True
            for queue in gone:  # again: deleted in the middle of a look they are declared without having been missed
                if await exists(connection, queue):
                    await channel.queue_delete(queue)
            return False

        async def are_back() -> bool:
            return all([await exists(connection, queue) for queue in gone])

        await until(are_told, 60)
        await until(are_back, 60)
        assert await HealthPages(address).problems() == {}
        # The log hears again what is said to the exchange.
        await world.bot.publish([message(body("web", "w:1"), "k")])
        await world.subscriber.count(1)

        async def is_logged() -> bool:
            return bool((await channel.queue_declare(world.topology.log, passive=True)).message_count)

        await until(is_logged, PATIENCE_SECONDS)


async def test_each_missing_object_is_said_and_counted(world: WorkerHarness, rabbitmq: Broker) -> None:
    """Queues and exchanges alike."""
    dead = world.topology.dead
    async with looking(world, rabbitmq.url) as at_work, aiormq.connect(rabbitmq.url) as other:
        channel = await other.channel()
        await at_work.delete_until_said("queue", dead, channel)
        await at_work.delete_until_said("exchange", dead, channel)
        assert at_work.missed(f"queue {dead}")
        assert at_work.missed(f"exchange {dead}")

        async def is_bound() -> bool:
            if not await exists(other, dead, "exchange"):
                return False
            try:
                await channel.basic_publish(b"{", exchange=dead, mandatory=True)
            except PublishError:
                return False
            return True

        # Bound again as well: what the broker gives up arrives.
        await until(is_bound, PATIENCE_SECONDS)


async def test_an_object_with_other_arguments_is_said_and_ends_nothing(world: WorkerHarness, rabbitmq: Broker) -> None:
    """Somebody made the queue anew in another way: the difference is named for as long as it lasts."""
    async with looking(world, rabbitmq.url) as at_work, aiormq.connect(rabbitmq.url) as other:
        channel = await other.channel()

        async def made_otherwise() -> bool:
            try:
                await channel.queue_delete(world.topology.dead)
                await channel.queue_declare(world.topology.dead, durable=True, arguments={"x-max-length": 7})
            except aiormq.exceptions.ChannelPreconditionFailed:  # the monitor was quicker
                return False
            return True

        while not await made_otherwise():
            channel = await other.channel()
        await at_work.until_said("x-max-length")

        async def is_made_anew() -> bool:
            if "declared anew" in at_work.readiness.details.get(PART, ""):
                return True
            # Again: deleted in the middle of a look it is declared without having been missed.
            if await exists(other, world.topology.dead):
                await channel.queue_delete(world.topology.dead)
            return False

        await until(is_made_anew, PATIENCE_SECONDS)


async def test_depths_are_measured(world: WorkerHarness, rabbitmq: Broker) -> None:
    """Messages that wait are a gauge, and in the database for who knows no broker."""
    await world.bot.publish([message(body("web", f"w:{n}"), f"k-{n}") for n in range(3)])

    async def kept() -> int | None:
        async with reading(world.engine) as conn:
            return await broker_queue_depths.since(conn, broker_queue_depths.INBOUND, broker_queue_depths.EVER)

    async with looking(world, rabbitmq.url) as at_work:

        async def measured() -> bool:
            return await kept() == 3

        await until(measured, PATIENCE_SECONDS)
        sample = at_work.metrics.registry.get_sample_value("contacts_queue_messages", {"queue": "inbound"})
        assert sample == 3
        assert at_work.metrics.registry.get_sample_value("contacts_queue_consumers", {"queue": "inbound"}) == 0
