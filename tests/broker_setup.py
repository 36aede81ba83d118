"""Connections and declarations of the tests, made as the worker makes them."""

import aio_pika

from worker.broker.connection import Connection
from worker.broker.topology import Topology, declare_each


async def worker_connection(url: str) -> Connection:
    """A connection for a part of the worker."""
    return await aio_pika.connect(url, connection_class=Connection)


async def declare_at(url: str, topology: Topology) -> None:
    """Declare everything, without a worker."""
    async with await aio_pika.connect(url) as connection:
        await declare_each(await connection.channel(), topology.objects(), declares=topology.declares)
