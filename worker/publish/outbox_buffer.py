"""The publications of a lane in memory, and the decision about each of them. Plain state, no I/O."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto
from typing import NamedTuple
from uuid import UUID

from distribution.store.outbox import Publication
from worker.broker.publish_result import PublishResult
from worker.publish.in_flight import InFlight, LaneLimits, LeasedPublication
from worker.publish.retry_policy import RetryPolicy
from worker.publish.unsettled_rows import Quarantine, UnsettledRows

Report = tuple[Publication, PublishResult, str]
"""A result from the broker, with a reason or an empty string. A tuple for speed: there is one per message."""


class Fault(Enum):
    """What caused the end of a channel or a connection."""

    NONE = auto()
    ONE = auto()
    """One of the publications in flight."""
    ALL = auto()
    """The broker accepts nothing of this kind from this worker."""


class Attempt(NamedTuple):
    """A finished attempt to publish, for metrics and the log; without a `pause` it is not retried."""

    publication: Publication
    result: PublishResult
    pause: float | None = None
    reason: str = ""


class OutboxBuffer:
    """Publications of one kind, waiting or in flight; it outlives connections.

    Suspects were in flight when the broker ended the channel because of one of them: they are sent one by one until it
    is found.
    """

    def __init__(self, limits: LaneLimits, policy: RetryPolicy, unsettled: UnsettledRows) -> None:
        self._limits, self._policy, self._unsettled = limits, policy, unsettled
        self._waiting: deque[LeasedPublication] = deque()
        self._waiting_bytes = 0
        self._suspects: set[UUID] = set()
        self.in_flight = InFlight(limits)

    def __contains__(self, publication_id: UUID) -> bool:
        return publication_id in self.in_flight or any(
            leased.publication.id == publication_id for leased in self._waiting
        )

    @property
    def has_waiting(self) -> bool:
        """Whether publications wait to be sent."""
        return bool(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be sent, and nothing but overtaken publications is in flight."""
        return not self._waiting and not self.in_flight

    @property
    def room(self) -> tuple[int, int]:
        """How many more may be added, and how many bytes."""
        return self._limits.buffered - len(self._waiting), self._limits.bytes_buffered - self._waiting_bytes

    def all(self) -> list[LeasedPublication]:
        """Everything that waits or is in flight."""
        return [*self._waiting, *self.in_flight.all()]

    def add(self, publications: Iterable[Publication], until: float) -> None:
        """Add publications that are leased until `until`; those for which there is no room are released."""
        number, size = self.room
        for publication in publications:
            if number <= 0 or size <= 0:
                self._unsettled.released.add(publication.id)
                continue
            number, size = number - 1, size - len(publication.body)
            self._push(LeasedPublication(until, publication))

    def fill(self, channel: int, now: float) -> tuple[list[Publication], list[Attempt]]:
        """Returns what to send now, up to the limits in flight, and what is given up instead.

        Publications that another worker may have leased by now are dropped.
        """
        at_most = 1 if self._suspects else self._limits.in_flight
        ready: list[Publication] = []
        barred: list[Attempt] = []
        while self._waiting and self.in_flight.has_room(leased := self._waiting[0], at_most):
            self._pop()
            publication = leased.publication
            if leased.until <= now:
                self._suspects.discard(publication.id)
            elif self._policy.is_barred(publication, now):
                self._suspects.discard(publication.id)
                self._unsettled.confirmed[publication.id] = leased.until
                reason = "its queue is barred for a while"
                barred.append(Attempt(publication, PublishResult.UNPUBLISHABLE, None, reason))
            else:
                self.in_flight.add(leased, channel, now)
                ready.append(publication)
        return ready, barred

    def apply_results(self, reports: Sequence[Report], now: float, retry_at_once: Callable[[], bool]) -> list[Attempt]:
        """Apply each result to its publication; `retry_at_once`: whether unroutable publications are sent again now."""
        attempts: list[Attempt] = []
        for publication, result, reason in reports:
            row_id = publication.id
            leased = self.in_flight.pop(row_id, now)
            self._suspects.discard(row_id)
            if result is PublishResult.CONFIRMED:
                if leased is None:
                    # It was given up before but is confirmed after all: not retrying it avoids a duplicate.
                    self._unsettled.quarantined.pop(row_id, None)
                self._unsettled.confirmed[row_id] = leased.until if leased else now
                attempts.append(Attempt(publication, result))
            elif leased is not None:
                attempts.append(self._fail(leased, result, now, reason))
                if result is PublishResult.UNROUTABLE and retry_at_once():
                    self._unsettled.quarantined.pop(row_id)
                    self._push(leased)
        return attempts

    def fail_unconfirmed(self, unconfirmed: Iterable[LeasedPublication], now: float) -> list[Attempt]:
        """Quarantine what was in flight and is not waited for any longer; it is retried later."""
        return [self._fail(leased, PublishResult.UNCONFIRMED, now) for leased in unconfirmed]

    def take_back(self, fault: Fault, now: float, reason: str, *, all_suspect: bool) -> list[Attempt]:
        """The channel ended: what was in flight is sent again, unless it was a single publication that is at fault.

        If there were several, each is a suspect. `all_suspect`: even if the channel ended without a fault of theirs.
        """
        returned = self.in_flight.clear()
        if fault is Fault.ALL and all_suspect:
            self._policy.bar_all(now)
        is_suspect = fault is Fault.ONE or (all_suspect and fault is Fault.NONE)
        if is_suspect and len(returned) == 1:
            result = PublishResult.UNPUBLISHABLE if fault is Fault.ONE else PublishResult.UNCONFIRMED
            return [self._fail(returned[0], result, now, reason)]
        if is_suspect:
            self._suspects.update(leased.publication.id for leased in returned)
        for leased in reversed(returned):
            self._waiting.appendleft(leased)
            self._waiting_bytes += leased.size
        return []

    def _fail(self, leased: LeasedPublication, result: PublishResult, now: float, reason: str = "") -> Attempt:
        publication = leased.publication
        self._suspects.discard(publication.id)
        pause = self._policy.next_pause(publication, result, now)
        if pause is None:
            self._unsettled.confirmed[publication.id] = leased.until
        else:
            self._unsettled.quarantined[publication.id] = Quarantine(pause, leased.until)
        return Attempt(publication, result, pause, reason)

    def _push(self, leased: LeasedPublication) -> None:
        self._waiting.append(leased)
        self._waiting_bytes += leased.size

    def _pop(self) -> None:
        self._waiting_bytes -= self._waiting.popleft().size
