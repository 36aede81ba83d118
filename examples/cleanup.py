"""Uses names of our own on a broker that others may use, and deletes them afterwards."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import aio_pika

from distribution.terminal import escaped

QUEUES = ("contacts.inbound.v1", "contacts.dead", "assignments.log")
EXCHANGES = ("contacts", "contacts.dead", "assignments")
_SECONDS = 20.0


@contextmanager
def own_names(amqp_url: str, prefix: str) -> Iterator[None]:
    """After the block, delete what the worker declared with this prefix, which only this run may use."""
    asyncio.run(_delete(amqp_url, prefix))  # nothing exists yet: this fails early if the broker is unreachable
    try:
        yield
    finally:
        _delete_or_report(amqp_url, prefix)


def _delete_or_report(amqp_url: str, prefix: str) -> None:
    # An error here must not hide the error that ended the block.
    try:
        asyncio.run(_delete(amqp_url, prefix))
    except (aio_pika.exceptions.AMQPError, OSError) as error:
        print(escaped(f"the queues and exchanges {prefix}* are still on the broker: {error}"), file=sys.stderr)


async def _delete(amqp_url: str, prefix: str) -> None:
    async with asyncio.timeout(_SECONDS):
        connection = await aio_pika.connect(amqp_url)
        async with connection:
            channel = await connection.channel()
            for queue in QUEUES:
                await channel.queue_delete(f"{prefix}{queue}")
            for exchange in EXCHANGES:
                await channel.exchange_delete(f"{prefix}{exchange}")
