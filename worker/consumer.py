"""Takes messages, makes batches of whatever is there, acknowledges what is committed."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

import structlog
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage

from distribution.messages import Incoming
from distribution.services.process import understood
from worker.batches import Batches, DatabaseAway
from worker.lenient import as_bytes
from worker.link import ConnectionLost, wait_for_event
from worker.relay import Relay
from worker.settings import WorkerSettings
from worker.status import Status
from worker.topology import Topology, declare

PART, DATABASE = "consuming", "database"
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10


class Consumer:
    """Consumes the inbound queue over one connection at a time; one batch in flight."""

    def __init__(
        self, settings: WorkerSettings, topology: Topology, batches: Batches, relay: Relay, status: Status
    ) -> None:
        self._batch_size, self._max_bytes = settings.worker_batch_size, settings.max_message_bytes
        self._phone_region = settings.default_phone_region
        self._topology, self._batches, self._relay, self._status = topology, batches, relay, status
        self._stopping = asyncio.Event()
        status.problem(PART, "not consuming")
        self._log = structlog.get_logger("worker.consumer")

    def stop(self) -> None:
        """Make `serve` return once the batch at work is settled; the broker gets the rest back."""
        self._stopping.set()

    async def serve(self, connection: AbstractConnection) -> None:
        """Consume until stopped; raises when the connection fails."""
        await declare(await connection.channel(publisher_confirms=False), self._topology)
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            # A channel of its own each time: closing it gives back what is held, and its tags die with it.
            channel = await connection.channel(publisher_confirms=False)
            try:
                await self._consume(channel)
            except DatabaseAway as away:
                self._status.problem(DATABASE, str(away))
                self._log.warning("database_away", reason=str(away), next_try_seconds=pause)
                await channel.close()
                await wait_for_event(self._stopping, pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                await channel.close()

    async def _consume(self, channel: AbstractChannel) -> None:
        inbox = Inbox()
        channel.on_consumer_cancel_callbacks.add(lambda _: inbox.cancelled())
        await channel.basic_qos(prefetch_count=2 * self._batch_size)
        consumer = await channel.basic_consume(self._topology.inbound, inbox.put)
        self._status.fine(PART)
        try:
            while (deliveries := await inbox.take(self._batch_size, self._stopping)) and not self._stopping.is_set():
                await self._settle(channel, deliveries)
                self._status.held.set(len(inbox))
        finally:
            self._status.problem(PART, "not consuming")
            self._status.held.set(0)
        if self._stopping.is_set() and consumer.consumer_tag is not None:
            await channel.basic_cancel(consumer.consumer_tag)

    async def _settle(self, channel: AbstractChannel, deliveries: Sequence[DeliveredMessage]) -> None:
        arrivals = [understood(incoming(delivery), self._max_bytes, self._phone_region) for delivery in deliveries]
        claim = self._relay.claim()
        self._status.batch_messages.observe(len(arrivals))
        with self._status.batch_seconds.time():
            intakes = await self._batches.take(arrivals, claim)
        self._status.fine(DATABASE)
        # All up to this tag is committed, and nothing else is unsettled: one acknowledgement settles the batch.
        tag = deliveries[-1].delivery_tag
        if tag is not None:
            await channel.basic_ack(tag, multiple=True, wait=False)
        for intake in intakes:
            self._relay.hand_over(intake.publications, claim)
            for outcome, count in intake.counts.items():
                self._status.messages.labels(outcome).inc(count)


class Inbox:
    """What one consumer was delivered and nobody took yet, in order."""

    def __init__(self) -> None:
        self._deliveries: deque[DeliveredMessage] = deque()
        self._news = asyncio.Event()
        self._cancelled = False

    def __len__(self) -> int:
        return len(self._deliveries)

    async def put(self, delivery: DeliveredMessage) -> None:
        """The client library's callback: it only enqueues, since it is cancelled when the channel dies."""
        self._deliveries.append(delivery)
        self._news.set()

    def cancelled(self) -> None:
        """The broker ended the consumer: nothing more will come."""
        self._cancelled = True
        self._news.set()

    async def take(self, most: int, stopping: asyncio.Event) -> list[DeliveredMessage]:
        """Whatever is there, up to `most`, waiting for the first; nothing once it is time to stop."""
        while not self._deliveries:
            if self._cancelled:
                raise ConnectionLost("the broker cancelled the consumer")
            self._news.clear()
            await _either(self._news, stopping)
            if stopping.is_set():
                return []
        return [self._deliveries.popleft() for _ in range(min(most, len(self._deliveries)))]


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(event.wait()) for event in (one, other)]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def incoming(delivery: DeliveredMessage) -> Incoming:
    """A delivery without the broker's types; every property is kept for the case that it is parked."""
    properties = delivery.header.properties
    kept: dict[str, Any] = {name: value for name, value in dict(properties).items() if value not in (None, "", {})}
    kept |= {"exchange": delivery.exchange, "routing_key": delivery.routing_key}
    kept = {name: as_bytes(value) if isinstance(value, str) else value for name, value in kept.items()}
    return Incoming(
        body=delivery.body,
        message_id=properties.message_id or None,
        type=properties.message_type or None,
        content_type=properties.content_type or None,
        reply_to=properties.reply_to or None,
        correlation_id=properties.correlation_id or None,
        headers=properties.headers or {},
        properties=kept,
    )
