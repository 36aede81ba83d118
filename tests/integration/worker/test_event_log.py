"""The stream of events: nothing waits for it while the broker recovers it, and it is what the settings say."""

import asyncio
import socket

import aio_pika
import aiormq
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.abc import DeliveredMessage
from pydantic import SecretStr

from devservices.broker import Broker
from tests.broker_setup import declare_at
from tests.clients import PATIENCE_SECONDS, body, message
from tests.factories import open_source, statuses
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.health_pages import HealthPages
from tests.integration.worker.slow_log import slow_log
from tests.polling import until
from worker.app import run
from worker.broker.connection import Connection
from worker.broker.event_log import EventLog
from worker.broker.topology import Topology, TopologyMismatch

# What is shown here has nothing to do with which database there is.
on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@on_one_database
async def test_a_log_that_recovers_slowly_holds_up_nothing(world: WorkerHarness, rabbitmq: Broker) -> None:
    """While the broker says nothing of its stream, contacts are taken and events published; a detail says so."""
    await open_source(world.engine, "web", {"Olga": (1, 10)})
    async with slow_log(rabbitmq.url, world.topology.log) as (proxy, url):
        world.settings = world.settings.model_copy(update={"amqp_url": SecretStr(url)})
        async with world.worker() as address:
            await world.bot.publish([message(body("web", "w:1"), "k")])
            await world.subscriber.count(1)
            assert await statuses(world.engine) == {"active": 1}
            pages = HealthPages(address)

            async def is_said() -> bool:
                return f"queue {world.topology.log} does not answer yet" in (await pages.details()).get("event log", "")

            await until(is_said, PATIENCE_SECONDS)
            assert await pages.problems() == {}
            assert proxy.asked.is_set()
            proxy.let_through.set()

            async def is_said_no_more() -> bool:
                return await pages.details() == {}

            await until(is_said_no_more, PATIENCE_SECONDS)


@on_one_database
async def test_a_log_of_other_arguments_is_said_however_late(world: WorkerHarness, rabbitmq: Broker) -> None:
    """A broker that compares arguments only after a while still stops the worker, with the argument's name."""
    await open_source(world.engine, "web", {"Olga": (1, 10)})
    async with slow_log(rabbitmq.url, world.topology.log) as (proxy, url):
        changed = {"event_log_max_age": "2h", "amqp_url": SecretStr(url)}
        settings, listening = world.settings.model_copy(update=changed), socket.create_server(("127.0.0.1", 0))
        work = asyncio.create_task(run(settings, listening, asyncio.Event()))
        # What is published shows that the declaration is no longer waited for.
        await world.bot.publish([message(body("web", "w:1"), "k")])
        await world.subscriber.count(1)
        proxy.let_through.set()
        with pytest.raises(ExceptionGroup) as died:
            await asyncio.wait_for(work, PATIENCE_SECONDS)
        assert died.group_contains(TopologyMismatch, match="x-max-age")
        asyncio.get_running_loop().remove_reader(listening)
        listening.close()


async def test_a_log_of_an_older_installation_is_taken_as_it_is(rabbitmq: Broker, prefix: str) -> None:
    """What the settings do not name stands in no argument, so a log that is there still fits."""
    topology = Topology(prefix, "1h")
    async with aiormq.connect(rabbitmq.url) as connection:
        channel = await connection.channel()
        await channel.queue_delete(topology.log)
        await channel.queue_declare(topology.log, durable=True, arguments={"x-queue-type": "stream", "x-max-age": "1h"})
    await declare_at(rabbitmq.url, topology)


@pytest.mark.parametrize(
    ("argument", "sizes"), [("x-max-length-bytes", (10**9, None)), ("x-stream-max-segment-size-bytes", (None, 10**6))]
)
async def test_a_size_that_a_log_was_not_made_with_is_named(
    rabbitmq: Broker, prefix: str, argument: str, sizes: tuple[int | None, int | None]
) -> None:
    """As with every other argument: the worker says which one, instead of trying again."""
    with pytest.raises(TopologyMismatch, match=argument):
        await declare_at(rabbitmq.url, Topology(prefix, "1h", True, *sizes))


class Counting(Connection):
    """Counts the channels that are asked for."""

    channels = 0

    def channel(
        self, channel_number: int | None = None, publisher_confirms: bool = True, on_return_raises: bool = False
    ) -> AbstractChannel:
        """One more."""
        self.channels += 1
        return super().channel(channel_number, publisher_confirms, on_return_raises)


async def test_questions_about_the_log_share_a_channel(rabbitmq: Broker, prefix: str) -> None:
    """It is asked for every 15 s, also where it is missing: a channel each time would take memory for ever."""
    topology = Topology(prefix, "1h")
    async with await aio_pika.connect(rabbitmq.url, connection_class=Counting) as connection:
        log, other = EventLog(topology, connection, PATIENCE_SECONDS), await connection.channel()
        assert await log.is_there()
        await other.queue_delete(topology.log)
        assert not await log.is_there()
        assert await log.declare()
        assert await log.is_there()
        assert connection.channels == 2


async def test_the_oldest_events_go_by_whole_segments(rabbitmq: Broker, prefix: str) -> None:
    """Beyond EVENT_LOG_MAX_BYTES the first EVENT_LOG_SEGMENT_BYTES of the log are dropped, then the next."""
    topology, delivered = Topology(prefix, "1h", True, 2_000_000, 1_000_000), asyncio.Queue[DeliveredMessage]()
    async with aiormq.connect(rabbitmq.url) as connection:
        channel = await connection.channel()
        await channel.queue_delete(topology.log)
        await declare_at(rabbitmq.url, topology)
        for number in range(50):
            await channel.basic_publish(f"{number} ".encode().ljust(100_000), exchange=topology.assignments)
        await channel.basic_qos(prefetch_count=1)
        await channel.basic_consume(topology.log, delivered.put, arguments={"x-stream-offset": "first"})
        async with asyncio.timeout(PATIENCE_SECONDS):
            first = await delivered.get()
    assert int(first.body.split()[0]) in (20, 30, 40)
