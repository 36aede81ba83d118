"""Consumes messages, those of one risk class at a time, and has them settled in batches."""

import asyncio
from itertools import groupby

import structlog

from worker.aio import first_of, running
from worker.broker.aiormq_channels import ConsumingChannel, Delivery
from worker.broker.connection import Connection
from worker.broker.topology import declare_needed
from worker.consume.context import ConsumeContext
from worker.consume.delivery_buffer import ALONE, SAFE, SUSPECT, DeliveryBuffer, ReturnedToBroker, first_batch, risk
from worker.consume.delivery_settler import DeliverySettler
from worker.consume.prefetch import Prefetch
from worker.consume.watchdog import Pulse, watch_over

PART = "consuming"
SUSPECTS_OF_A_BATCH = 20


class Consumer:
    """Consumes the inbound queue over one connection at a time; one batch in flight.

    A redelivered message may be the one that ended a worker. Redelivered messages are processed in small groups, then
    alone, and after all safe ones, so that the worker that meets the culprit holds little else: when it dies, the
    delivery count of everything that it holds grows. While such messages come, few are prefetched.
    """

    def __init__(self, context: ConsumeContext) -> None:
        settings = context.settings
        size = settings.worker_batch_size
        self._batch_sizes = {SAFE: size, SUSPECT: max(1, size // SUSPECTS_OF_A_BATCH), ALONE: 1}
        self._prefetch = Prefetch(self._batch_sizes)
        self._whole_bytes, self._topology = settings.whole_bytes, settings.topology
        self._readiness, self._stopping = context.readiness, context.stopping
        self._settler = DeliverySettler(context, self._batch_sizes)
        self._locked_sources = self._settler.locked_sources
        self._buffer: DeliveryBuffer | None = None
        self._consumer_count = self._consumer_number = 0
        context.readiness.set_unready(PART, "not consuming")
        context.metrics.held.set_function(lambda: self.pulse().unsettled + len(self._locked_sources))
        self._log = structlog.get_logger("worker.consume.consumer")

    def pulse(self) -> Pulse:
        """The state of consuming, for the watchdog; deliveries set aside do not count against the prefetch."""
        buffer = self._buffer
        if buffer is None:
            return Pulse(0, 0, 0)
        return Pulse(self._consumer_number, buffer.delivered, buffer.unsettled - len(self._locked_sources))

    async def serve(self, connection: Connection) -> None:
        """Consume until stopped; raises when the connection fails or the broker delivers nothing.

        The current batch is settled; the rest returns to the broker.
        """
        # Without the event log: consuming does not need it.
        await declare_needed(connection, self._topology)
        watching = watch_over(connection, self._topology.inbound, self.pulse)
        async with running(watching, self._consume_channels(connection)) as tasks:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await done.pop()

    async def _consume_channels(self, connection: Connection) -> None:
        while not self._stopping.is_set():
            # Consume nothing while the database still fails on the messages that failed before.
            await self._settler.until_taken()
            # A new channel each time: closing it returns unacknowledged deliveries and invalidates its tags.
            channel = await ConsumingChannel(connection.underlay, self._whole_bytes).opened()
            try:
                await self._consume(channel)
            except ReturnedToBroker as reason:
                self._log.warning("messages_given_back", reason=str(reason))
            channel.drop()
            await channel.close()

    async def _consume(self, channel: ConsumingChannel) -> None:
        self._buffer = buffer = DeliveryBuffer(channel)
        # It is not known yet what is in the queue.
        expected = ALONE
        try:
            while not self._stopping.is_set():
                await self._until_room(buffer)
                expected = await self._consume_expected(expected, channel, buffer)
        finally:
            self._buffer, self._consumer_number = None, 0
            self._locked_sources.clear()
            self._readiness.set_unready(PART, "not consuming")

    async def _until_room(self, buffer: DeliveryBuffer) -> None:
        """Wait, consuming nothing, while too much is set aside."""
        fraction = 1.0
        while self._locked_sources.is_over(fraction) and not self._stopping.is_set():
            fraction = 0.5
            self._readiness.set_unready(PART, f"nothing more is taken: {self._locked_sources.in_words()}")
            await buffer.wait(self._stopping, self._locked_sources.next_seconds())
            await self._settler.retry(buffer)

    async def _consume_expected(self, expected: int, channel: ConsumingChannel, buffer: DeliveryBuffer) -> int:
        """Consume while all deliveries are of the expected risk class, then settle the rest; returns the next one."""
        if self._stopping.is_set():
            return expected
        asked, added_before = self._prefetch.number(expected), self._locked_sources.added
        await channel.basic_qos(prefetch_count=asked)
        tag = (await channel.basic_consume(self._topology.inbound, buffer.put)).consumer_tag or ""
        self._consumer_count += 1
        self._consumer_number = self._consumer_count
        self._readiness.set_ready(PART)
        deliveries: list[Delivery] = []
        while not (self._stopping.is_set() or self._is_prefetch_used_up(asked, added_before)):
            await buffer.wait(self._stopping, self._locked_sources.next_seconds())
            deliveries = buffer.take(self._batch_sizes[expected])
            if self._stopping.is_set() or any(risk(delivery) != expected for delivery in deliveries):
                break
            await self._settle(buffer, deliveries)
            await self._settler.retry(buffer)
            deliveries = []
            if self._prefetch.misfits(expected, asked):
                break
        self._consumer_number = 0
        next_risk = await self._cancel_consumer(channel, buffer, tag, deliveries)
        return expected if next_risk is None else next_risk

    def _is_prefetch_used_up(self, asked: int, added_before: int) -> bool:
        """Whether deliveries set aside use up so much of this consumer's prefetch that a new consumer is needed."""
        return self._locked_sources.is_over(1.0) or 2 * (self._locked_sources.added - added_before) >= max(2, asked)

    async def _settle(self, buffer: DeliveryBuffer, deliveries: list[Delivery]) -> None:
        if deliveries:
            self._prefetch.saw(deliveries)
            await self._settler.settle(buffer, deliveries)

    async def _cancel_consumer(
        self, channel: ConsumingChannel, buffer: DeliveryBuffer, tag: str, deliveries: list[Delivery]
    ) -> int | None:
        """Cancel the consumer and settle what still arrives; returns the riskiest class that came, None if nothing did.

        The broker's response follows all deliveries on their way, which may exceed the room in the buffer.
        """
        risks: set[int] = set()
        cancelled = False
        async with running(channel.basic_cancel(tag)) as (cancelling,):
            try:
                while not cancelled and not self._stopping.is_set():
                    await first_of(cancelling, buffer.full, buffer.ended, self._stopping)
                    buffer.check()
                    cancelled = cancelling.done()
                    deliveries += buffer.take_all()
                    risks.update(map(risk, deliveries))
                    await self._settle_by_risk(buffer, deliveries)
                    deliveries = []
                if self._stopping.is_set():
                    channel.drop()
                await cancelling
            except ReturnedToBroker:
                # Drop the deliveries that precede the broker's response, or it would never be read.
                channel.drop()
                await asyncio.wait({cancelling})
                raise
        return max(risks, default=None)

    async def _settle_by_risk(self, buffer: DeliveryBuffer, deliveries: list[Delivery]) -> None:
        """Settle one risk class after the other, the safe ones first."""
        for group_risk, group in groupby(sorted(deliveries, key=risk), risk):
            waiting = list(group)
            while waiting and not self._stopping.is_set():
                number = first_batch(waiting, self._batch_sizes[group_risk])
                batch, waiting = waiting[:number], waiting[number:]
                await self._settle(buffer, batch)
