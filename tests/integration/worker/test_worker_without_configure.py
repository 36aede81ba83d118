"""A worker whose broker user may not declare anything."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiormq
import pytest
from pydantic import SecretStr
from yarl import URL

from devservices.broker import Broker
from tests.broker_setup import declare_at
from tests.clients import PATIENCE_SECONDS, body, message
from tests.factories import open_source
from tests.integration.worker.harness import WorkerHarness
from tests.integration.worker.health_pages import HealthPages
from tests.polling import until
from worker.app import run

# What is shown here has nothing to do with which database there is.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def rabbitmq(own_broker: Broker) -> Broker:
    """One whose users are ours to make."""
    return own_broker


class Rights:
    """A broker user whose rights are set by a test."""

    def __init__(self, server: Broker, prefix: str) -> None:
        self._server, self._prefix = server, prefix.replace(".", "\\.")
        self.name = f"worker-{secrets.token_hex(3)}"
        self.url = str(URL(server.url).with_user(self.name).with_password("secret"))

    async def make(self) -> None:
        """May read and write what the worker needs, as docs/operations.md says, and configure nothing."""
        await self._ctl("add_user", self.name, "secret")
        writes = f"^({self._prefix}assignments|amq\\.default)$"
        reads = f"^{self._prefix}contacts\\.(inbound\\.v1|dead)$"
        await self._ctl("set_permissions", self.name, "^$", writes, reads)

    async def _ctl(self, *arguments: str) -> None:
        await asyncio.to_thread(self._server.rabbitmqctl, *arguments)


@pytest.fixture
async def restricted(world: WorkerHarness, rabbitmq: Broker) -> WorkerHarness:
    """A world whose worker connects as a user without the right to configure."""
    rights = Rights(rabbitmq, world.topology.prefix)
    await rights.make()
    world.settings = world.settings.model_copy(update={"amqp_url": SecretStr(rights.url)})
    return world


@asynccontextmanager
async def started(world: WorkerHarness) -> AsyncIterator[HealthPages]:
    """A worker that need not become ready."""
    stopping, listening = asyncio.Event(), socket.create_server(("127.0.0.1", 0))
    work = asyncio.create_task(run(world.settings, listening, stopping))
    try:
        yield HealthPages(f"http://127.0.0.1:{listening.getsockname()[1]}")
    finally:
        stopping.set()
        await work


def says(part: str, *words: str) -> Callable[[dict[str, str]], bool]:
    """Whether the problem of a part has these words."""
    return lambda problems: all(word in problems.get(part, "") for word in words)


async def test_a_user_who_may_not_declare_is_told_of_the_setting(restricted: WorkerHarness) -> None:
    """One clear sentence instead of a broker that is away."""
    async with started(restricted) as pages:
        await pages.until(says("consumer", "BROKER_DECLARE", f"exchange {restricted.topology.contacts}", "refused"))
        assert "not connected" not in (await pages.problems())["consumer"]


async def test_a_worker_that_only_looks(restricted: WorkerHarness, rabbitmq: Broker) -> None:
    """With BROKER_DECLARE=false it works without the right to configure; what is missing is named, and waited for."""
    await open_source(restricted.engine, "web", {"Olga": (1, 10)})
    restricted.settings = restricted.settings.model_copy(update={"broker_declare": False})
    async with restricted.worker() as address:
        await restricted.bot.publish([message(body("web", "w:1"), "k")])
        await restricted.subscriber.count(1)

        async def has_no_details() -> bool:
            return await HealthPages(address).details() == {}

        await until(has_no_details, PATIENCE_SECONDS)
    [log] = [queue for queue in restricted.topology.queues() if queue.name == restricted.topology.log]
    async with aiormq.connect(rabbitmq.url) as connection:
        channel = await connection.channel()
        await channel.queue_delete(log.name)
        async with started(restricted) as pages:
            await pages.until(says("publisher", f"The broker has no queue {log.name}"))
            await declare_at(rabbitmq.url, restricted.topology)
            await pages.until(lambda problems: problems == {})
