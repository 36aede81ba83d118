"""Removes what a worker with a prefix of its own declared on a broker that belongs to others."""

import asyncio

import aio_pika

QUEUES = ("contacts.inbound.v1", "contacts.dead", "assignments.log")
EXCHANGES = ("contacts", "contacts.dead", "assignments")
_SECONDS = 20.0


def remove_declared(amqp_url: str, prefix: str) -> None:
    """Delete the queues and exchanges with this prefix; without a prefix they are not ours alone, and stay."""
    if prefix:
        asyncio.run(_remove(amqp_url, prefix))


async def _remove(amqp_url: str, prefix: str) -> None:
    async with asyncio.timeout(_SECONDS):
        connection = await aio_pika.connect(amqp_url)
        async with connection:
            channel = await connection.channel()
            for queue in QUEUES:
                await channel.queue_delete(f"{prefix}{queue}")
            for exchange in EXCHANGES:
                await channel.exchange_delete(f"{prefix}{exchange}")
