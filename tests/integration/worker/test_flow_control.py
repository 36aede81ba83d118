"""A broker with a memory alarm: alive, and taking no publications."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractQueue
from pamqp.common import FieldTable

from devservices.broker import Broker
from distribution.store.tables import contacts, outbox
from tests.clients import PATIENCE_SECONDS, Bot, body, message
from tests.factories import count, open_source
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.health_pages import HealthPages
from tests.polling import until
from worker.broker.supervisor import BLOCKED
from worker.publish.in_flight import EVENTS

# What is shown here has nothing to do with which database there is.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

WAITING = 300


@pytest.fixture(scope="module")
def rabbitmq(own_broker: Broker) -> Broker:
    """One of our own, whose alarm disturbs nobody."""
    return own_broker


@asynccontextmanager
async def alarm(server: Broker) -> AsyncIterator[None]:
    """The broker believes that it is short of memory."""
    await asyncio.to_thread(server.rabbitmqctl, "set_vm_memory_high_watermark", "0.0000001")
    try:
        yield
    finally:
        await asyncio.to_thread(server.rabbitmqctl, "set_vm_memory_high_watermark", "0.4")


class Reserve:
    """Messages that the broker itself can put before the worker, while nobody can publish."""

    def __init__(self, queue: AbstractQueue) -> None:
        self._queue = queue

    @classmethod
    async def fill(cls, bot: Bot, messages: Iterable[aio_pika.Message]) -> "Reserve":
        """Publish them to a queue whose rejected messages go to the worker."""
        arguments: FieldTable = {
            "x-dead-letter-exchange": f"{bot.prefix}contacts",
            "x-dead-letter-routing-key": "contact.submit.test",
        }
        queue = await bot.channel.declare_queue(exclusive=True, arguments=arguments)
        for each in messages:
            await bot.channel.default_exchange.publish(each, queue.name)
        return cls(queue)

    async def release(self, number: int) -> None:
        """Let them go to the worker."""
        for _ in range(number):
            await (await self._queue.get()).reject(requeue=False)


async def test_alarm(world: WorkerHarness, rabbitmq: Broker) -> None:
    """While the broker takes no publications messages are consumed, readiness says why, and nothing reconnects.

    After it every event comes out once: none is lost, and none was sent a second time meanwhile.
    """
    await open_source(world.engine, "bot", {"Olga": (1, 1000)})
    reserve = await Reserve.fill(world.bot, [message(body("bot", f"r:{n}"), f"r-{n}") for n in range(WAITING)])

    async def all_processed() -> bool:
        return await count(world.engine, contacts) == WAITING

    async with world.worker() as address:
        pages = HealthPages(address)
        connects = await pages.connects()
        async with alarm(rabbitmq):
            await reserve.release(WAITING)
            await pages.until(lambda problems: BLOCKED in problems.get("publisher", ""))
            assert await pages.metric('contacts_broker_blocked{connection="publisher"}') == 1
            await until(all_processed, PATIENCE_SECONDS)
            # Longer than a publication waits for its confirmation: whoever gave up then would send it again.
            over = asyncio.get_running_loop().time() + EVENTS.confirm_seconds + 5
            while asyncio.get_running_loop().time() < over:
                assert set(await pages.problems()) == {"publisher"}
                assert await pages.connects() == connects
                await asyncio.sleep(0.5)  # what is tested: that this lasts
            assert world.subscriber.events == []
        await world.subscriber.count(WAITING)
        await pages.until(lambda problems: not problems)
        assert await pages.metric('contacts_broker_blocked{connection="publisher"}') == 0
        assert await pages.connects() == connects
    assert await count(world.engine, outbox) == 0
    assert len(world.subscriber.messages) == len(world.subscriber.events) == WAITING
