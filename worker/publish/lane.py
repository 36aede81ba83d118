"""One lane of the relay: executes the decisions of its state over a connection and in the database."""

import time
from asyncio import Event as Signal
from collections.abc import Callable, Iterable, Sequence

from distribution.store.outbox import Publication
from worker.aio import wait_for_event
from worker.broker.connection import Connection
from worker.broker.flow_control import is_blocked
from worker.broker.publish_result import PublishResult
from worker.broker.topology import Topology
from worker.failpoints import Failpoint, FailpointHook
from worker.publish.event_log_redeclarer import EventLogRedeclarer
from worker.publish.fault_attribution import attribute_fault
from worker.publish.lane_state_machine import Confirms, LaneState
from worker.publish.leased_rows import LeasedRows
from worker.publish.outbox_buffer import Attempt
from worker.publish.publication_metrics import PublicationMetrics
from worker.publish.publisher import ChannelEnded, Publisher, PublishTarget


class Lane:
    """Publishes one kind of rows over one connection at a time; its state outlives connections.

    `is_quiet`: whether a transaction only for deletions delays nothing. `topology`: declared on each connection.
    """

    def __init__(
        self,
        state: LaneState,
        target: PublishTarget,
        rows: LeasedRows,
        publication_metrics: PublicationMetrics,
        at_failpoint: FailpointHook,
        is_quiet: Callable[[], bool],
        topology: Topology | None = None,
    ) -> None:
        self._state, self._target, self._rows, self._topology = state, target, rows, topology
        self._publication_metrics, self._at_failpoint, self._is_quiet = publication_metrics, at_failpoint, is_quiet
        self._signal = Signal()
        self._event_log: EventLogRedeclarer | None = None
        self._stopping = False
        self.is_connected = self.is_serving = False

    @property
    def has_room(self) -> bool:
        """Whether more can be published from memory."""
        return self.is_connected and min(self._state.buffer.room) > 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be published."""
        return self._state.buffer.is_idle

    def add(self, publications: Iterable[Publication], until: float) -> None:
        """Publish what was committed under a claim of ours, which lasts at least until `until`."""
        self._state.add(publications, until)
        self._signal.set()

    def wake(self, *, poll: bool) -> None:
        """Run another round; `poll`: the outbox may have new rows."""
        if poll:
            self._state.poll_soon()
        self._signal.set()

    def stop(self) -> None:
        """Make `serve` return once what is in memory and what is in the outbox is published."""
        self._stopping = True
        self._state.drain()
        self._signal.set()

    async def serve(self, connection: Connection) -> None:
        """Publish over one connection until stopped; raises when the connection fails."""
        self.is_serving = True
        try:
            if self._topology:
                self._event_log = EventLogRedeclarer(self._topology, connection)
                await self._event_log.declare()
            await self._publish(connection)
        finally:
            self.is_serving = False
            if self._event_log:
                await self._event_log.close()
                self._event_log = None

    async def _publish(self, connection: Connection) -> None:
        self._state.connected()
        while True:
            publisher = await Publisher.open(connection.underlay, self._target, self._signal)
            self.is_connected = True
            try:
                await self._run(connection, publisher)
                return
            except ChannelEnded:
                fault = attribute_fault(*publisher.ended_by())
                if connection.is_closed or not self._state.is_own_fault(fault):
                    raise
            finally:
                self.is_connected = False
                self._take_back(publisher)
            # The connection goes on without these channels.
            await publisher.close()

    async def _run(self, connection: Connection, publisher: Publisher) -> None:
        while True:
            self._signal.clear()
            is_last = self._stopping
            if self._state.is_renewal_due(time.monotonic()):
                await self._rows.renew(self._state.buffer.all())
            has_claimed = await self._claim()
            if not is_blocked(connection):
                await self._fill(publisher)
            await self._settle()
            if is_last and not has_claimed and self.is_idle:
                return
            await wait_for_event(self._signal, self._state.limits.look_seconds)
            self._apply_results(publisher, self._note_unroutable)
            publisher.check()
            await self._check_confirms(connection, publisher)
            if self._event_log and await self._event_log.restore():
                self._signal.set()

    async def _claim(self) -> bool:
        """Poll the outbox if that is due; returns whether rows were claimed."""
        request = None if self._rows.is_backing_off else self._state.next_claim(time.monotonic())
        if request is None:
            return False
        claimed, until = await self._rows.claim(self._state.limits.kind, request)
        self._state.claimed(request, claimed, until, time.monotonic())
        return bool(claimed)

    async def _fill(self, publisher: Publisher) -> None:
        ready, barred = self._state.fill(publisher.channel, time.monotonic())
        self._report(barred)
        for publication in ready:
            self._at_failpoint(Failpoint.BEFORE_PUBLISH, publication.message_id)
        if ready:
            if self._state.is_retrying:
                self._publication_metrics.count_retried(len(ready))
            await publisher.send(ready)

    async def _settle(self) -> None:
        if self._rows.is_backing_off:
            return
        settlement = self._state.next_settlement(time.monotonic(), is_quiet=self._is_quiet())
        if settlement is not None:
            await self._rows.settle(settlement)

    def _apply_results(self, publisher: Publisher, retry_at_once: Callable[[], bool]) -> None:
        self._report(self._state.apply_results(publisher.take_reports(), time.monotonic(), retry_at_once))

    async def _check_confirms(self, connection: Connection, publisher: Publisher) -> None:
        """If confirmations are missing, change the channel, or raise TimeoutError to give up the connection."""
        blocked = is_blocked(connection)
        confirms, given_up = self._state.check_confirms(publisher.channel, time.monotonic(), is_blocked=blocked)
        self._report(given_up)
        if confirms is Confirms.CONNECTION_SILENT:
            raise TimeoutError(f"the broker confirmed nothing for {self._state.limits.confirm_seconds:.0f} s")
        if confirms is Confirms.CHANNEL_OVERDUE:
            await publisher.change_channel()

    def _note_unroutable(self) -> bool:
        return self._event_log is not None and self._event_log.note_unroutable()

    def _take_back(self, publisher: Publisher) -> None:
        """Apply the results that came before the channels ended, and take back what has none."""
        self._apply_results(publisher, lambda: False)
        reasons = publisher.ended_by()
        reason = str(reasons[0]) if reasons else "the connection was lost"
        self._report(self._state.disconnected(attribute_fault(*reasons), reason, time.monotonic()))
        self._signal.set()

    def _report(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            if attempt.result is PublishResult.CONFIRMED:
                self._at_failpoint(Failpoint.AFTER_CONFIRM, attempt.publication.message_id)
        if attempts:
            self._publication_metrics.count(attempts)
