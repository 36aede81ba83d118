"""The same ceiling without aio-pika's conveniences: aiormq alone, as our worker uses it."""

import asyncio
from uuid import uuid4

import aiormq
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from benchmarks.candidates.common import PREFETCH, ROUTING_KEY, Environment, environment, event_of, run


async def work(at: Environment) -> None:
    """Consume and publish for ever."""
    async with aiormq.connect(at.amqp_url) as consumer, aiormq.connect(at.amqp_url) as publisher:
        publishing = await publisher.channel(publisher_confirms=True, on_return_raises=True)
        consuming = await consumer.channel(publisher_confirms=False)
        await consuming.basic_qos(prefetch_count=PREFETCH)

        async def pass_on(message: DeliveredMessage) -> None:
            submission_id = message.header.properties.message_id
            properties = Basic.Properties(message_id=str(uuid4()), correlation_id=submission_id, delivery_mode=2)
            await publishing.basic_publish(
                event_of(message.body),
                exchange=at.assignments,
                routing_key=ROUTING_KEY,
                properties=properties,
                mandatory=True,
            )
            await consuming.basic_ack(message.delivery_tag or 0, wait=False)

        await consuming.basic_consume(at.inbound, pass_on)
        await asyncio.Event().wait()


if __name__ == "__main__":
    run(work(environment()))
