"""The watchdog: a connection over which nothing comes, though it looks open, is given up with the reason."""

import asyncio

import aio_pika
import pytest
from aio_pika.abc import AbstractQueue

from devservices.broker import Broker
from tests.broker_setup import worker_connection
from worker.broker.connection_errors import ConnectionLost
from worker.consume.watchdog import Pulse, watch_over

SOON, PATIENCE_SECONDS = 0.05, 30
IDLE = Pulse(consumer=0, delivered=0, unsettled=0)
CONSUMING = Pulse(consumer=1, delivered=0, unsettled=0)


async def given_up(url: str, queue: AbstractQueue, pulse: Pulse) -> str:
    """Watch over a consumer whose state never changes; returns why its connection is given up."""
    async with await worker_connection(url) as connection, asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(ConnectionLost) as lost:
            await watch_over(connection, queue.name, lambda: pulse, SOON)
    return str(lost.value)


async def test_a_consumer_that_the_broker_has_forgotten(rabbitmq: Broker) -> None:
    """We think that we consume, and the queue has no consumer."""
    async with await aio_pika.connect(rabbitmq.url) as connection:
        queue = await (await connection.channel()).declare_queue(auto_delete=True)
        assert "does not know our consumer" in await given_up(rabbitmq.url, queue, CONSUMING)


async def test_messages_that_are_not_delivered(rabbitmq: Broker) -> None:
    """One is ready, we hold none, and none comes."""
    async with await aio_pika.connect(rabbitmq.url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=1)
        queue = await channel.declare_queue(auto_delete=True)
        held = asyncio.Event()

        async def hold(_: aio_pika.abc.AbstractIncomingMessage) -> None:
            held.set()

        await queue.consume(hold)
        for _ in range(2):
            await channel.default_exchange.publish(aio_pika.Message(b"{}"), queue.name)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await held.wait()
        assert "delivers none" in await given_up(rabbitmq.url, queue, CONSUMING)


async def test_a_broker_that_does_not_answer(own_broker: Broker) -> None:
    """It is frozen: its sockets stay open, and no response comes."""
    async with await worker_connection(own_broker.url) as connection:
        queue = await (await connection.channel()).declare_queue(auto_delete=True)
        watching = asyncio.ensure_future(watch_over(connection, queue.name, lambda: IDLE, SOON, answer_seconds=1))
        await asyncio.to_thread(own_broker.freeze)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                with pytest.raises(ConnectionLost, match="did not answer within 1 s"):
                    await watching
        finally:
            await asyncio.to_thread(own_broker.thaw)
