"""contacts.dead → parked messages: what the broker gave up becomes visible to operators."""

from collections.abc import Sequence

import structlog
from aio_pika.exceptions import AMQPChannelError

from distribution.backoff import Backoff
from distribution.errors import DatabaseUnavailable
from distribution.intake.batch import BatchResult
from distribution.intake.process_commands import DecodedMessage
from worker.aio import wait_for_event
from worker.broker.connection import Connection
from worker.broker.connection_errors import describe_error
from worker.consume.context import ConsumeContext
from worker.consume.dead_letter_channel import DeadLetterChannel, dead_letters

PART = "dead"
LOOK_SECONDS = 2.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0


class DeadLetterCollector:
    """Moves messages from contacts.dead into the database; any number of workers may do so concurrently.

    Messages are held until they are committed. Returning them would increase their delivery count each time, and
    contacts.dead has no dead-letter queue of its own.
    """

    def __init__(self, context: ConsumeContext) -> None:
        self._settings, self._topology = context.settings, context.settings.topology
        self._batches, self._relay, self._stopping = context.batches, context.relay, context.stopping
        self._readiness, self._metrics = context.readiness, context.metrics
        self._log = structlog.get_logger("worker.consume.dead_letter_collector")

    async def serve(self, connection: Connection) -> None:
        """Poll the queue until stopped."""
        while not self._stopping.is_set():
            try:
                await self._collect(connection)
            except AMQPChannelError as refused:
                # The queue is gone, or the user may not read it: the other components go on.
                self._readiness.set_detail(PART, f"{self._topology.dead} cannot be read: {describe_error(refused)}")
            await wait_for_event(self._stopping, LOOK_SECONDS)

    async def _collect(self, connection: Connection) -> None:
        channel = await DeadLetterChannel(connection.underlay, self._settings.whole_bytes).opened()
        while not self._stopping.is_set():
            count = (await channel.queue_declare(self._topology.dead, passive=True)).message_count or 0
            self._report_count(count)
            if count:
                await self._collect_all(channel)
                self._report_count(0)
            await wait_for_event(self._stopping, LOOK_SECONDS)

    async def _collect_all(self, channel: DeadLetterChannel) -> None:
        while not self._stopping.is_set() and (deliveries := await channel.take(self._topology.dead)):
            if await self._park(dead_letters(deliveries, self._settings)):
                await channel.settle(deliveries)
                self._log.warning("undelivered_messages_parked", messages=len(deliveries))

    async def _park(self, messages: Sequence[DecodedMessage]) -> bool:
        """Retry until the messages are parked; returns False if stopped before."""
        backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while not self._stopping.is_set():
            try:
                await self._batches.commit_all(messages, None, self._count_outcomes)
            except DatabaseUnavailable as error:
                pause = backoff.pause()
                self._report_count(len(messages), f": {error}")
                self._log.warning("database_unavailable", reason=str(error), next_try_seconds=pause)
                await wait_for_event(self._stopping, pause)
                continue
            self._relay.wake()
            return True
        return False

    async def _count_outcomes(self, _: Sequence[DecodedMessage], result: BatchResult) -> None:
        for outcome, number in result.counts.items():
            self._metrics.messages.labels(outcome).inc(number)

    def _report_count(self, count: int, reason: str = "") -> None:
        self._metrics.queue_messages.labels(PART).set(count)
        detail = f"{count} messages in {self._topology.dead} are not parked yet{reason}"
        self._readiness.set_detail(PART, detail if count else "")
