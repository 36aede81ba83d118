"""One lane of the relay: publishes one kind of rows over one connection at a time."""

import time
from asyncio import Event as Signal
from collections.abc import Callable, Iterable, Sequence

from distribution.store.outbox import Publication
from worker.aio import wait_for_event
from worker.broker.connection import Connection
from worker.broker.event_log import EventLog
from worker.broker.flow_control import is_blocked
from worker.broker.topology import Topology, declare_needed
from worker.failpoints import Failpoint, FailpointHook
from worker.publish.fault_attribution import Fault, attribute_fault
from worker.publish.in_flight import LaneLimits
from worker.publish.leased_rows import LeasedRows
from worker.publish.outbox_buffer import Event, OutboxBuffer
from worker.publish.outcome_reporter import OutcomeReporter
from worker.publish.poll_schedule import PollSchedule
from worker.publish.publisher import ChannelEnded
from worker.publish.publisher_pool import PublisherPool, PublishTarget
from worker.publish.retry_policy import RetryBudget, RetryPolicy

DECLARE_EVERY_SECONDS = 5.0
SETTLE_ASIDE_SECONDS = 0.2
DELETE_AT_ONCE = 500


class Lane:
    """Claims, publishes and settles one kind of rows; what it has in hand outlives connections.

    `may_delete`: whether now is a good time to delete what is confirmed. `all_suspect`: whether whatever was in flight
    when a connection ended is tried one by one. `budget`: bounds how many are claimed, by what became of those before.
    """

    def __init__(
        self,
        terms: LaneLimits,
        tries: RetryPolicy,
        target: PublishTarget,
        rows: LeasedRows,
        outcomes: OutcomeReporter,
        watch: FailpointHook,
        may_delete: Callable[[], bool],
        *,
        topology: Topology | None = None,
        all_suspect: bool = False,
        budget: RetryBudget | None = None,
    ) -> None:
        self._terms, self._rows, self._target, self._topology = terms, rows, target, topology
        self._outcomes, self._watch, self._may_delete = outcomes, watch, may_delete
        self._all_suspect, self._budget = all_suspect, budget
        self._hand = OutboxBuffer(terms, tries, rows.unsettled)
        self._looks = PollSchedule(terms.look_seconds, recent=budget is None)
        self._signal = Signal()
        self._log: EventLog | None = None
        self._stopping = self._undeclared = False
        self._declare_at = self._settle_at = self._renew_at = 0.0
        self._taken = self._failed = 0
        self.is_connected = self.is_serving = False

    @property
    def has_room(self) -> bool:
        """Whether more can be published from memory."""
        return self.is_connected and min(self._hand.room) > 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be published."""
        return self._hand.is_idle

    def add(self, publications: Iterable[Publication], until: float) -> None:
        """Publish what was committed under a claim of ours, which surely lasts until then."""
        self._hand.add(publications, until)
        # After a long batch not much is left of it.
        self._renew_at = min(self._renew_at, until - self._rows.renewed_before)
        self._signal.set()

    def wake(self, *, look: bool) -> None:
        """Go on; `look`: there may be something in the outbox."""
        if look:
            self._looks.soon()
        self._signal.set()

    def stop(self) -> None:
        """Make `serve` return once what is in memory and what is in the outbox is published."""
        self._stopping = True
        self._settle_at = 0.0
        self._looks.at_everything()
        self._signal.set()

    async def serve(self, connection: Connection) -> None:
        """Publish over one connection until stopped; raises when the connection fails."""
        self.is_serving = True
        try:
            await self._serve(connection)
        finally:
            self.is_serving = False

    async def _serve(self, connection: Connection) -> None:
        self._log = EventLog(self._topology, connection) if self._topology else None
        try:
            await self._declare(connection)
            await self._publish(connection)
        finally:
            if self._log:
                await self._log.close()

    async def _publish(self, connection: Connection) -> None:
        self._renew_at = 0.0
        while True:
            window = await PublisherPool.open(connection.underlay, self._target, self._signal)
            self.is_connected = True
            try:
                await self._work(connection, window)
                return
            except ChannelEnded:
                blamed = attribute_fault(*window.ended_by())
                if connection.is_closed or not (self._all_suspect or blamed is Fault.ONE):
                    raise
            finally:
                self.is_connected = False
                self._bring_home(window)
            # The connection goes on without these.
            await window.close()

    async def _work(self, connection: Connection, window: PublisherPool) -> None:
        while True:
            self._signal.clear()
            last = self._stopping
            await self._renew()
            claimed = await self._claim_more()
            if not is_blocked(connection):
                await self._send(window)
            await self._settle()
            if last and not claimed and self._hand.is_idle:
                return
            await wait_for_event(self._signal, self._terms.look_seconds)
            await self._judge(connection, window)
            if self._log:
                self._log.check()
            if self._undeclared:
                self._undeclared = False
                await self._declare(connection)

    async def _renew(self) -> None:
        now = time.monotonic()
        if now >= self._renew_at:
            self._renew_at = now + self._rows.renew_every
            await self._rows.renew(self._hand.all())

    async def _claim_more(self) -> bool:
        """Look into the outbox where there may be something; returns whether there was."""
        now = time.monotonic()
        if self._rows.take_news(self._terms.kind):
            self._looks.soon()
        limit, max_bytes = self._room(now)
        if limit <= 0 or max_bytes <= 0 or self._rows.is_away or not self._looks.is_due(now):
            return False
        everything = self._looks.begin(now)
        claimed, until = await self._rows.claim(self._terms.kind, limit, max_bytes, recent=not everything)
        if not claimed:
            ended = time.monotonic()
            self._looks.found_nothing(ended, ended - now, everything=everything)
        else:
            self._looks.found_some(everything=everything)
            in_hand = {held.publication.id: held for held in self._hand.all()}
            for held in [in_hand[p.id] for p in claimed if p.id in in_hand]:
                held.until = until  # a lease of our own had ended
            new = [p for p in claimed if p.id not in in_hand and p.id not in self._rows.unsettled]
            self._hand.add(new, until)
        return bool(claimed)

    def _room(self, now: float) -> tuple[int, int]:
        """How many may be claimed, and how many bytes: only once what is in memory is on its way."""
        limit, max_bytes = (0, 0) if self._hand.waits else self._hand.room
        if self._budget is None or not limit:
            return limit, max_bytes
        if not self._hand.is_idle:
            return 0, 0
        self._budget.round_over(self._taken, self._failed, now)
        self._taken = self._failed = 0
        return (min(limit, self._budget.size), max_bytes) if now >= self._budget.next_at else (0, 0)

    async def _send(self, window: PublisherPool) -> None:
        ready, barred = self._hand.take_off(window.channel, time.monotonic())
        self._tell(barred)
        for publication in ready:
            self._watch(Failpoint.BEFORE_PUBLISH, publication.message_id)
        if self._budget is not None:
            self._outcomes.retried(len(ready))
        await window.send(ready)

    async def _settle(self) -> None:
        """Tell the database, unless the next batch will, which needs no transaction of its own for it."""
        now, unsettled = time.monotonic(), self._rows.unsettled
        good_time = self._hand.is_idle and self._may_delete()
        delete = not self._rows.is_joined and (good_time or len(unsettled.done) >= DELETE_AT_ONCE)
        aside = now >= self._settle_at and (unsettled.aside or unsettled.released)
        if (delete and unsettled.done) or self._rows.is_locked_due or aside:
            self._settle_at = now + SETTLE_ASIDE_SECONDS
            await self._rows.settle(delete=delete)

    async def _judge(self, connection: Connection, window: PublisherPool) -> None:
        """Note what landed and what did not in time. Raises what that says of the channel or the connection."""
        now = time.monotonic()
        self._tell(self._hand.land(window.take_news(), now, self._may_declare))
        window.check()
        if is_blocked(connection):
            self._hand.flights.resume(now)
        elif self._hand.flights.is_silent(now):
            self._tell(self._hand.silent(now))
            raise TimeoutError(f"the broker confirmed nothing for {self._terms.confirm_seconds:.0f} s")
        elif given_up := self._hand.take_unconfirmed(now):
            self._tell([*given_up, *self._hand.leave_channels_before(window.channel, now)])
            await window.change_channel()

    def _may_declare(self) -> bool:
        """Where no queue took an event although there is a log, the log is gone: whether it is made anew now."""
        if self._topology and not self._undeclared and time.monotonic() > self._declare_at:
            self._declare_at = time.monotonic() + DECLARE_EVERY_SECONDS
            self._undeclared = True
        return self._undeclared

    async def _declare(self, connection: Connection) -> None:
        if self._topology and self._log:
            await declare_needed(connection, self._topology)
            # Where the broker is slow about it, what it does not confirm is published again later.
            await self._log.declare()
            self._signal.set()

    def _bring_home(self, window: PublisherPool) -> None:
        """What is in flight lands nowhere any more; what landed already is kept."""
        now, reasons = time.monotonic(), window.ended_by()
        self._tell(self._hand.land(window.take_news(), now, lambda: False))
        why = str(reasons[0]) if reasons else "the connection was lost"
        self._tell(self._hand.bring_home(attribute_fault(*reasons), now, why, all_suspect=self._all_suspect))
        self._signal.set()

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.failure is None:
                self._watch(Failpoint.AFTER_CONFIRM, event.publication.message_id)
                self._taken += 1
            else:
                self._failed += 1
        if events:
            self._outcomes.count(events)
