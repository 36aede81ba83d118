"""The ceiling of aio-pika: consume, publish one event with confirm, acknowledge, nothing else; a thousand in flight."""

import asyncio
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from benchmarks.candidates.common import PREFETCH, ROUTING_KEY, Environment, environment, event_of, run


async def work(at: Environment) -> None:
    """Consume and publish for ever."""
    async with (
        await aio_pika.connect(at.amqp_url) as consumer,
        await aio_pika.connect(at.amqp_url) as publisher,
    ):
        exchange = await (await publisher.channel()).get_exchange(at.assignments, ensure=False)
        channel = await consumer.channel(publisher_confirms=False)
        await channel.set_qos(PREFETCH)

        async def pass_on(message: AbstractIncomingMessage) -> None:
            event = aio_pika.Message(
                event_of(message.body), message_id=str(uuid4()), correlation_id=message.message_id, delivery_mode=2
            )
            await exchange.publish(event, ROUTING_KEY, mandatory=True)
            await message.ack()

        await (await channel.get_queue(at.inbound, ensure=False)).consume(pass_on)
        await asyncio.Event().wait()


if __name__ == "__main__":
    run(work(environment()))
