"""Publications that were sent and have no result yet: their bounds, and which of them are overdue.

A publication is overtaken once one that was sent later is confirmed before it: one of its queues does not respond. It
stops counting against the bounds and is given up after a while. While nothing at all is confirmed, nothing is
overtaken: then the broker or the connection is at fault. Plain state; times are of the monotonic clock.
"""

from dataclasses import dataclass
from uuid import UUID

from distribution.store.outbox import Kind, Publication

OVERTAKEN_SECONDS = 2.0
OVERTAKEN_AT_MOST = 500
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """Bounds of one kind of publications: in flight and in memory, by number and by bytes of bodies.

    `silence_is_loss`: whether the connection is given up if it confirms nothing for `confirm_seconds`; else only what
    is in flight is given up.
    """

    kind: Kind
    in_flight: int
    bytes_in_flight: int
    buffered: int
    bytes_buffered: int
    confirm_seconds: float
    look_seconds: float
    silence_is_loss: bool


EVENTS = LaneLimits(Kind.EVENT, 200, 4 * MIB, 2_000, 16 * MIB, 30.0, 0.05, silence_is_loss=True)
RETRIES = LaneLimits(Kind.RETRY, 50, 2 * MIB, 200, 4 * MIB, 5.0, 1.0, silence_is_loss=False)
REPLIES = LaneLimits(Kind.REPLY, 100, 2 * MIB, 1_000, 4 * MIB, 5.0, 1.0, silence_is_loss=False)


@dataclass(slots=True)
class LeasedPublication:
    """A publication whose lease is ours at least until `until`."""

    until: float
    publication: Publication

    @property
    def size(self) -> int:
        """Bytes of its body."""
        return len(self.publication.body)


@dataclass(slots=True)
class InFlightPublication:
    """A publication that was sent at `since`, with its position in the order of sending and its channel number."""

    leased: LeasedPublication
    since: float
    number: int
    channel: int


class InFlight:
    """Everything in flight over one connection, in the order in which it was sent."""

    def __init__(self, limits: LaneLimits) -> None:
        self._limits = limits
        self._recent: dict[UUID, InFlightPublication] = {}
        self._overtaken: dict[UUID, InFlightPublication] = {}
        self._bytes = 0
        self._sent = self._last_answered = 0
        self._answered_at = self._unblocked_at = float("-inf")

    def __len__(self) -> int:
        return len(self._recent)

    def __contains__(self, publication_id: UUID) -> bool:
        return publication_id in self._recent or publication_id in self._overtaken

    def all(self) -> list[LeasedPublication]:
        """Everything in flight."""
        return [sent.leased for group in (self._overtaken, self._recent) for sent in group.values()]

    def has_room(self, leased: LeasedPublication, at_most: int) -> bool:
        """Whether one more may be sent; one alone always may, whatever its size."""
        fits = len(self._recent) < at_most and self._bytes + leased.size <= self._limits.bytes_in_flight
        return fits or not self._recent

    def add(self, leased: LeasedPublication, channel: int, now: float) -> None:
        """Record that it is sent over a channel."""
        self._sent += 1
        self._recent[leased.publication.id] = InFlightPublication(leased, now, self._sent, channel)
        self._bytes += leased.size

    def pop(self, publication_id: UUID, now: float) -> LeasedPublication | None:
        """Remove a publication that has a result; None if it was given up before."""
        self._answered_at = now
        sent = self._recent.pop(publication_id, None)
        if sent is not None:
            self._bytes -= sent.leased.size
            self._last_answered = max(self._last_answered, sent.number)
            return sent.leased
        sent = self._overtaken.pop(publication_id, None)
        return None if sent is None else sent.leased

    def note_blocked(self, now: float) -> None:
        """The broker has an alarm and accepts nothing: timeouts count from now on."""
        self._unblocked_at = now

    def pop_overdue(self, now: float) -> list[LeasedPublication]:
        """Remove what has waited too long for its confirmation."""
        self._move_overtaken(now)
        overtaken_bytes = sum(sent.leased.size for sent in self._overtaken.values())
        too_many = len(self._overtaken) > OVERTAKEN_AT_MOST or overtaken_bytes > self._limits.bytes_in_flight
        given_up = []
        if too_many or self._is_late(self._overtaken, now):
            # All of them: they share the channel change, so that few channels are opened.
            given_up = [sent.leased for sent in self._overtaken.values()]
            self._overtaken = {}
        if not self._limits.silence_is_loss and self._is_late(self._recent, now):
            given_up += [sent.leased for sent in self._recent.values()]
            self._recent, self._bytes = {}, 0
        return given_up

    def pop_channels_before(self, channel: int) -> list[LeasedPublication]:
        """Remove what is in flight over channels that are about to be closed."""
        left = [sent.leased for sent in self._recent.values() if sent.channel < channel]
        for leased in left:
            self._bytes -= leased.size
            del self._recent[leased.publication.id]
        return left

    def is_silent(self, now: float) -> bool:
        """Whether the broker accepts publications but reports a result for none of them."""
        if not self._limits.silence_is_loss or not self._recent:
            return False
        since = next(iter(self._recent.values())).since
        return now > max(since, self._answered_at, self._unblocked_at) + self._limits.confirm_seconds

    def clear(self) -> list[LeasedPublication]:
        """Remove and return everything, in the order of sending."""
        everything = self.all()
        self._recent, self._overtaken = {}, {}
        self._bytes = 0
        self._answered_at = self._unblocked_at = float("-inf")
        return everything

    def _move_overtaken(self, now: float) -> None:
        while self._recent:
            publication_id, sent = next(iter(self._recent.items()))
            if sent.number > self._last_answered or now < max(sent.since, self._unblocked_at) + OVERTAKEN_SECONDS:
                return
            del self._recent[publication_id]
            self._overtaken[publication_id] = sent
            self._bytes -= sent.leased.size

    def _is_late(self, publications: dict[UUID, InFlightPublication], now: float) -> bool:
        if not publications:
            return False
        since = next(iter(publications.values())).since
        return now > max(since, self._unblocked_at) + self._limits.confirm_seconds
