"""Takes messages, makes batches of whatever is there, acknowledges what is committed."""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import structlog
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage

from distribution.messages import Incoming
from worker.batches import Batches, DatabaseAway
from worker.channels import ConsumingChannel
from worker.inbox import ALONE, SAFE, SUSPECT, Inbox, lane
from worker.lenient import as_bytes
from worker.link import wait_for_event
from worker.points import Point, Watch
from worker.relay import Relay
from worker.senders import Senders
from worker.settings import WorkerSettings
from worker.status import Status
from worker.topology import Topology, declare
from worker.watchdog import Pulse, watch_over

PART, DATABASE = "consuming", "database"
SUSPECTS_OF_A_BATCH = 20
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10


class Consumer:
    """Consumes the inbound queue over one connection at a time; one batch in flight.

    Messages that came back may hold the one that ends the process. They are handled in small groups, then alone, and
    after all that are safe, so that the worker which meets the culprit holds little else: what it holds is charged with
    one more delivery when it dies. While such messages come, few are prefetched.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        topology: Topology,
        batches: Batches,
        relay: Relay,
        status: Status,
        watch: Watch,
    ) -> None:
        size = settings.worker_batch_size
        self._together = {SAFE: size, SUSPECT: max(1, size // SUSPECTS_OF_A_BATCH), ALONE: 1}
        self._prefetch = {of: 2 * number for of, number in self._together.items()} | {ALONE: 1}
        self._senders = Senders(settings, status)
        self._topology, self._batches, self._relay = topology, batches, relay
        self._status, self._watch = status, watch
        self._stopping = asyncio.Event()
        self._inbox: Inbox | None = None
        self._consumers = self._consumer = self._taken = 0
        status.problem(PART, "not consuming")
        self._log = structlog.get_logger("worker.consumer")

    def stop(self) -> None:
        """Make `serve` return once the batch at work is settled; the broker gets the rest back."""
        self._stopping.set()

    def pulse(self) -> Pulse:
        """How consuming goes, for the watchdog."""
        waiting, delivered = (len(self._inbox), self._inbox.delivered) if self._inbox else (0, 0)
        return Pulse(self._consumer, delivered, waiting + self._taken)

    async def serve(self, connection: AbstractConnection) -> None:
        """Consume until stopped; raises when the connection fails or the broker gives us nothing."""
        await declare(await connection.channel(publisher_confirms=False), self._topology)
        watching = asyncio.ensure_future(watch_over(connection, self._topology.inbound, self.pulse))
        working = asyncio.ensure_future(self._serve(connection))
        try:
            done, _ = await asyncio.wait({watching, working}, return_when=asyncio.FIRST_COMPLETED)
            await done.pop()
        finally:
            for task in (watching, working):
                task.cancel()
            await asyncio.gather(watching, working, return_exceptions=True)

    async def _serve(self, connection: AbstractConnection) -> None:
        while not self._stopping.is_set():
            # A channel of its own each time: closing it gives back what is held, and its tags die with it.
            channel = await ConsumingChannel.on(connection)
            try:
                await self._consume(channel)
            except DatabaseAway as away:
                self._status.problem(DATABASE, str(away))
                await channel.close()
                await self._until_database_takes(away)
            else:
                await channel.close()

    async def _until_database_takes(self, away: DatabaseAway) -> None:
        """Ask the database itself: asking by consuming would charge the messages with a delivery each time."""
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            self._status.problem(DATABASE, str(away))
            self._log.warning("database_away", reason=str(away), next_try_seconds=pause)
            await wait_for_event(self._stopping, pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            try:
                await self._batches.probe()
            except DatabaseAway as still:
                away = still
            else:
                self._status.fine(DATABASE)
                self._log.info("database_back")
                return

    async def _consume(self, channel: AbstractChannel) -> None:
        self._inbox = inbox = Inbox(channel)
        # Nobody knows yet what is in the queue.
        expected = ALONE
        try:
            while not self._stopping.is_set():
                expected = await self._consume_as(expected, channel, inbox)
        finally:
            self._inbox, self._consumer = None, 0
            self._status.problem(PART, "not consuming")

    async def _consume_as(self, expected: int, channel: AbstractChannel, inbox: Inbox) -> int:
        """Consume as long as what comes is of one lane; answers the lane of what came instead, when that is settled."""
        await channel.basic_qos(prefetch_count=self._prefetch[expected])
        tag = (await channel.basic_consume(self._topology.inbound, inbox.put)).consumer_tag or ""
        self._consumers += 1
        self._consumer = self._consumers
        self._status.fine(PART)
        while taken := await inbox.take(self._together[expected], self._stopping):
            if self._stopping.is_set() or any(lane(delivery) != expected for delivery in taken):
                break
            await self._settle(channel, taken, multiple=True)
        self._consumer = 0
        await channel.basic_cancel(tag)
        taken += inbox.take_all()
        await self._settle_apart(channel, taken)
        return max(map(lane, taken), default=expected)

    async def _settle_apart(self, channel: AbstractChannel, deliveries: list[DeliveredMessage]) -> None:
        """Settle lane by lane, the safe ones first; not a prefix, so each with an acknowledgement of its own."""
        for of, group in groupby(sorted(deliveries, key=lane), lane):
            waiting = list(group)
            while waiting and not self._stopping.is_set():
                together, waiting = waiting[: self._together[of]], waiting[self._together[of] :]
                await self._settle(channel, together, multiple=False)

    async def _settle(
        self, channel: AbstractChannel, deliveries: Sequence[DeliveredMessage], *, multiple: bool
    ) -> None:
        """Commit, then acknowledge. `multiple`: nothing else that came before the last of them is unsettled."""
        self._taken = len(deliveries)
        arrivals = [self._senders.understood(incoming(delivery)) for delivery in deliveries]
        for arrival in arrivals:
            self._watch(Point.TAKEN, arrival.message.message_id or "")
        self._status.batch_messages.observe(len(arrivals))
        with self._status.batch_seconds.time(), self._relay.joined() as done:
            intakes = await self._batches.take(arrivals, self._relay.claim(), done)
        self._status.fine(DATABASE)
        self._watch(Point.BEFORE_ACK, "")
        for delivery in deliveries[-1:] if multiple else deliveries:
            if delivery.delivery_tag is not None:
                await channel.basic_ack(delivery.delivery_tag, multiple=multiple, wait=False)
        self._watch(Point.AFTER_ACK, "")
        self._taken = 0
        self._status.held.set(self.pulse().unsettled)
        for intake in intakes:
            self._relay.hand_over(intake)
            for outcome, count in intake.counts.items():
                self._status.messages.labels(outcome).inc(count)


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
        user_id=properties.user_id or None,
    )
