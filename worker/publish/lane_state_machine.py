"""What a lane of the relay does next: renew, claim, send, give up, settle. Plain state without I/O.

The lane executes the decisions and reports back what the database and the broker did; times are of the monotonic
clock.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from enum import Enum, auto
from typing import NamedTuple

from distribution.store.outbox import Kind, Publication
from worker.broker.publish_result import PublishResult
from worker.publish.in_flight import LaneLimits
from worker.publish.outbox_buffer import Attempt, Fault, OutboxBuffer, Report
from worker.publish.poll_schedule import PollSchedule
from worker.publish.retry_policy import RetryBudget, RetryPolicy
from worker.publish.unsettled_rows import Settlement, UnsettledRows

LEASE_SECONDS = 15.0
SETTLE_EVERY_SECONDS = 0.2
DELETE_AT_ONCE = 500


class ClaimRequest(NamedTuple):
    """How much to claim at most; `recent`: only rows that were written just now."""

    limit: int
    max_bytes: int
    recent: bool
    began: float


class Confirms(Enum):
    """Whether the broker's confirmations arrive in time."""

    IN_TIME = auto()
    CHANNEL_OVERDUE = auto()
    """Some are missing: go on over a new channel."""
    CONNECTION_SILENT = auto()
    """None arrives: give up the connection."""


