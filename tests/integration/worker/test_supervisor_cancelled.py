"""A consumer that the broker ends comes back."""

import aiormq
import pytest

from devservices.broker import Broker
from tests.clients import PATIENCE_SECONDS, body, message
from tests.factories import open_source
from tests.integration.worker.broker_state import consumers
from tests.integration.worker.harness import WorkerHarness
from tests.polling import until

# What is shown here has nothing to do with which database there is.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_deleted_queue(world: WorkerHarness, rabbitmq: Broker) -> None:
    """Deleting the worker's queue cancels its consumer; it declares the queue anew and consumes again."""
    await open_source(world.engine, "bot", {"Olga": (1, 10)})
    async with world.worker(), aiormq.connect(rabbitmq.url) as connection:
        await world.bot.publish([message(body("bot", "a:1"), "a-1")])
        await world.subscriber.count(1)
        await (await connection.channel()).queue_delete(world.topology.inbound)

        async def consumes() -> bool:
            return await consumers(connection, world.topology.inbound) > 0

        await until(consumes, PATIENCE_SECONDS)
        await world.bot.publish([message(body("bot", "a:2"), "a-2")])
        events = await world.subscriber.count(2)
    assert [event["data"]["contact"]["message_id"] for event in events] == ["a-1", "a-2"]
