"""The naive worker over aio-pika: one message after the other."""

import aio_pika
from sqlalchemy.ext.asyncio import async_sessionmaker

from benchmarks.candidates.common import ROUTING_KEY, Environment, environment, run
from benchmarks.candidates.naive import handle
from distribution.store.engine import create_engine

PREFETCH = 20


async def work(at: Environment) -> None:
    """Commit, publish with confirm, acknowledge; then the next."""
    sessions = async_sessionmaker(create_engine(at.database_url))
    async with await aio_pika.connect(at.amqp_url) as connection:
        channel = await connection.channel()
        await channel.set_qos(PREFETCH)
        exchange = await channel.get_exchange(at.assignments, ensure=False)
        queue = await channel.get_queue(at.inbound, ensure=False)
        async with queue.iterator() as messages:
            async for message in messages:
                event = await handle(sessions, message.body, message.message_id or "")
                if event is not None:
                    event_message = aio_pika.Message(event, correlation_id=message.message_id, delivery_mode=2)
                    await exchange.publish(event_message, ROUTING_KEY, mandatory=True)
                await message.ack()


if __name__ == "__main__":
    run(work(environment()))
