"""Outbox → broker: what was committed is published until the broker confirms it, then forgotten."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from random import Random
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from distribution.intake.batch import BatchResult
from distribution.store.outbox import Claim
from worker.aio import wait_for_event
from worker.broker.connection import Connection
from worker.broker.topology import Topology
from worker.failpoints import FailpointHook
from worker.incident_log import IncidentLog
from worker.publish.in_flight import EVENTS, REPLIES, RETRIES
from worker.publish.lane import Lane
from worker.publish.leased_rows import LEASE_SECONDS, LeasedRows
from worker.publish.outcome_reporter import OutcomeReporter
from worker.publish.publisher_pool import PublishTarget
from worker.publish.retry_policy import EventRetryPolicy, ReplyRetryPolicy, RetryBudget
from worker.status import Status

TIDY_SECONDS, SETTLE_SECONDS, SETTLE_LAST_SECONDS = 5.0, 1.0, 0.1
REPLY_AGE = timedelta(minutes=10)
COUNTED_AT_MOST = 10_000
PART, RETRYING = "publishing", "set aside"


class Relay:
    """Publishes what this worker just committed, straight from memory, and claims from the outbox what nobody has.

    Three lanes, each with a connection of its own, so that none waits for another: events, events that the broker did
    not take at first, replies. An event is tried until it is confirmed, with the later events of its contact behind
    it; a reply a few times.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        topology: Topology,
        status: Status,
        random: Random,
        watch: FailpointHook,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._status = status
        self._rows = LeasedRows(engine, status, random, watch, lease_seconds)
        self._outcomes = OutcomeReporter(status, IncidentLog("worker.publish.relay"))
        self._stopping = asyncio.Event()
        assignments = PublishTarget(topology.assignments, mandatory=bool(topology.event_log_max_age))
        default = PublishTarget("", mandatory=False)

        def may_delete() -> bool:
            return self.events.is_idle

        shared = self._rows, self._outcomes, watch, may_delete
        self.events = Lane(EVENTS, EventRetryPolicy(), assignments, *shared, topology=topology)
        self.retries = Lane(RETRIES, EventRetryPolicy(), assignments, *shared, topology=topology, budget=RetryBudget())
        self.replies = Lane(REPLIES, ReplyRetryPolicy(), default, *shared, all_suspect=True)
        self._lanes = self.events, self.retries, self.replies
        status.set_unready(PART, "not publishing")

    def claim(self) -> Claim | None:
        """A claim for events about to be written, while there is room to publish them from memory."""
        return self._rows.claim_now(replies=self.replies.has_room) if self.events.has_room else None

    @contextmanager
    def lend_confirmed_ids(self) -> Iterator[list[UUID]]:
        """While a batch is at work: the rows that its transaction shall delete."""
        with self._rows.lend_confirmed_ids() as done:
            yield done
        self.events.wake(look=False)

    def enqueue(self, intake: BatchResult) -> None:
        """Take what was committed under a claim of ours; what was not claimed is found in the outbox."""
        claim = intake.claim
        own = [p for p in intake.publications if claim.covers(p)] if claim else []
        if claim:
            until = claim.since + claim.seconds
            self.events.add([p for p in own if not p.reply], until)
            if any(p.reply for p in own):
                self.replies.add([p for p in own if p.reply], until)
        if len(own) < len(intake.publications):
            self._rows.expect_followers()
            self.events.wake(look=True)
            if not (claim and claim.replies):
                self.replies.wake(look=True)

    def wake(self) -> None:
        """Look into the outbox now."""
        self.events.wake(look=True)
        self.replies.wake(look=True)

    def stop(self) -> None:
        """Make the lanes return after one more pass: what is in memory and what is in the outbox."""
        self._stopping.set()
        for lane in self._lanes:
            lane.stop()

    async def serve(self, connection: Connection) -> None:
        """Publish events over one connection until stopped; raises when the connection fails."""
        self._status.set_ready(PART)
        try:
            await self.events.serve(connection)
        finally:
            self._status.set_unready(PART, "not publishing")

    async def tidy(self) -> None:
        """Until stopped, whether or not there is a broker: delete replies that came too late, count what is aside.

        What the lanes leave unsettled when they lose the broker, or end, is settled here: else it is published again.
        """
        tidy_at = 0.0
        while not self._stopping.is_set():
            if not self.events.is_connected:
                await self._settle()
            if time.monotonic() >= tidy_at and not self._rows.is_away:
                await self._delete_stale_replies()
                self._show_aside(await self._rows.count_retries(COUNTED_AT_MOST))
                tidy_at = time.monotonic() + TIDY_SECONDS
            await wait_for_event(self._stopping, SETTLE_SECONDS)
        while any(lane.is_serving for lane in self._lanes):
            await self._settle()
            await asyncio.sleep(SETTLE_LAST_SECONDS)
        await self._settle()

    async def _settle(self) -> None:
        await self._rows.renew(())
        await self._rows.settle(delete=not self._rows.is_joined)

    async def _delete_stale_replies(self) -> None:
        """In short transactions, so that others get their turn."""
        while not self._stopping.is_set() and (number := await self._rows.delete_stale_replies(REPLY_AGE)):
            self._outcomes.stale(number)

    def _show_aside(self, number: int | None) -> None:
        if number is None:
            return
        self._status.set_aside.set(number)
        if number:
            more = "or more " if number >= COUNTED_AT_MOST else ""
            self._status.set_detail(
                RETRYING, f"{number} {more}events wait for another try: the broker did not take them"
            )
        else:
            self._status.clear_detail(RETRYING)
