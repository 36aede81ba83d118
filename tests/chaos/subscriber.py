"""A subscriber that records every event, in the order of first delivery."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
from aiormq.abc import DeliveredMessage

from tests.chaos.reconnecting_channel import channel_at, keep_trying

ACKNOWLEDGE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Heard:
    """The fields of an event that the judge needs."""

    id: str
    contact_id: str
    sequence: int
    type: str
    key: tuple[str, str]
    operator_id: int | None


@dataclass
class Subscriber:
    """Consumes `assignments` through a durable queue of its own; `on_event` is called once per event."""

    url: str
    prefix: str
    on_event: Callable[[Heard], None]
    heard: dict[str, Heard] = field(default_factory=dict)
    copies: int = 0

    @property
    def queue(self) -> str:
        """Its queue."""
        return f"{self.prefix}chaos.subscriber"

    async def subscribe(self) -> None:
        """Declare the queue, before the first event."""
        async with channel_at(self.url, confirms=False) as channel:
            exchange = f"{self.prefix}assignments"
            await channel.exchange_declare(exchange, exchange_type="topic", durable=True)
            await channel.queue_declare(self.queue, durable=True, arguments={"x-queue-type": "quorum"})
            await channel.queue_bind(self.queue, exchange, routing_key="#")

    async def listen(self) -> None:
        """Consume events, for ever."""
        await keep_trying(self._listen)

    async def _listen(self) -> bool:
        async with channel_at(self.url, confirms=False) as channel:
            last = 0

            async def hear(message: DeliveredMessage) -> None:
                nonlocal last
                self._remember(message.body)
                last = message.delivery_tag or last

            await channel.basic_qos(prefetch_count=2_000)
            await channel.basic_consume(self.queue, hear)
            acknowledged = 0
            while not channel.is_closed:
                await asyncio.sleep(ACKNOWLEDGE_SECONDS)  # how late a subscriber acknowledges
                if last > acknowledged:
                    await channel.basic_ack(last, multiple=True)
                    acknowledged = last
        return False

    def _remember(self, body: bytes) -> None:
        event = orjson.loads(body)
        if event["id"] in self.heard:
            self.copies += 1
            return
        data = event["data"]
        heard = Heard(
            id=event["id"],
            contact_id=event["subject"],
            sequence=data["sequence"],
            type=event["type"],
            key=(data["source"]["code"], data["contact"]["message_id"]),
            operator_id=data["operator"]["id"] if data["operator"] else None,
        )
        self.heard[heard.id] = heard
        self.on_event(heard)
