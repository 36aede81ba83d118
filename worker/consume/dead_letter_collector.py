"""contacts.dead → parked messages: what the broker gave up is kept where people look."""

import asyncio
from collections.abc import Sequence

import structlog
from aio_pika.exceptions import AMQPChannelError

from distribution.backoff import Backoff
from distribution.errors import DatabaseUnavailable
from distribution.intake.batch import BatchResult
from distribution.intake.process_commands import DecodedMessage
from distribution.messages import WHOLE_BYTES
from worker.aio import wait_for_event
from worker.broker.connection import Connection
from worker.broker.errors import describe_error
from worker.broker.topology import Topology
from worker.consume.batch_processor import BatchProcessor
from worker.consume.dead_letter_channel import DeadLetterChannel, given_up
from worker.metrics import Metrics
from worker.publish.relay_client import RelayClient
from worker.readiness import Readiness
from worker.settings import WorkerSettings

PART = "dead"
LOOK_SECONDS = 2.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0


class DeadLetterCollector:
    """Moves messages from contacts.dead into the database; any number of workers may do so at once.

    What was taken is held until it is committed. Giving it back would use up a delivery each time, and there is no
    other queue that contacts.dead could pass it on to.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        topology: Topology,
        batches: BatchProcessor,
        relay: RelayClient,
        readiness: Readiness,
        metrics: Metrics,
        stopping: asyncio.Event,
    ) -> None:
        self._topology, self._batches, self._relay = topology, batches, relay
        self._readiness, self._metrics = readiness, metrics
        self._stopping, self._whole_bytes = stopping, max(WHOLE_BYTES, settings.max_message_bytes)
        self._rules = settings.decoder.sender_rules
        self._log = structlog.get_logger("worker.consume.dead_letter_collector")

    async def serve(self, connection: Connection) -> None:
        """Look into the queue again and again until stopped."""
        while not self._stopping.is_set():
            try:
                await self._collect(connection)
            except AMQPChannelError as refused:
                # The queue is gone, or we may not read it: the others go on.
                self._readiness.set_detail(PART, f"{self._topology.dead} cannot be read: {describe_error(refused)}")
            await wait_for_event(self._stopping, LOOK_SECONDS)

    async def _collect(self, connection: Connection) -> None:
        channel = await DeadLetterChannel.on(connection.underlay, self._whole_bytes)
        while not self._stopping.is_set():
            count = (await channel.queue_declare(self._topology.dead, passive=True)).message_count or 0
            self._tell(count)
            if count:
                await self._empty(channel)
                self._tell(0)
            await wait_for_event(self._stopping, LOOK_SECONDS)

    async def _empty(self, channel: DeadLetterChannel) -> None:
        while not self._stopping.is_set() and (taken := await channel.take(self._topology.dead)):
            if await self._parked([given_up(delivery, self._topology, self._rules) for delivery in taken]):
                await channel.settle(taken)
                self._log.warning("undelivered_messages_parked", messages=len(taken))

    async def _parked(self, waiting: Sequence[DecodedMessage]) -> bool:
        """Try to park until it is committed; returns whether it was, before it was time to stop."""
        pauses = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while not self._stopping.is_set():
            try:
                await self._batches.take_at_once(waiting, None, self._told)
            except DatabaseUnavailable as away:
                pause = pauses.pause()
                self._tell(len(waiting), f": {away}")
                self._log.warning("database_unavailable", reason=str(away), next_try_seconds=pause)
                await wait_for_event(self._stopping, pause)
                continue
            self._relay.wake()
            return True
        return False

    async def _told(self, _: Sequence[DecodedMessage], intake: BatchResult) -> None:
        for outcome, number in intake.counts.items():
            self._metrics.messages.labels(outcome).inc(number)

    def _tell(self, count: int, why: str = "") -> None:
        self._metrics.queue_messages.labels(PART).set(count)
        if count:
            self._readiness.set_detail(PART, f"{count} messages in {self._topology.dead} are not parked yet{why}")
        else:
            self._readiness.clear_detail(PART)
