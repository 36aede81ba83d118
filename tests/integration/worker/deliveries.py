"""Deliveries as the client library hands them over."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from devservices.broker import Broker
from tests.broker_setup import worker_connection
from tests.clients import PATIENCE_SECONDS
from tests.polling import until
from worker.broker.aiormq_channels import ConsumingChannel, Delivery
from worker.consume.delivery_buffer import DeliveryBuffer

MANY = 200


@asynccontextmanager
async def delivered(rabbitmq: Broker, queue: str) -> AsyncIterator[tuple[ConsumingChannel, DeliveryBuffer]]:
    """A channel that is delivered as much as it lets in."""
    async with await worker_connection(rabbitmq.url) as connection:
        channel = await ConsumingChannel(connection.underlay).opened()
        inbox = DeliveryBuffer(channel)
        await channel.basic_qos(prefetch_count=MANY)
        await channel.basic_consume(queue, inbox.put)
        yield channel, inbox


async def arrive(inbox: DeliveryBuffer, number: int) -> list[Delivery]:
    """So many deliveries, as they come."""
    taken: list[Delivery] = []

    async def there() -> bool:
        taken.extend(inbox.take_all())
        return len(taken) == number

    await until(there, PATIENCE_SECONDS)
    return taken
