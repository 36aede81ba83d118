"""A worker inside the test's loop, on a real broker and both databases."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiormq
import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker
from tests.broker_setup import declare_at
from tests.clients import PATIENCE_SECONDS, Bot, Subscriber, bot_at, listen, subscribe
from worker.app import run
from worker.broker.topology import Topology
from worker.database_outage import DEFAULT_DELAYS, RetryDelays
from worker.failpoints import FailpointHook, no_failpoints
from worker.settings import WorkerSettings


@dataclass
class WorkerHarness:
    """One test's own corner: a database, names on the broker, a bot, a subscriber, and a way to run workers."""

    engine: AsyncEngine
    settings: WorkerSettings
    topology: Topology
    bot: Bot
    subscriber: Subscriber
    replies_to: str
    replies: Subscriber

    @asynccontextmanager
    async def worker(
        self, watch: FailpointHook = no_failpoints, pauses: RetryDelays = DEFAULT_DELAYS
    ) -> AsyncIterator[str]:
        """A running worker that is ready; gives the address of its health pages; stopped in order at the end."""
        listening = socket.create_server(("127.0.0.1", 0))
        stopping = asyncio.Event()
        work = asyncio.create_task(run(self.settings, listening, stopping, watch, pauses))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            await ready(address, work)
            yield address
        finally:
            stopping.set()
            try:
                await work
            finally:
                # After a crash nobody else does; in a process of its own nobody has to.
                if listening.fileno() != -1:
                    asyncio.get_running_loop().remove_reader(listening)
                    listening.close()


async def ready(address: str, work: asyncio.Task[None]) -> None:
    """Wait until the worker says that it is ready; raise its error where it died before."""
    async with asyncio.timeout(PATIENCE_SECONDS), httpx2.AsyncClient(trust_env=False) as http:
        while not work.done():
            try:
                if (await http.get(f"{address}/readyz")).is_success:
                    return
            except httpx2.HTTPError:
                pass
            await asyncio.wait({work}, timeout=0.05)
    await work


@pytest.fixture
async def prefix(rabbitmq: Broker) -> AsyncIterator[str]:
    """Names of one test's own on the broker, with everything declared; gone afterwards."""
    made = f"t{secrets.token_hex(4)}."
    topology = Topology(made, "1h")
    await declare_at(rabbitmq.url, topology)
    yield made
    async with aiormq.connect(rabbitmq.url) as connection:
        channel = await connection.channel()
        for queue in topology.queues():
            await channel.queue_delete(queue.name)
        for exchange in topology.exchanges():
            await channel.exchange_delete(exchange.name)


@pytest.fixture
async def world(engine: AsyncEngine, database_url: str, rabbitmq: Broker, prefix: str) -> AsyncIterator[WorkerHarness]:
    """Everything one test needs, no worker running yet."""
    settings = WorkerSettings(
        database_url=SecretStr(database_url),
        amqp_url=SecretStr(rabbitmq.url),
        broker_prefix=prefix,
        event_log_max_age="1h",
    )
    async with bot_at(rabbitmq.url, prefix) as bot:
        replies_to, replies = await listen(bot.channel)
        yield WorkerHarness(
            engine,
            settings,
            Topology(prefix, "1h"),
            bot,
            await subscribe(bot.channel, prefix),
            replies_to,
            replies,
        )
