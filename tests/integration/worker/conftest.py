"""A worker inside the test's loop, on a real broker and both databases."""

import secrets
from collections.abc import AsyncIterator

import aiormq
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from devservices.broker import Broker
from tests.broker_setup import declare_at
from tests.clients import bot_at, listen, subscribe
from tests.integration.worker.certificate_files import CertificateFiles, papers
from tests.integration.worker.harness import WorkerHarness
from worker.broker.topology import Topology
from worker.settings import WorkerSettings


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


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """The authority of the broker."""
    return papers(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """Another authority, which the broker does not know."""
    return papers(tmp_path_factory.mktemp("tls") / "theirs")
