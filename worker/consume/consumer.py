"""Takes messages in lanes, makes batches of whatever is there, has them settled."""

import asyncio
from itertools import groupby

import structlog

from distribution.messages import WHOLE_BYTES
from worker.aio import first_of
from worker.broker.channels import ConsumingChannel, Delivery
from worker.broker.connection import Connection
from worker.broker.topology import Topology, declare_needed
from worker.consume.batch_processor import BatchProcessor
from worker.consume.delivery_buffer import (
    ALONE,
    SAFE,
    SUSPECT,
    DeliveryBuffer,
    ReturnedToBroker,
    first_batch,
    lane,
)
from worker.consume.delivery_processor import DeliveryProcessor
from worker.consume.prefetch import Prefetch
from worker.consume.watchdog import Pulse, watch_over
from worker.database_outage import RetryDelays
from worker.failpoints import FailpointHook
from worker.metrics import Metrics
from worker.publish.relay_client import RelayClient
from worker.readiness import Readiness
from worker.settings import WorkerSettings

PART = "consuming"
SUSPECTS_OF_A_BATCH = 20


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
        batches: BatchProcessor,
        relay: RelayClient,
        readiness: Readiness,
        metrics: Metrics,
        watch: FailpointHook,
        pauses: RetryDelays,
    ) -> None:
        size = settings.worker_batch_size
        self._together = {SAFE: size, SUSPECT: max(1, size // SUSPECTS_OF_A_BATCH), ALONE: 1}
        self._prefetch = Prefetch(self._together)
        self._whole_bytes = max(WHOLE_BYTES, settings.max_message_bytes)
        self._topology, self._readiness, self._metrics = topology, readiness, metrics
        self._stopping = asyncio.Event()
        self._processor = DeliveryProcessor(
            settings, self._together, batches, relay, readiness, metrics, pauses, watch, self._stopping
        )
        self._aside = self._processor.aside
        self._inbox: DeliveryBuffer | None = None
        self._consumers = self._consumer = 0
        readiness.set_unready(PART, "not consuming")
        metrics.held.set_function(lambda: self.pulse().unsettled + len(self._aside))
        self._log = structlog.get_logger("worker.consume.consumer")

    def stop(self) -> None:
        """Make `serve` return once the batch at work is settled; the broker gets the rest back."""
        self._stopping.set()

    def pulse(self) -> Pulse:
        """How consuming goes, for the watchdog; what is set aside takes nobody's place in the prefetch."""
        inbox = self._inbox
        if inbox is None:
            return Pulse(0, 0, 0)
        return Pulse(self._consumer, inbox.delivered, inbox.unsettled - len(self._aside))

    async def serve(self, connection: Connection) -> None:
        """Consume until stopped; raises when the connection fails or the broker gives us nothing."""
        # Not the log: nothing that is taken waits for it.
        await declare_needed(connection, self._topology)
        watching = asyncio.ensure_future(watch_over(connection, self._topology.inbound, self.pulse))
        working = asyncio.ensure_future(self._serve(connection))
        try:
            done, _ = await asyncio.wait({watching, working}, return_when=asyncio.FIRST_COMPLETED)
            await done.pop()
        finally:
            for task in (watching, working):
                task.cancel()
            await asyncio.gather(watching, working, return_exceptions=True)

    async def _serve(self, connection: Connection) -> None:
        while not self._stopping.is_set():
            # Nothing is asked for while the database does not even take what it did not take before.
            await self._processor.until_taken()
            # A channel of its own each time: closing it gives back what is held, and its tags die with it.
            channel = await ConsumingChannel.on(connection.underlay, self._whole_bytes)
            try:
                await self._consume(channel)
            except ReturnedToBroker as why:
                self._log.warning("messages_given_back", reason=str(why))
            channel.drop()
            await channel.close()

    async def _consume(self, channel: ConsumingChannel) -> None:
        self._inbox = inbox = DeliveryBuffer(channel)
        # Nobody knows yet what is in the queue.
        expected = ALONE
        try:
            while not self._stopping.is_set():
                await self._until_room(inbox)
                expected = await self._consume_as(expected, channel, inbox)
        finally:
            self._inbox, self._consumer = None, 0
            self._aside.clear()
            self._readiness.set_unready(PART, "not consuming")

    async def _until_room(self, inbox: DeliveryBuffer) -> None:
        """Consume nothing more while too much is set aside."""
        part = 1.0
        while self._aside.is_over(part) and not self._stopping.is_set():
            part = 0.5
            self._readiness.set_unready(PART, f"nothing more is taken: {self._aside.in_words()}")
            await inbox.wait(self._stopping, self._aside.next_seconds())
            await self._processor.retry(inbox)

    async def _consume_as(self, expected: int, channel: ConsumingChannel, inbox: DeliveryBuffer) -> int:
        """Consume as long as what comes is of one lane; returns the lane of what came instead, when that is settled."""
        if self._stopping.is_set():
            return expected
        asked, before = self._prefetch.number(expected), self._aside.added
        await channel.basic_qos(prefetch_count=asked)
        tag = (await channel.basic_consume(self._topology.inbound, inbox.put)).consumer_tag or ""
        self._consumers += 1
        self._consumer = self._consumers
        self._readiness.set_ready(PART)
        taken: list[Delivery] = []
        while not (self._stopping.is_set() or self._is_used_up(asked, before)):
            await inbox.wait(self._stopping, self._aside.next_seconds())
            taken = inbox.take(self._together[expected])
            if self._stopping.is_set() or any(lane(delivery) != expected for delivery in taken):
                break
            await self._settle(inbox, taken)
            await self._processor.retry(inbox)
            taken = []
            if self._prefetch.misfits(expected, asked):
                break
        self._consumer = 0
        rest = await self._wind_down(channel, inbox, tag, taken)
        return expected if rest is None else rest

    def _is_used_up(self, asked: int, before: int) -> bool:
        """Whether what is set aside takes so much of the consumer's prefetch that another has to take its place."""
        return self._aside.is_over(1.0) or 2 * (self._aside.added - before) >= max(2, asked)

    async def _settle(self, inbox: DeliveryBuffer, deliveries: list[Delivery]) -> None:
        if deliveries:
            self._prefetch.saw(deliveries)
            await self._processor.settle(inbox, deliveries)

    async def _wind_down(
        self, channel: ConsumingChannel, inbox: DeliveryBuffer, tag: str, taken: list[Delivery]
    ) -> int | None:
        """Cancel the consumer and settle what still comes; returns the lane of the most suspicious, if any came.

        The broker's answer stands behind all that is on its way, which can be more than there is room for at once.
        """
        cancelling = asyncio.ensure_future(channel.basic_cancel(tag))
        lanes: set[int] = set()
        cancelled = False
        try:
            while not cancelled and not self._stopping.is_set():
                await first_of(cancelling, inbox.full, inbox.ended, self._stopping)
                inbox.check()
                cancelled = cancelling.done()
                taken += inbox.take_all()
                lanes.update(map(lane, taken))
                await self._settle_apart(inbox, taken)
                taken = []
            if self._stopping.is_set():
                channel.drop()
            await cancelling
        except ReturnedToBroker:
            # The broker's answer has to be met by a channel that drops what comes before it.
            channel.drop()
            await asyncio.wait({cancelling})
            raise
        finally:
            cancelling.cancel()
            await asyncio.gather(cancelling, return_exceptions=True)
        return max(lanes, default=None)

    async def _settle_apart(self, inbox: DeliveryBuffer, deliveries: list[Delivery]) -> None:
        """Settle lane by lane, the safe ones first."""
        for of, group in groupby(sorted(deliveries, key=lane), lane):
            waiting = list(group)
            while waiting and not self._stopping.is_set():
                number = first_batch(waiting, self._together[of])
                together, waiting = waiting[:number], waiting[number:]
                await self._settle(inbox, together)
