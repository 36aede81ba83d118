"""A bot and a subscriber for the tests, written against the public contract with aio-pika."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aio_pika
import aiormq
import pamqp.frame
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aiormq.abc import ChannelFrame
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

PATIENCE_SECONDS = 120
IN_FLIGHT = 200

Event = Mapping[str, Any]


def body(source: str, external_id: str, **more: Any) -> dict[str, Any]:
    """A submission's body."""
    lead = {"external_id": external_id} | more.pop("lead", {})
    return {"source": source, "lead": lead, **more}


def message(content: object, message_id: str | None, **properties: Any) -> aio_pika.Message:
    """A persistent message; bytes are sent as they are, anything else as JSON."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    properties = {"type": "contact.submit", "content_type": "application/json"} | properties
    return aio_pika.Message(raw, message_id=message_id, delivery_mode=2, **properties)


@dataclass
class Bot:
    """Publishes to the `contacts` exchange and waits for the broker's confirmation of each message."""

    connection: AbstractConnection
    channel: AbstractChannel
    prefix: str

    async def publish(self, messages: Iterable[aio_pika.Message]) -> None:
        """Publish all; return once all are confirmed."""
        exchange = await self.channel.get_exchange(f"{self.prefix}contacts", ensure=False)
        room = asyncio.Semaphore(IN_FLIGHT)

        async def publish_one(message: aio_pika.Message) -> None:
            async with room:
                await exchange.publish(message, routing_key="contact.submit.test")

        await asyncio.gather(*[publish_one(message) for message in messages])

    async def publish_bare(self, content: bytes, properties: Basic.Properties) -> None:
        """Publish exactly these properties: the client library would add a message_id if there is none."""
        frames: list[Frame | ContentHeader | ContentBody] = [
            Basic.Publish(exchange=f"{self.prefix}contacts", routing_key="contact.submit.test"),
            ContentHeader(properties=properties, body_size=len(content)),
            ContentBody(content),
        ]
        await self._send(lambda number: ChannelFrame.marshall(channel_number=number, frames=frames))

    async def publish_garbled(self, content: bytes, properties: Basic.Properties) -> None:
        """Publish with every text and timestamp of the properties replaced by undecodable bytes."""
        frames: list[Frame | ContentHeader | ContentBody] = [
            Basic.Publish(exchange=f"{self.prefix}contacts", routing_key="contact.submit.test"),
            ContentHeader(properties=properties, body_size=len(content)),
            ContentBody(content),
        ]
        readable = [b"id", b"type", b"header", int(datetime(2026, 11, 23, tzinfo=UTC).timestamp()).to_bytes(8, "big")]

        def garbled(number: int) -> ChannelFrame:
            method, header, rest = [pamqp.frame.marshal(frame, number) for frame in frames]
            for word in readable:
                header = header.replace(word, b"\xff" * len(word))
            return ChannelFrame(payload=method + header + rest, should_close=False)

        await self._send(garbled)

    async def _send(self, frame: Callable[[int], ChannelFrame]) -> None:
        channel = await self.connection.channel(publisher_confirms=False)
        underlay = await channel.get_underlay_channel()
        assert isinstance(underlay, aiormq.Channel)
        await underlay.write_queue.put(frame(underlay.number))
        await channel.close()


@dataclass
class Subscriber:
    """Records the messages of one queue, in order of arrival."""

    messages: list[AbstractIncomingMessage] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    _by_id: dict[str, Event] = field(default_factory=dict)

    async def remember(self, message: AbstractIncomingMessage) -> None:
        """The consumer's callback; each body is parsed once, since the worker under test shares this event loop."""
        self.messages.append(message)
        event = json.loads(message.body)
        self._by_id.setdefault(event["id"], event)
        self.news.set()

    @property
    def events(self) -> list[Event]:
        """The bodies, each event id once."""
        return list(self._by_id.values())

    async def until(self, enough: Callable[[list[Event]], bool]) -> list[Event]:
        """Wait until `enough` holds for the events; returns them."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not enough(self.events):
                self.news.clear()
                await self.news.wait()
        return self.events

    async def count(self, number: int) -> list[Event]:
        """Wait for at least `number` events; returns them."""
        return await self.until(lambda events: len(events) >= number)


@asynccontextmanager
async def bot_at(url: str, prefix: str) -> AsyncIterator[Bot]:
    """A bot on a connection of its own."""
    async with await aio_pika.connect(url) as connection:
        yield Bot(connection, await connection.channel(), prefix)


async def subscribe(channel: AbstractChannel, prefix: str, key: str = "#") -> Subscriber:
    """A subscriber of `assignments`."""
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(f"{prefix}assignments", key)
    subscriber = Subscriber()
    await queue.consume(subscriber.remember, no_ack=True)
    return subscriber


async def listen(channel: AbstractChannel) -> tuple[str, Subscriber]:
    """A reply queue's name, and its consumer."""
    queue = await channel.declare_queue(exclusive=True)
    subscriber = Subscriber()
    await queue.consume(subscriber.remember, no_ack=True)
    return queue.name, subscriber
