"""Bots as their authors write them: with libraries that put words of their own into a message."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import kombu
import pytest
from aio_pika import Message
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import rabbitmq
from cloudevents.core.v1.event import CloudEvent
from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange

from distribution.store.tables import contacts
from tests.clients import body
from tests.factories import count, open_source, statuses
from tests.integration.worker.harness import WorkerHarness

KEY = "contact.submit.test"
PRODUCER = "/bots/telegram"
SILENCE_SECONDS = 2.0
"""After so long without a delivery, the log is taken to be read to its end."""


def publish_with_kombu(world: WorkerHarness, contents: list[dict[str, Any] | bytes], **properties: Any) -> None:
    """Publish each as kombu does it: a dict by its serializer, bytes as they are."""
    with kombu.Connection(
        world.settings.amqp_url.get_secret_value(), transport_options={"confirm_publish": True}
    ) as connection:
        exchange = kombu.Exchange(world.topology.contacts, "topic")
        producer = connection.Producer(exchange=exchange, routing_key=KEY)
        for content in contents:
            producer.publish(content, mandatory=True, **properties)


def replay_with_kombu(world: WorkerHarness) -> list[dict[str, Any]]:
    """Every event of the log, from the first on."""
    events: list[dict[str, Any]] = []

    def take(message: kombu.Message) -> None:
        events.append(json.loads(message.body))
        message.ack()

    with kombu.Connection(world.settings.amqp_url.get_secret_value()) as connection:
        log = kombu.Queue(world.topology.log, no_declare=True, consumer_arguments={"x-stream-offset": "first"})
        with connection.Consumer([log], prefetch_count=100, on_message=take):
            try:
                while True:
                    connection.drain_events(timeout=SILENCE_SECONDS)
            except TimeoutError:
                return events


async def test_kombu_and_celery_publish_as_they_are(world: WorkerHarness) -> None:
    """A dict, and JSON that is bytes already, each sent twice: one contact each, and the log has them for kombu."""
    await open_source(world.engine, "web", {"Olga": (1, 10)})
    made, raw = body("web", "w:1", message_id="k-1"), json.dumps(body("web", "w:2", message_id="k-2")).encode()
    async with world.worker():
        await asyncio.to_thread(publish_with_kombu, world, [made, made])
        await asyncio.to_thread(publish_with_kombu, world, [raw, raw], content_type="application/json")
        await world.subscriber.count(2)
        replayed = await asyncio.to_thread(replay_with_kombu, world)
    assert {event["data"]["contact"]["message_id"] for event in replayed} == {"k-1", "k-2"}
    assert await count(world.engine, contacts) == 2


async def test_faststream_makes_no_second_contact(world: WorkerHarness) -> None:
    """FastStream makes up a message_id for each send; the one in the body counts."""
    await open_source(world.engine, "web", {"Olga": (1, 10)})
    exchange = RabbitExchange(world.topology.contacts, type=ExchangeType.TOPIC, durable=True)
    async with world.worker(), RabbitBroker(world.settings.amqp_url.get_secret_value(), logger=None) as broker:
        for content in (body("web", "w:1", message_id="k-1"),) * 2 + (body("web", "w:2", message_id="k-2"),):
            await broker.publish(content, exchange=exchange, routing_key=KEY)
        await world.subscriber.count(2)
    assert await count(world.engine, contacts) == 2


@pytest.mark.parametrize("mode", [rabbitmq.to_structured_event, rabbitmq.to_binary_event])
async def test_cloudevents_of_the_sdk(
    world: WorkerHarness, mode: Callable[[BaseCloudEvent], rabbitmq.RabbitMQMessage]
) -> None:
    """Either mode of the SDK: sent twice it is one contact, it closes by its key, and the SDK reads our events."""
    await open_source(world.engine, "web", {"Olga": (1, 10)})

    def event(key: str, kind: str, data: dict[str, Any]) -> Message:
        made = mode(CloudEvent({"id": key, "source": PRODUCER, "type": kind, "specversion": "1.0"}, data))
        return Message(made.body, content_type=made.content_type, headers=dict(made.headers))

    submit = event("k-1", "contact.submit", body("web", "w:1"))
    close = event("c-1", "contact.close", {"source": "web", "message_id": "k-1", "producer": PRODUCER})
    async with world.worker():
        await world.bot.publish([submit, submit])
        await world.subscriber.count(1)
        await world.bot.publish([close])
        await world.subscriber.count(2)
    assert await statuses(world.engine) == {"closed": 1}
    told = [
        rabbitmq.from_rabbitmq_event(rabbitmq.RabbitMQMessage({}, each.content_type, each.body))
        for each in world.subscriber.messages
    ]
    assert [each.get_type() for each in told] == ["contact.assigned", "contact.closed"]
