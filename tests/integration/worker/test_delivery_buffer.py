"""What a channel keeps of what the broker sends: bounded by bytes, and nothing of it lost or settled by mistake."""

import asyncio
from hashlib import sha256
from random import Random

import aiormq
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker
from distribution.errors import ParkedCode
from distribution.intake.decoder import Decoder
from distribution.messages import CUT_BYTES, WHOLE_BYTES, Incoming
from distribution.store.database import Database
from tests.broker_setup import worker_connection
from tests.clients import bot_at, message
from tests.factories import open_source
from tests.integration.worker.deliveries import arrive, delivered
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.outages import RENAMED, SOON, execute, send
from tests.polling import until
from worker.broker.topology import Topology
from worker.consume.batch_committer import BatchCommitter
from worker.consume.consumer import Consumer
from worker.consume.context import ConsumeContext
from worker.consume.delivery_buffer import BUFFER_BYTES
from worker.consume.delivery_conversion import incoming_from_delivery
from worker.consume.watchdog import Pulse
from worker.failpoints import no_failpoints
from worker.metrics import Metrics
from worker.publish.relay import Relay
from worker.readiness import Readiness


async def test_of_a_huge_body_only_the_beginning_is_kept(rabbitmq: Broker, prefix: str) -> None:
    """With the size and the digest of the whole; it is parked as too large, and what comes behind it is whole."""
    huge, whole = bytes(range(256)) * 8 * 1024, b"y" * WHOLE_BYTES
    async with bot_at(rabbitmq.url, prefix) as bot, delivered(rabbitmq, Topology(prefix, "1h").inbound) as (_, inbox):
        await bot.publish([message(huge, "huge")])
        await bot.publish([message(whole, "whole")])
        first, second = [incoming_from_delivery(delivery) for delivery in await arrive(inbox, 2)]
    assert first.body == huge[:CUT_BYTES]
    assert (first.body_size, first.body_digest) == (len(huge), sha256(huge).digest())
    assert (second.body, second.body_size, second.body_digest) == (whole, None, None)
    assert rejection(first) == (ParkedCode.TOO_LARGE, f"The body has {len(huge)} bytes; at most 1048576 are taken.")


def rejection(message: Incoming) -> tuple[str, str]:
    """Why it is parked."""
    why = Decoder(WHOLE_BYTES).decode(message).command
    return getattr(why, "code", ""), getattr(why, "detail", "")


async def test_nothing_is_read_while_there_is_too_much(rabbitmq: Broker, prefix: str) -> None:
    """The broker is let go on once half is taken; whatever is not settled goes back, also what is still on its way."""
    number, topology = 2 * BUFFER_BYTES // WHOLE_BYTES + 8, Topology(prefix, "1h")
    async with bot_at(rabbitmq.url, prefix) as bot:
        await bot.publish([message(b"x" * WHOLE_BYTES, f"m-{n}") for n in range(number)])
    async with delivered(rabbitmq, topology.inbound) as (channel, inbox):
        await inbox.full.wait()
        assert BUFFER_BYTES < inbox.weight <= BUFFER_BYTES + WHOLE_BYTES
        await inbox.acknowledge(inbox.take_all())
        await inbox.full.wait()
        done = inbox.delivered - len(inbox)
        channel.drop()
        await channel.close()
        async with aiormq.connect(rabbitmq.url) as connection:
            left = await (await connection.channel()).queue_declare(topology.inbound, passive=True)
    assert left.message_count == number - done


async def test_only_what_is_acknowledged_is_settled(rabbitmq: Broker, prefix: str) -> None:
    """In whatever order, with something older still unsettled: one write, and never more than was meant."""
    topology = Topology(prefix, "1h")
    async with bot_at(rabbitmq.url, prefix) as bot:
        await bot.publish([message(b"{}", f"m-{n}") for n in range(10)])
    async with delivered(rabbitmq, topology.inbound) as (channel, inbox):
        all_of_them = await arrive(inbox, 10)
        await inbox.acknowledge(all_of_them[2:4])
        await inbox.acknowledge([all_of_them[9], all_of_them[0]])
        await inbox.acknowledge(all_of_them[5:7])
        assert inbox.unsettled == 4
        await channel.close()
        async with aiormq.connect(rabbitmq.url) as connection:
            left = await (await connection.channel()).queue_declare(topology.inbound, passive=True)
    assert left.message_count == 4


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_watchdog_sees_after_an_outage(world: WorkerHarness, engine: AsyncEngine, rabbitmq: Broker) -> None:
    """What a lost channel held is nobody's any more: else messages that nobody delivers would never look suspicious."""
    await open_source(engine, "s", {"Olga": (1, 100)})
    await execute(engine, RENAMED)
    await send(world)
    readiness, metrics, database = Readiness(), Metrics(), Database(engine, Random(1))
    relay = Relay(database, world.topology, readiness, metrics, no_failpoints)
    batches = BatchCommitter(database)
    consumer = Consumer(
        ConsumeContext(
            world.settings, database, batches, relay.inbox, readiness, metrics, asyncio.Event(), retry_delays=SOON
        )
    )

    async def failed() -> bool:
        return "database" in readiness.problems and consumer.pulse().unsettled > 0

    async with await worker_connection(rabbitmq.url) as connection:
        serving = asyncio.ensure_future(consumer.serve(connection))
        await until(failed)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    assert consumer.pulse() == Pulse(consumer=0, delivered=0, unsettled=0)
