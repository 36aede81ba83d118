"""Connections and queues as the broker sees them."""

import asyncio

import aiormq
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import ChannelNotFoundEntity

from devservices.broker import Broker
from tests.integration.worker.harness import WorkerHarness


def close_connections(server: Broker, name: str) -> None:
    """The broker ends the worker's connection of that name."""
    for row in server.rabbitmqctl("list_connections", "--silent", "pid", "client_properties").splitlines():
        if f"contact-distribution {name}" in row:
            server.rabbitmqctl("close_connection", row.split()[0], "maintenance")


async def consumers(connection: aiormq.Connection, queue: str) -> int:
    """How many there are; none if there is no such queue."""
    channel = await connection.channel()
    try:
        found = await channel.queue_declare(queue, passive=True)
    except ChannelNotFoundEntity:
        return 0
    await channel.close()
    return found.consumer_count or 0


async def give_back(world: WorkerHarness, number: int) -> None:
    """Be delivered this many messages and give all of them back, as a worker that died does."""
    held: asyncio.Queue[DeliveredMessage] = asyncio.Queue()

    async with aiormq.connect(world.settings.amqp_url.get_secret_value()) as connection:
        channel = await connection.channel()
        await channel.basic_qos(prefetch_count=number)
        await channel.basic_consume(world.topology.inbound, held.put)
        for _ in range(number):
            await held.get()
