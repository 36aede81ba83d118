"""What a channel was delivered and nobody took yet."""

import asyncio
from collections import deque

from aiormq.abc import AbstractChannel, DeliveredMessage

from worker.link import ConnectionLost

SAFE, SUSPECT, ALONE = range(3)
"""Lanes: new to everybody; came back once, so that it may be what ended a worker; came back again."""


def lane(delivery: DeliveredMessage) -> int:
    """How carefully to handle a delivery. A sender's own `x-delivery-count` on a first delivery means nothing."""
    if not delivery.redelivered:
        return SAFE
    count = (delivery.header.properties.headers or {}).get("x-delivery-count")
    return ALONE if isinstance(count, int) and count > 1 else SUSPECT


class Inbox:
    """Deliveries of one channel, in order."""

    def __init__(self, channel: AbstractChannel) -> None:
        self.delivered = 0
        self._deliveries: deque[DeliveredMessage] = deque()
        self._news = asyncio.Event()
        self._ended: str | None = None
        channel.on_consumer_cancel_callbacks.add(lambda _: self.end("the broker cancelled the consumer"))
        channel.closing.add_done_callback(self._channel_closed)

    def __len__(self) -> int:
        return len(self._deliveries)

    async def put(self, delivery: DeliveredMessage) -> None:
        """The client library's callback: it only enqueues, since it is cancelled when the channel dies."""
        self.delivered += 1
        self._deliveries.append(delivery)
        self._news.set()

    def end(self, why: str) -> None:
        """Nothing more will come."""
        self._ended = why
        self._news.set()

    async def take(self, most: int, stopping: asyncio.Event) -> list[DeliveredMessage]:
        """Whatever is there, up to `most`, waiting for the first; nothing once it is time to stop."""
        while not self._deliveries:
            if self._ended is not None:
                raise ConnectionLost(self._ended)
            self._news.clear()
            await _either(self._news, stopping)
            if stopping.is_set():
                return []
        return [self._deliveries.popleft() for _ in range(min(most, len(self._deliveries)))]

    def take_all(self) -> list[DeliveredMessage]:
        """Everything that is there."""
        taken = list(self._deliveries)
        self._deliveries.clear()
        return taken

    def _channel_closed(self, closing: asyncio.Future[object]) -> None:
        why = None if closing.cancelled() else closing.exception()
        self.end(f"the channel was closed: {why}" if why else "the channel was closed")


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in (one, other)]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