class LaneState:
    """The publications of one kind and their deadlines; it outlives connections.

    `all_suspect`: whether any end of a connection makes what was in flight suspect. `budget`: bounds how many rows are
    claimed, depending on earlier results.
    """

    def __init__(
        self,
        limits: LaneLimits,
        policy: RetryPolicy,
        unsettled: UnsettledRows,
        lease_seconds: float = LEASE_SECONDS,
        *,
        all_suspect: bool = False,
        budget: RetryBudget | None = None,
    ) -> None:
        self.limits = limits
        self.buffer = OutboxBuffer(limits, policy, unsettled)
        self._unsettled, self._all_suspect, self._budget = unsettled, all_suspect, budget
        self._polls = PollSchedule(limits.look_seconds, recent=budget is None)
        self._renew_before, self._renew_every = lease_seconds / 2, lease_seconds / 15
        self._renew_at = self._settle_at = float("-inf")
        self._confirmed = self._failed = 0

    @property
    def is_retrying(self) -> bool:
        """Whether this lane sends publications that failed before."""
        return self._budget is not None

    def add(self, publications: Iterable[Publication], until: float) -> None:
        """Publish what was committed under a claim of ours, which lasts at least until `until`."""
        self.buffer.add(publications, until)
        # After a long batch not much of the lease is left.
        self._renew_at = min(self._renew_at, until - self._renew_before)

    def poll_soon(self) -> None:
        """The outbox may have new rows."""
        self._polls.soon()

    def drain(self) -> None:
        """Settle and claim everything now: the lane is about to stop."""
        self._settle_at = float("-inf")
        self._polls.at_everything()

    def connected(self) -> None:
        """There is a new connection: leases may be about to end."""
        self._renew_at = float("-inf")

    def is_renewal_due(self, now: float) -> bool:
        """Whether to renew leases that end soon; if so, the next time is scheduled."""
        if now < self._renew_at:
            return False
        self._renew_at = now + self._renew_every
        return True

    def next_claim(self, now: float) -> ClaimRequest | None:
        """What to claim now; None if nothing."""
        if self.limits.kind is Kind.EVENT and self._unsettled.take_followers_due():
            self._polls.soon()
        limit, max_bytes = self._claimable(now)
        if limit <= 0 or max_bytes <= 0 or not self._polls.is_due(now):
            return None
        return ClaimRequest(limit, max_bytes, not self._polls.begin(now), now)

    def claimed(self, request: ClaimRequest, publications: Collection[Publication], until: float, now: float) -> None:
        """These rows were claimed, leased until `until`."""
        if not publications:
            self._polls.found_nothing(now, now - request.began, everything=not request.recent)
            return
        self._polls.found_some(everything=not request.recent)
        known = {leased.publication.id: leased for leased in self.buffer.all()}
        for publication in publications:
            if publication.id in known:
                known[publication.id].until = until  # a lease of our own had ended
        new = [row for row in publications if row.id not in known and row.id not in self._unsettled]
        self.buffer.add(new, until)

    def fill(self, channel: int, now: float) -> tuple[list[Publication], list[Attempt]]:
        """Returns what to send now over the channel, and what is given up instead."""
        if now >= self._renew_at:
            # What was added since the last renewal may have a lease that has ended: it is renewed before it is sent.
            return [], []
        ready, barred = self.buffer.fill(channel, now)
        return ready, self._counted(barred)

    def next_settlement(self, now: float, *, is_quiet: bool) -> Settlement | None:
        """What to settle now, if anything; `is_quiet`: whether a transaction only for deletions delays nothing.

        Otherwise the next batch deletes what is confirmed, which needs no transaction of its own.
        """
        unsettled = self._unsettled
        is_good_time = is_quiet and self.buffer.is_idle
        delete = not unsettled.is_lent and (is_good_time or len(unsettled.confirmed) >= DELETE_AT_ONCE)
        others = now >= self._settle_at and (unsettled.quarantined or unsettled.released)
        if not ((delete and unsettled.confirmed) or others or unsettled.is_locked_due(now)):
            return None
        self._settle_at = now + SETTLE_EVERY_SECONDS
        return unsettled.take(now, delete=delete)

    def apply_results(self, reports: Sequence[Report], now: float, retry_at_once: Callable[[], bool]) -> list[Attempt]:
        """Apply the broker's results; `retry_at_once`: whether unroutable publications are sent again now."""
        return self._counted(self.buffer.apply_results(reports, now, retry_at_once))

    def check_confirms(self, channel: int, now: float, *, is_blocked: bool) -> tuple[Confirms, list[Attempt]]:
        """Whether confirmations arrive in time, and what is given up if they do not; `channel`: the newest."""
        in_flight = self.buffer.in_flight
        if is_blocked:
            in_flight.note_blocked(now)
        elif in_flight.is_silent(now):
            return Confirms.CONNECTION_SILENT, self._counted(self.buffer.fail_unconfirmed(in_flight.clear(), now))
        elif overdue := in_flight.pop_overdue(now):
            # Changing the channel closes those before the newest.
            overdue += in_flight.pop_channels_before(channel)
            return Confirms.CHANNEL_OVERDUE, self._counted(self.buffer.fail_unconfirmed(overdue, now))
        return Confirms.IN_TIME, []

    def is_own_fault(self, fault: Fault) -> bool:
        """Whether the channel ended because of what was in flight, so that the connection can go on without it."""
        return self._all_suspect or fault is Fault.ONE

    def disconnected(self, fault: Fault, reason: str, now: float) -> list[Attempt]:
        """The channels are closed: publications in flight get no result any more."""
        return self._counted(self.buffer.take_back(fault, now, reason, all_suspect=self._all_suspect))

    def _claimable(self, now: float) -> tuple[int, int]:
        """How many rows and bytes may be claimed: none while publications in memory wait to be sent."""
        limit, max_bytes = (0, 0) if self.buffer.has_waiting else self.buffer.room
        if self._budget is None or not limit:
            return limit, max_bytes
        if not self.buffer.is_idle:
            return 0, 0
        self._budget.round_over(self._confirmed, self._failed, now)
        self._confirmed = self._failed = 0
        return (min(limit, self._budget.size), max_bytes) if now >= self._budget.next_at else (0, 0)

    def _counted(self, attempts: list[Attempt]) -> list[Attempt]:
        if self._budget is not None:
            failed = sum(attempt.result is not PublishResult.CONFIRMED for attempt in attempts)
            self._failed += failed
            self._confirmed += len(attempts) - failed
        return attempts
