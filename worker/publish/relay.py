"""Outbox → broker: committed rows are published until the broker confirms them, then deleted."""

import asyncio
import time
from datetime import timedelta

from distribution.store.database import Database
from worker.aio import wait_for_event
from worker.broker.connection import Connection
from worker.broker.topology import Topology
from worker.failpoints import FailpointHook
from worker.incident_log import IncidentLog
from worker.metrics import Metrics
from worker.publish.in_flight import EVENTS, REPLIES, RETRIES
from worker.publish.lane import Lane
from worker.publish.lane_state_machine import LEASE_SECONDS, LaneState
from worker.publish.leased_rows import LeasedRows
from worker.publish.outbox_housekeeping import OutboxHousekeeping
from worker.publish.publication_metrics import PublicationMetrics
from worker.publish.publisher import PublishTarget
from worker.publish.relay_inbox import RelayInbox
from worker.publish.retry_policy import ReplyRetryPolicy, RetryBudget, RetryPolicy
from worker.readiness import Readiness

TIDY_SECONDS, SETTLE_SECONDS, SETTLE_LAST_SECONDS = 5.0, 1.0, 0.1
REPLY_AGE = timedelta(minutes=10)
COUNTED_AT_MOST = 10_000
PART, RETRYING = "publishing", "set aside"


class Relay:
    """Publishes what this worker just committed, straight from memory, and claims what is free in the outbox.

    Three lanes, each with a connection of its own, so that none waits for another: events, retries of events that the
    broker did not accept, replies. An event is retried until it is confirmed, and later events of its contact wait for
    it; a reply gets a few attempts.
    """

    def __init__(
        self,
        database: Database,
        topology: Topology,
        readiness: Readiness,
        metrics: Metrics,
        at_failpoint: FailpointHook,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._readiness, self._metrics = readiness, metrics
        self._rows = rows = LeasedRows(database, readiness, at_failpoint, lease_seconds)
        self._housekeeping = OutboxHousekeeping(database)
        self._publication_metrics = PublicationMetrics(metrics, IncidentLog("worker.publish.relay"))
        self._stopping = asyncio.Event()
        assignments = PublishTarget(topology.assignments, mandatory=bool(topology.event_log_max_age))
        leases = rows.unsettled, lease_seconds
        shared = rows, self._publication_metrics, at_failpoint, self._is_quiet
        policy, budget = RetryPolicy(), RetryBudget()
        self.events = Lane(LaneState(EVENTS, policy, *leases), assignments, *shared, topology)
        self.retries = Lane(LaneState(RETRIES, policy, *leases, budget=budget), assignments, *shared, topology)
        state = LaneState(REPLIES, ReplyRetryPolicy(), *leases, all_suspect=True)
        self.replies = Lane(state, PublishTarget("", mandatory=False), *shared)
        self._lanes = self.events, self.retries, self.replies
        self.inbox = RelayInbox(rows, self.events, self.replies)
        readiness.set_unready(PART, "not publishing")

    def stop(self) -> None:
        """Make the lanes return after one more pass over memory and outbox."""
        self._stopping.set()
        for lane in self._lanes:
            lane.stop()

    async def serve(self, connection: Connection) -> None:
        """Publish events over one connection until stopped; raises when the connection fails."""
        self._readiness.set_ready(PART)
        try:
            await self.events.serve(connection)
        finally:
            self._readiness.set_unready(PART, "not publishing")

    async def tidy(self) -> None:
        """Until stopped, with or without a broker: delete stale replies, count events that wait for a retry.

        Also settles what the lanes leave unsettled when they lose the broker or end: else it is published again.
        """
        tidy_at = 0.0
        while not self._stopping.is_set():
            if not self.events.is_connected:
                await self._settle()
            if time.monotonic() >= tidy_at and not self._rows.is_backing_off:
                await self._delete_stale_replies()
                self._report_retries(await self._housekeeping.count_retries(COUNTED_AT_MOST))
                tidy_at = time.monotonic() + TIDY_SECONDS
            await wait_for_event(self._stopping, SETTLE_SECONDS)
        while any(lane.is_serving for lane in self._lanes):
            await self._settle()
            await asyncio.sleep(SETTLE_LAST_SECONDS)  # what the lanes confirm meanwhile is settled as well
        await self._settle()

    def _is_quiet(self) -> bool:
        return self.events.is_idle

    async def _settle(self) -> None:
        unsettled = self._rows.unsettled
        await self._rows.renew(())
        if self._rows.is_backing_off:
            return
        if settlement := unsettled.take(time.monotonic(), delete=not unsettled.is_lent):
            await self._rows.settle(settlement)

    async def _delete_stale_replies(self) -> None:
        """In short transactions, so that others can run in between."""
        while not self._stopping.is_set() and (number := await self._housekeeping.delete_stale_replies(REPLY_AGE)):
            self._publication_metrics.count_stale(number)

    def _report_retries(self, number: int | None) -> None:
        if number is None:
            return
        self._metrics.quarantined_events.set(number)
        more = "or more " if number >= COUNTED_AT_MOST else ""
        detail = f"{number} {more}events wait for another try: the broker did not take them"
        self._readiness.set_detail(RETRYING, detail if number else "")
