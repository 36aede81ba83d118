"""A broker with a memory alarm: alive, and taking no publications."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager

import aio_pika
import httpx2
import pytest
from aio_pika.abc import AbstractQueue
from pamqp.common import FieldTable

from devservices.broker import Broker, broker
from distribution.store.tables import contacts, outbox
from tests.clients import PATIENCE_SECONDS, Bot, body, message
from tests.desk import count, open_source
from tests.integration.worker.conftest import World
from worker.link import BLOCKED
from worker.window import CONFIRM_SECONDS

# What is shown here has nothing to do with which database there is.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

WAITING = 300


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[Broker]:
    """One of our own, whose alarm disturbs nobody."""
    with broker(control=True) as found:
        yield found


@asynccontextmanager
async def alarm(server: Broker) -> AsyncIterator[None]:
    """The broker believes that it is short of memory."""
    await asyncio.to_thread(server.rabbitmqctl, "set_vm_memory_high_watermark", "0.0000001")
    try:
        yield
    finally:
        await asyncio.to_thread(server.rabbitmqctl, "set_vm_memory_high_watermark", "0.4")


class Health:
    """The worker's own pages."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def problems(self) -> dict[str, str]:
        """What keeps it from being ready."""
        async with httpx2.AsyncClient(trust_env=False) as http:
            answer = (await http.get(f"{self._address}/readyz")).json()
        found: dict[str, str] = answer.get("problems", {})
        return found

    async def metric(self, name: str) -> float:
        """One value."""
        async with httpx2.AsyncClient(trust_env=False) as http:
            text = (await http.get(f"{self._address}/metrics")).text
        return float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).split()[1])

    async def connects(self) -> tuple[float, float]:
        """How often each of the two connections was made."""
        consumer = await self.metric('contacts_broker_connects_total{connection="consumer"}')
        return consumer, await self.metric('contacts_broker_connects_total{connection="publisher"}')

    async def until(self, right: Callable[[dict[str, str]], bool]) -> None:
        """Wait until the problems are such."""

        async def are_right() -> bool:
            return right(await self.problems())

        await poll(are_right)


async def poll(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.1)


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


async def test_alarm(world: World, rabbitmq: Broker) -> None:
    """While the broker takes no publications messages are consumed, readiness says why, and nothing reconnects.

    After it every event comes out once: none is lost, and none was sent a second time meanwhile.
    """
    await open_source(world.engine, "bot", {"Olga": (1, 1000)})
    reserve = await Reserve.fill(world.bot, [message(body("bot", f"r:{n}"), f"r-{n}") for n in range(WAITING)])

    async def all_processed() -> bool:
        return await count(world.engine, contacts) == WAITING

    async with world.worker() as address:
        health = Health(address)
        connects = await health.connects()
        async with alarm(rabbitmq):
            await reserve.release(WAITING)
            await health.until(lambda problems: BLOCKED in problems.get("publisher", ""))
            assert await health.metric('contacts_broker_blocked{connection="publisher"}') == 1
            await poll(all_processed)
            # Longer than a publication waits for its confirmation: whoever gave up then would send it again.
            over = asyncio.get_running_loop().time() + CONFIRM_SECONDS + 5
            while asyncio.get_running_loop().time() < over:
                assert set(await health.problems()) == {"publisher"}
                assert await health.connects() == connects
                await asyncio.sleep(0.5)
            assert world.subscriber.events == []
        await world.subscriber.count(WAITING)
        await health.until(lambda problems: not problems)
        assert await health.metric('contacts_broker_blocked{connection="publisher"}') == 0
        assert await health.connects() == connects
    assert await count(world.engine, outbox) == 0
    assert len(world.subscriber.messages) == len(world.subscriber.events) == WAITING
