"""Deliveries are decoded, committed, then acknowledged; failures are retried until they succeed."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter, time

from distribution.errors import DatabaseUnavailable, LockedByOthers
from distribution.intake.batch import BatchResult
from distribution.intake.process_commands import DecodedMessage
from worker.aio import first_of
from worker.broker.aiormq_channels import Delivery
from worker.consume.batch_committer import LOCK_SECONDS
from worker.consume.context import ConsumeContext
from worker.consume.delivery_buffer import DeliveryBuffer, ReturnedToBroker
from worker.consume.delivery_conversion import incoming_from_delivery
from worker.consume.locked_sources import LockedSources
from worker.consume.refused_reply_to import RefusedReplyTo
from worker.database_outage import DatabaseOutage
from worker.failpoints import Failpoint

ASIDE_BATCHES = 4
DEFECT = "defect"
FULL_SECONDS = 5.0
"""How long reading from the broker may stop while the database is unavailable: the broker must be able to reach us."""
SLICE_SECONDS, REST_SECONDS = 0.03, 0.005
"""How long to decode before yielding to other tasks, and for how long: an HTTP request needs several turns."""


@dataclass(frozen=True, slots=True)
class DecodedDelivery:
    """A delivery and its decoded message."""

    delivery: Delivery
    decoded: DecodedMessage


class DeliverySettler:
    """Settles the deliveries of one channel at a time.

    While the database is unavailable it retries the same messages, which does not increase their delivery counts. It
    keeps them when the channel is lost: that they succeed shows that the database is back.
    """

    def __init__(self, context: ConsumeContext, batch_sizes: Mapping[int, int]) -> None:
        settings, self._batch_sizes = context.settings, batch_sizes
        self._batches, self._relay = context.batches, context.relay
        self._readiness, self._metrics = context.readiness, context.metrics
        self._at_failpoint, self._stopping = context.at_failpoint, context.stopping
        self._decoder, self._refused_replies = settings.decoder, RefusedReplyTo(context.metrics)
        self._outage = DatabaseOutage(context.readiness, context.retry_delays)
        self._hold_seconds = context.retry_delays.hold
        self._failed: list[DecodedDelivery] = []
        self._batch_limit = max(batch_sizes.values())
        most_locked = ASIDE_BATCHES * settings.worker_batch_size
        self.locked_sources = LockedSources(most_locked, context.readiness, context.metrics)

    async def until_taken(self) -> None:
        """Return once the database commits the messages that failed before, if any; the broker has them back."""
        tried = self._failed
        while tried and not self._stopping.is_set():
            try:
                await self._commit(None, tried)
            except DatabaseUnavailable as error:  # perhaps after a part of it was committed
                pause = self._fail(error, tried)
                tried = tried[: self._batch_limit]
                await first_of(self._stopping, seconds=pause)
            else:
                self._note_locked(tried)
                return

    async def settle(self, buffer: DeliveryBuffer, deliveries: Sequence[Delivery]) -> None:
        """Commit, then acknowledge; retries until all is settled or stopped. Messages of locked sources are set aside.

        Raises ReturnedToBroker if that takes longer than deliveries may be held.
        """
        self._measure_age(deliveries[0])
        batch = await self._decode(deliveries)
        for item in batch:
            self._at_failpoint(Failpoint.TAKEN, item.decoded.message.message_id or "")
        while batch and not self._stopping.is_set():
            part = batch[: self._batch_limit]
            try:
                await self._commit_unlocked(buffer, part)
                self._note_locked([item for item in part if self.locked_sources.holds(item.delivery)])
            except DatabaseUnavailable as error:
                left = [item for item in part if buffer.is_unsettled(item.delivery)]
                await self._pause(buffer, self._fail(error, left))
            batch = [
                item
                for item in batch
                if buffer.is_unsettled(item.delivery) and not self.locked_sources.holds(item.delivery)
            ]

    def _measure_age(self, delivery: Delivery) -> None:
        sent_at = delivery.header.properties.timestamp
        if sent_at is not None:
            self._metrics.inbound_age.set(max(0.0, time() - sent_at.timestamp()))

    async def retry(self, buffer: DeliveryBuffer) -> None:
        """Retry what was set aside and is due; of the sources that seem locked only one, and rarely if others wait."""
        due = self.locked_sources.due()
        if not due:
            return
        try:
            locked = await self._batches.locked_sources(self.locked_sources.kept_locked(due))
        except DatabaseUnavailable:
            locked = set(due)
        # A source may seem locked because others take turns with it: only waiting for the lock shows that.
        locked -= self.locked_sources.pick_to_try_anyway(due, locked, others_wait=len(buffer) > 0)
        for source in due:
            if source not in locked:
                await self._retry_source(buffer, source)
            self.locked_sources.note_tried(source, buffer)
        self.locked_sources.report()
        self._check_age(buffer)

    async def _retry_source(self, buffer: DeliveryBuffer, source: str) -> None:
        batch = await self._decode(self.locked_sources.first(source, self._batch_sizes)[: self._batch_limit])
        on_commit = partial(self._after_commit, buffer, {id(item.decoded): item.delivery for item in batch})
        patience = self.locked_sources.patience(source)
        try:
            await self._batches.commit_all([item.decoded for item in batch], self._relay.claim(), on_commit, patience)
        except LockedByOthers as locked:
            self._metrics.lock_wait.observe(patience)
            self.locked_sources.note_locked(source, locked.held)
            self._note_locked(batch)
        except DatabaseUnavailable as error:
            await self._pause(buffer, self._fail(error, batch))

    async def _decode(self, deliveries: Sequence[Delivery]) -> list[DecodedDelivery]:
        batch, until = [], perf_counter() + SLICE_SECONDS
        for delivery in deliveries:
            message = incoming_from_delivery(delivery)
            decoded = self._decoder.decode(message)
            self._refused_replies.note(message, decoded.message)
            batch.append(DecodedDelivery(delivery, decoded))
            if perf_counter() > until:
                await asyncio.sleep(REST_SECONDS)  # gives the loop to other tasks
                until = perf_counter() + SLICE_SECONDS
        return batch

    async def _commit_unlocked(self, buffer: DeliveryBuffer, batch: Sequence[DecodedDelivery]) -> None:
        """Commit what is not locked; set aside the rest, and the messages that must wait behind it."""
        free = await self._set_aside_followers(batch) if len(self.locked_sources) else batch
        if free:
            await self._commit(buffer, free)
        locked = [item for item in free if buffer.is_unsettled(item.delivery)]
        if locked:
            self._metrics.lock_wait.observe(LOCK_SECONDS)
            sources = await self._batches.sources_of([item.decoded for item in locked])
            for item, source in zip(locked, sources, strict=True):
                self.locked_sources.add(source, item.delivery)
        if len(self.locked_sources):
            self.locked_sources.report()

    async def _set_aside_followers(self, batch: Sequence[DecodedDelivery]) -> list[DecodedDelivery]:
        """Set aside the messages whose source already waits; returns the others."""
        free = []
        sources = await self._batches.sources_of([item.decoded for item in batch])
        for item, source in zip(batch, sources, strict=True):
            if self.locked_sources.has(source):
                self.locked_sources.add(source, item.delivery)
            else:
                free.append(item)
        return free

    async def _commit(self, buffer: DeliveryBuffer | None, batch: Sequence[DecodedDelivery]) -> None:
        deliveries = {id(item.decoded): item.delivery for item in batch}
        self._metrics.batch_messages.observe(len(batch))
        with self._metrics.batch_seconds.time(), self._relay.lend_confirmed_ids() as confirmed_ids:
            on_commit = partial(self._after_commit, buffer, deliveries)
            await self._batches.commit_messages(
                [item.decoded for item in batch], self._relay.claim(), confirmed_ids, on_commit
            )
        self._report_defect()

    def _report_defect(self) -> None:
        """A release whose statements are wrong parks every message: its rollout must stop."""
        if self._batches.defect:
            self._readiness.set_unready(DEFECT, f"a statement of this program is wrong: {self._batches.defect}")
        else:
            self._readiness.set_ready(DEFECT)

    async def _after_commit(
        self,
        buffer: DeliveryBuffer | None,
        deliveries: dict[int, Delivery],
        messages: Sequence[DecodedMessage],
        result: BatchResult,
    ) -> None:
        """A part of a batch is committed: publish its events and acknowledge it."""
        self._outage.over()
        self._failed = []
        self._batch_limit = min(2 * self._batch_limit, max(self._batch_sizes.values()))
        self._metrics.lock_wait.observe(result.lock_seconds)
        self._relay.enqueue(result)
        for outcome, count in result.counts.items():
            self._metrics.messages.labels(outcome).inc(count)
        self._at_failpoint(Failpoint.BEFORE_ACK, "")
        if buffer is not None:
            await buffer.acknowledge([deliveries[id(decoded)] for decoded in messages])
        self._at_failpoint(Failpoint.AFTER_ACK, "")

    def _note_locked(self, batch: Sequence[DecodedDelivery]) -> None:
        """These sources are locked, as the database reported; if they failed because it was unavailable, it is back."""
        ids = {id(item.delivery) for item in batch}
        if any(id(item.delivery) in ids for item in self._failed):
            self._failed = []
            self._outage.over()

    def _fail(self, error: DatabaseUnavailable, tried: Sequence[DecodedDelivery]) -> float:
        """Try fewer next time, in case the batch size is the cause; returns how many seconds to pause."""
        self._failed = list(tried)
        self._batch_limit = max(1, len(tried) // 2)
        return self._outage.failed(str(error))

    async def _pause(self, buffer: DeliveryBuffer, seconds: float) -> None:
        await first_of(self._stopping, buffer.ended, seconds=seconds)
        buffer.check()
        if buffer.full.is_set() and self._outage.seconds > FULL_SECONDS:
            raise ReturnedToBroker("the database is unavailable and there is no room for what the broker sends")
        self._check_age(buffer)

    def _check_age(self, buffer: DeliveryBuffer) -> None:
        if buffer.held_seconds() > self._hold_seconds:
            raise ReturnedToBroker(f"messages were held for {self._hold_seconds:.0f} seconds")
