"""Deliveries are understood, committed, then acknowledged; what fails is tried again until it succeeds."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter, time

from distribution.errors import DatabaseUnavailable, LockedByOthers
from distribution.intake.batch import BatchResult
from distribution.intake.process_commands import DecodedMessage
from worker.aio import first_of
from worker.broker.channels import Delivery
from worker.consume.batch_processor import LOCK_SECONDS, BatchProcessor
from worker.consume.delivery_buffer import DeliveryBuffer, ReturnedToBroker
from worker.consume.delivery_conversion import incoming_of
from worker.consume.delivery_decoder import DeliveryDecoder
from worker.consume.locked_sources import LockedSources
from worker.database_outage import DatabaseOutage, RetryDelays
from worker.failpoints import Failpoint, FailpointHook
from worker.metrics import Metrics
from worker.publish.relay_client import RelayClient
from worker.readiness import Readiness
from worker.settings import WorkerSettings

ASIDE_BATCHES = 4
FULL_SECONDS = 5.0
"""How long nothing may be read from the broker while the database is away: it must be able to reach us."""
SLICE_SECONDS, REST_SECONDS = 0.03, 0.005
"""How long to decode before everything else gets its turn, and how long that is: a request takes several turns."""


@dataclass(frozen=True, slots=True)
class DecodedDelivery:
    """A delivery and what was understood of it."""

    delivery: Delivery
    arrival: DecodedMessage


class DeliveryProcessor:
    """Settles what one channel at a time was delivered.

    While the database is away it tries the same messages again and again, which costs none of them a delivery; they
    are kept when the channel is lost, since what failed is what tells that the database is back. `together`: how many
    messages of each lane make a batch.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        together: Mapping[int, int],
        batches: BatchProcessor,
        relay: RelayClient,
        readiness: Readiness,
        metrics: Metrics,
        pauses: RetryDelays,
        watch: FailpointHook,
        stopping: asyncio.Event,
    ) -> None:
        self._senders = DeliveryDecoder(settings, metrics)
        self._together = together
        self._batches, self._relay, self._metrics = batches, relay, metrics
        self._outage, self._hold_seconds = DatabaseOutage(readiness, pauses), pauses.hold
        self._watch, self._stopping = watch, stopping
        self._failed: list[DecodedDelivery] = []
        self._most = max(together.values())
        self.aside = LockedSources(ASIDE_BATCHES * settings.worker_batch_size, readiness, metrics)

    async def until_taken(self) -> None:
        """Return once the database takes what it did not take before, if there is any; the broker has it back."""
        tried = self._failed
        while tried and not self._stopping.is_set():
            try:
                await self._commit(None, tried)
            except DatabaseUnavailable as away:  # perhaps after a part of it was committed
                pause = self._fail(away, tried)
                tried = tried[: self._most]
                await first_of(self._stopping, seconds=pause)
            else:
                self._only_locked(tried)
                return

    async def settle(self, inbox: DeliveryBuffer, deliveries: Sequence[Delivery]) -> None:
        """Commit, then acknowledge; until that is done, or until it is time to stop. What is locked is set aside.

        Raises ReturnedToBroker if it is not done before the broker has to get the deliveries back.
        """
        self._tell_age(deliveries[0])
        taken = await self._understand(deliveries)
        for t in taken:
            self._watch(Failpoint.TAKEN, t.arrival.message.message_id or "")
        while taken and not self._stopping.is_set():
            part = taken[: self._most]
            try:
                await self._commit_unlocked(inbox, part)
                self._only_locked([t for t in part if self.aside.holds(t.delivery)])
            except DatabaseUnavailable as away:
                left = [t for t in part if inbox.owes(t.delivery)]
                await self._pause(inbox, self._fail(away, left))
            taken = [t for t in taken if inbox.owes(t.delivery) and not self.aside.holds(t.delivery)]

    def _tell_age(self, delivery: Delivery) -> None:
        sent_at = delivery.header.properties.timestamp
        if sent_at is not None:
            self._metrics.inbound_age.set(max(0.0, time() - sent_at.timestamp()))

    async def retry(self, inbox: DeliveryBuffer) -> None:
        """Try what was set aside and is due; of what seems locked only one source, and if others wait, seldom."""
        due = self.aside.due()
        if not due:
            return
        try:
            locked = await self._batches.locked_sources(self.aside.kept_locked(due))
        except DatabaseUnavailable:
            locked = set(due)
        # It may seem locked since others take turns with it: only who waits for it finds out.
        locked -= self.aside.to_try_all_the_same(due, locked, others_wait=len(inbox) > 0)
        for source in due:
            if source not in locked:
                await self._retry(inbox, source)
            self.aside.tried(source, inbox)
        self.aside.say()
        self._check_age(inbox)

    async def _retry(self, inbox: DeliveryBuffer, source: str) -> None:
        taken = await self._understand(self.aside.first(source, self._together)[: self._most])
        told = partial(self._told, inbox, {id(t.arrival): t.delivery for t in taken})
        patience = self.aside.patience(source)
        try:
            await self._batches.take_at_once([t.arrival for t in taken], self._relay.claim(), told, patience)
        except LockedByOthers as locked:
            self._metrics.lock_wait.observe(patience)
            self.aside.was_locked(source, locked.held)
            self._only_locked(taken)
        except DatabaseUnavailable as away:
            await self._pause(inbox, self._fail(away, taken))

    async def _understand(self, deliveries: Sequence[Delivery]) -> list[DecodedDelivery]:
        taken, until = [], perf_counter() + SLICE_SECONDS
        for delivery in deliveries:
            taken.append(DecodedDelivery(delivery, self._senders.decode(incoming_of(delivery))))
            if perf_counter() > until:
                await asyncio.sleep(REST_SECONDS)
                until = perf_counter() + SLICE_SECONDS
        return taken

    async def _commit_unlocked(self, inbox: DeliveryBuffer, taken: Sequence[DecodedDelivery]) -> None:
        """Commit what is not locked, set the rest aside, and with it what belongs behind it."""
        free = await self._behind_nothing(taken) if len(self.aside) else taken
        if free:
            await self._commit(inbox, free)
        locked = [t for t in free if inbox.owes(t.delivery)]
        if locked:
            self._metrics.lock_wait.observe(LOCK_SECONDS)
            sources = await self._batches.sources_of([t.arrival for t in locked])
            for t, source in zip(locked, sources, strict=True):
                self.aside.add(source, t.delivery)
        if len(self.aside):
            self.aside.say()

    async def _behind_nothing(self, taken: Sequence[DecodedDelivery]) -> list[DecodedDelivery]:
        free = []
        sources = await self._batches.sources_of([t.arrival for t in taken])
        for t, source in zip(taken, sources, strict=True):
            if self.aside.has(source):
                self.aside.add(source, t.delivery)
            else:
                free.append(t)
        return free

    async def _commit(self, inbox: DeliveryBuffer | None, taken: Sequence[DecodedDelivery]) -> None:
        deliveries = {id(t.arrival): t.delivery for t in taken}
        self._metrics.batch_messages.observe(len(taken))
        with self._metrics.batch_seconds.time(), self._relay.lend_confirmed_ids() as done:
            told = partial(self._told, inbox, deliveries)
            await self._batches.take([t.arrival for t in taken], self._relay.claim(), done, told)

    async def _told(
        self,
        inbox: DeliveryBuffer | None,
        deliveries: dict[int, Delivery],
        arrivals: Sequence[DecodedMessage],
        intake: BatchResult,
    ) -> None:
        """A part is committed: publish and acknowledge it."""
        self._outage.over()
        self._failed = []
        self._most = min(2 * self._most, max(self._together.values()))
        self._metrics.lock_wait.observe(intake.lock_seconds)
        self._relay.enqueue(intake)
        for outcome, count in intake.counts.items():
            self._metrics.messages.labels(outcome).inc(count)
        self._watch(Failpoint.BEFORE_ACK, "")
        if inbox is not None:
            await inbox.acknowledge([deliveries[id(arrival)] for arrival in arrivals])
        self._watch(Failpoint.AFTER_ACK, "")

    def _only_locked(self, taken: Sequence[DecodedDelivery]) -> None:
        """These are locked, as the database said; if they failed before for another reason, it is back."""
        ids = {id(t.delivery) for t in taken}
        if any(id(t.delivery) in ids for t in self._failed):
            self._failed = []
            self._outage.over()

    def _fail(self, away: DatabaseUnavailable, tried: Sequence[DecodedDelivery]) -> float:
        """Try fewer next time, in case their number is what the database cannot do; returns how long to pause."""
        self._failed = list(tried)
        self._most = max(1, len(tried) // 2)
        return self._outage.failed(str(away))

    async def _pause(self, inbox: DeliveryBuffer, seconds: float) -> None:
        await first_of(self._stopping, inbox.ended, seconds=seconds)
        inbox.check()
        if inbox.full.is_set() and self._outage.seconds > FULL_SECONDS:
            raise ReturnedToBroker("the database is away and there is no room for what the broker sends")
        self._check_age(inbox)

    def _check_age(self, inbox: DeliveryBuffer) -> None:
        if inbox.held_seconds() > self._hold_seconds:
            raise ReturnedToBroker(f"messages were held for {self._hold_seconds:.0f} seconds")
