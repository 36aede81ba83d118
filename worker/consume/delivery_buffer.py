"""What a channel was delivered: what nobody took yet, and what is owed an acknowledgement."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

from aiormq.abc import DeliveredMessage

from worker.aio import first_of
from worker.broker.channels import ConsumingChannel, Delivery
from worker.broker.errors import ConnectionLost

SAFE, SUSPECT, ALONE = range(3)
"""Lanes: new to everybody; came back once, so that it may be what ended a worker; came back again."""
INBOX_BYTES = 16 * 1024 * 1024
"""Above this nothing more is read until half of it is taken."""
BATCH_BYTES = 4 * 1024 * 1024
USUAL_HEADER_BYTES = 1024
HEADER_FACTOR = 40
"""A header of many small entries takes so many times its bytes in memory."""


class ReturnedToBroker(Exception):
    """What is held cannot be held for longer, so it has to go back to the broker."""


def lane(delivery: DeliveredMessage) -> int:
    """How carefully to handle a delivery. A sender's own `x-delivery-count` on a first delivery means nothing."""
    if not delivery.redelivered:
        return SAFE
    count = (delivery.header.properties.headers or {}).get("x-delivery-count")
    return ALONE if isinstance(count, int) and count > 1 else SUSPECT


def weight(delivery: Delivery) -> int:
    """About how many bytes a delivery takes in memory, beyond what any does."""
    header = delivery.header_bytes
    return len(delivery.body) + (HEADER_FACTOR * header if header > USUAL_HEADER_BYTES else 0)


def first_batch(deliveries: Sequence[Delivery], most: int) -> int:
    """How many of the first deliveries make a batch: up to `most` and BATCH_BYTES, one at least."""
    total = 0
    for number, delivery in enumerate(deliveries[:most]):
        total += weight(delivery)
        if total > BATCH_BYTES and number:
            return number
    return min(most, len(deliveries))


class DeliveryBuffer:
    """Deliveries of one channel, in order; the channel reads nothing more while there are too many bytes of them."""

    def __init__(self, channel: ConsumingChannel) -> None:
        self.delivered = 0
        self.weight = 0
        self._channel = channel
        self._deliveries: deque[Delivery] = deque()
        self._owed: dict[int, float] = {}
        self._news = asyncio.Event()
        self._why = ""
        self.ended, self.full = asyncio.Event(), asyncio.Event()
        channel.on_consumer_cancel_callbacks.add(lambda _: self.end("the broker cancelled the consumer"))
        channel.closing.add_done_callback(self._channel_closed)

    def __len__(self) -> int:
        return len(self._deliveries)

    @property
    def unsettled(self) -> int:
        """Deliveries that were not acknowledged, whoever has them."""
        return len(self._owed)

    async def put(self, message: DeliveredMessage) -> None:
        """The channel's callback: it only enqueues, since it is cancelled when the channel dies."""
        if not isinstance(message, Delivery):
            raise TypeError("an inbox takes what a ConsumingChannel delivers")
        self.delivered += 1
        self._owed[message.delivery_tag or 0] = time.monotonic()
        self._deliveries.append(message)
        self.weight += weight(message)
        if self.weight > INBOX_BYTES:
            self.full.set()
            self._channel.room.clear()
        self._news.set()

    def end(self, why: str) -> None:
        """Nothing more will come."""
        self._why = why
        self.ended.set()

    async def wait(self, stopping: asyncio.Event, seconds: float | None = None) -> None:
        """Wait for a delivery or the time to stop, at most so long; raises ConnectionLost if nothing can come."""
        if not self._deliveries:
            self.check()
            self._news.clear()
            await first_of(self._news, self.ended, stopping, seconds=seconds)
        if not self._deliveries:
            self.check()

    def check(self) -> None:
        """Raise ConnectionLost if the channel is gone."""
        if self.ended.is_set():
            raise ConnectionLost(self._why)

    def take(self, most: int) -> list[Delivery]:
        """Whatever is there, as much as makes a batch."""
        return self._taken(first_batch(list(islice(self._deliveries, most)), most))

    def take_all(self) -> list[Delivery]:
        """Everything that is there."""
        return self._taken(len(self._deliveries))

    def owes(self, delivery: Delivery) -> bool:
        """Whether it was not acknowledged yet."""
        return (delivery.delivery_tag or 0) in self._owed

    def held_seconds(self) -> float:
        """For how long the oldest unsettled delivery has been here."""
        return time.monotonic() - next(iter(self._owed.values()), time.monotonic())

    async def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """Settle them: at once if nothing older is unsettled, else each by itself, so that no other is settled."""
        tags = [delivery.delivery_tag or 0 for delivery in deliveries]
        oldest = list(islice(self._owed, len(tags)))
        for tag in tags:
            del self._owed[tag]
        await self._channel.acknowledge(tags, multiple=tags == oldest)

    def _taken(self, number: int) -> list[Delivery]:
        taken = [self._deliveries.popleft() for _ in range(number)]
        self.weight -= sum(map(weight, taken))
        if self.weight <= INBOX_BYTES // 2:
            self.full.clear()
            self._channel.room.set()
        return taken

    def _channel_closed(self, closing: asyncio.Future[object]) -> None:
        why = None if closing.cancelled() else closing.exception()
        self.end(f"the channel was closed: {why}" if why else "the channel was closed")
