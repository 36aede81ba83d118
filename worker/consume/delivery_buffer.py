"""Deliveries of a channel: those not processed yet, and those not acknowledged yet."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

from aiormq.abc import DeliveredMessage

from worker.aio import first_of
from worker.broker.aiormq_channels import ConsumingChannel, Delivery
from worker.broker.connection_errors import ConnectionLost

SAFE, SUSPECT, ALONE = range(3)
"""Risk classes: delivered for the first time; redelivered once, so it may have ended a worker; redelivered again."""
BUFFER_BYTES = 16 * 1024 * 1024
"""Above this nothing more is read until the buffer is half empty."""
BATCH_BYTES = 4 * 1024 * 1024
USUAL_HEADER_BYTES = 1024
HEADER_FACTOR = 40
"""How many times its size a header of many small entries takes in memory."""


class ReturnedToBroker(Exception):
    """Unacknowledged deliveries cannot be held any longer and return to the broker."""


def risk(delivery: DeliveredMessage) -> int:
    """The risk class of a delivery. On a first delivery `x-delivery-count` comes from the sender and is ignored."""
    if not delivery.redelivered:
        return SAFE
    count = (delivery.header.properties.headers or {}).get("x-delivery-count")
    return ALONE if isinstance(count, int) and count > 1 else SUSPECT


def weight(delivery: Delivery) -> int:
    """Approximate memory of a delivery in bytes, beyond the fixed overhead."""
    header = delivery.header_bytes
    return len(delivery.body) + (HEADER_FACTOR * header if header > USUAL_HEADER_BYTES else 0)


def first_batch(deliveries: Sequence[Delivery], most: int) -> int:
    """How many of the first deliveries make a batch: up to `most` and BATCH_BYTES, at least one."""
    total = 0
    for number, delivery in enumerate(deliveries[:most]):
        total += weight(delivery)
        if total > BATCH_BYTES and number:
            return number
    return min(most, len(deliveries))


class DeliveryBuffer:
    """Deliveries of one channel, in order; the channel stops reading while they take too many bytes."""

    def __init__(self, channel: ConsumingChannel) -> None:
        self.delivered = 0
        self.weight = 0
        self._channel = channel
        self._deliveries: deque[Delivery] = deque()
        self._unacknowledged: dict[int, float] = {}
        self._changed = asyncio.Event()
        self._end_reason = ""
        self.ended, self.full = asyncio.Event(), asyncio.Event()
        channel.on_consumer_cancel_callbacks.add(lambda _: self.end("the broker cancelled the consumer"))
        channel.closing.add_done_callback(self._channel_closed)

    def __len__(self) -> int:
        return len(self._deliveries)

    @property
    def unsettled(self) -> int:
        """How many deliveries are not acknowledged yet, taken from the buffer or not."""
        return len(self._unacknowledged)

    async def put(self, message: DeliveredMessage) -> None:
        """The channel's callback: it only enqueues, since it is cancelled when the channel dies."""
        if not isinstance(message, Delivery):
            raise TypeError("a DeliveryBuffer takes what a ConsumingChannel delivers")
        self.delivered += 1
        self._unacknowledged[message.delivery_tag or 0] = time.monotonic()
        self._deliveries.append(message)
        self.weight += weight(message)
        if self.weight > BUFFER_BYTES:
            self.full.set()
            self._channel.room.clear()
        self._changed.set()

    def end(self, reason: str) -> None:
        """Record that no more deliveries will come."""
        self._end_reason = reason
        self.ended.set()

    async def wait(self, stopping: asyncio.Event, seconds: float | None = None) -> None:
        """Wait for a delivery or `stopping`, at most `seconds`; raises ConnectionLost if no more can come."""
        if not self._deliveries:
            self.check()
            self._changed.clear()
            await first_of(self._changed, self.ended, stopping, seconds=seconds)
        if not self._deliveries:
            self.check()

    def check(self) -> None:
        """Raise ConnectionLost if the channel is closed."""
        if self.ended.is_set():
            raise ConnectionLost(self._end_reason)

    def take(self, most: int) -> list[Delivery]:
        """Take the first deliveries, as many as make a batch; possibly none."""
        return self._pop(first_batch(list(islice(self._deliveries, most)), most))

    def take_all(self) -> list[Delivery]:
        """Take all deliveries."""
        return self._pop(len(self._deliveries))

    def is_unsettled(self, delivery: Delivery) -> bool:
        """Whether the delivery is not acknowledged yet."""
        return (delivery.delivery_tag or 0) in self._unacknowledged

    def held_seconds(self) -> float:
        """How long the oldest unacknowledged delivery has been held."""
        return time.monotonic() - next(iter(self._unacknowledged.values()), time.monotonic())

    async def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """Acknowledge deliveries: with one ack if nothing older is unacknowledged, else one by one."""
        tags = [delivery.delivery_tag or 0 for delivery in deliveries]
        oldest = list(islice(self._unacknowledged, len(tags)))
        for tag in tags:
            del self._unacknowledged[tag]
        await self._channel.acknowledge(tags, multiple=tags == oldest)

    def _pop(self, number: int) -> list[Delivery]:
        deliveries = [self._deliveries.popleft() for _ in range(number)]
        self.weight -= sum(map(weight, deliveries))
        if self.weight <= BUFFER_BYTES // 2:
            self.full.clear()
            self._channel.room.set()
        return deliveries

    def _channel_closed(self, closing: asyncio.Future[object]) -> None:
        reason = None if closing.cancelled() else closing.exception()
        self.end(f"the channel was closed: {reason}" if reason else "the channel was closed")
