"""The same work as a subscriber of FastStream, as its documentation shows one."""

import asyncio

from faststream import AckPolicy
from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue
from sqlalchemy.ext.asyncio import async_sessionmaker

from benchmarks.candidates.common import ROUTING_KEY, Environment, environment, run
from benchmarks.candidates.naive import handle
from distribution.store.engine import create_engine

PREFETCH = 20


async def work(at: Environment) -> None:
    """Subscribe and run."""
    sessions = async_sessionmaker(create_engine(at.database_url))
    broker = RabbitBroker(at.amqp_url, default_channel=Channel(prefetch_count=PREFETCH), logger=None)
    queue = RabbitQueue(at.inbound, declare=False)
    exchange = RabbitExchange(at.assignments, type=ExchangeType.TOPIC, declare=False)
    one_at_a_time = asyncio.Lock()  # SQLite has one writer, and on PostgreSQL all lock the same operators

    @broker.subscriber(queue, ack_policy=AckPolicy.NACK_ON_ERROR)
    async def submitted(_body: object, message: RabbitMessage) -> None:
        async with one_at_a_time:
            event = await handle(sessions, message.body, message.message_id)
        if event is not None:
            await broker.publish(
                event,
                exchange=exchange,
                routing_key=ROUTING_KEY,
                correlation_id=message.message_id,
                persist=True,
                mandatory=True,
            )

    async with broker:
        await broker.start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    run(work(environment()))
