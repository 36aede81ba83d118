"""What is on its way to the broker: how much at once, and what has waited too long for its confirmation.

A publication whose confirmation does not come, although another that left later has its own, is overtaken: one of its
queues cannot answer. It stops counting against the window and is given up after a while. While nothing at all is
confirmed nobody is overtaken: then it is the broker or the connection. Plain state; moments are of the monotonic clock.
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

    `silence_is_loss`: whether the connection is given up once it confirmed nothing for `confirm_seconds`; else only
    what is in flight is.
    """

    kind: Kind
    in_flight: int
    bytes_in_flight: int
    held: int
    bytes_held: int
    confirm_seconds: float
    look_seconds: float
    silence_is_loss: bool


EVENTS = LaneLimits(Kind.EVENT, 200, 4 * MIB, 2_000, 16 * MIB, 30.0, 0.05, silence_is_loss=True)
RETRIES = LaneLimits(Kind.RETRY, 50, 2 * MIB, 200, 4 * MIB, 5.0, 1.0, silence_is_loss=False)
REPLIES = LaneLimits(Kind.REPLY, 100, 2 * MIB, 1_000, 4 * MIB, 5.0, 1.0, silence_is_loss=False)


@dataclass(slots=True)
class LeasedPublication:
    """A publication that surely is ours until a moment."""

    until: float
    publication: Publication

    @property
    def size(self) -> int:
        """Bytes of its body."""
        return len(self.publication.body)


@dataclass(slots=True)
class InFlightPublication:
    """A publication that was sent at a moment, as the how-manieth, over a channel of a number."""

    held: LeasedPublication
    since: float
    number: int
    channel: int


class InFlight:
    """Everything in flight over one connection, in the order in which it was sent."""

    def __init__(self, terms: LaneLimits) -> None:
        self._terms = terms
        self._recent: dict[UUID, InFlightPublication] = {}
        self._overtaken: dict[UUID, InFlightPublication] = {}
        self._bytes = self._overtaken_bytes = 0
        self._sent = self._landed = 0
        self._heard_at = self._resumed_at = float("-inf")

    def __len__(self) -> int:
        return len(self._recent)

    def __contains__(self, publication_id: UUID) -> bool:
        return publication_id in self._recent or publication_id in self._overtaken

    def all(self) -> list[LeasedPublication]:
        """Everything in flight."""
        return [flight.held for flights in (self._overtaken, self._recent) for flight in flights.values()]

    def has_room(self, held: LeasedPublication, at_most: int) -> bool:
        """Whether one more may be sent; one alone always may, whatever its size."""
        fits = len(self._recent) < at_most and self._bytes + held.size <= self._terms.bytes_in_flight
        return fits or not self._recent

    def take_off(self, held: LeasedPublication, channel: int, now: float) -> None:
        """It was sent."""
        self._sent += 1
        self._recent[held.publication.id] = InFlightPublication(held, now, self._sent, channel)
        self._bytes += held.size

    def land(self, publication_id: UUID, now: float) -> LeasedPublication | None:
        """The broker said something of it; None if it was given up before."""
        self._heard_at = now
        flight = self._recent.pop(publication_id, None)
        if flight is not None:
            self._bytes -= flight.held.size
            self._landed = max(self._landed, flight.number)
            return flight.held
        flight = self._overtaken.pop(publication_id, None)
        if flight is None:
            return None
        self._overtaken_bytes -= flight.held.size
        return flight.held

    def resume(self, now: float) -> None:
        """Until now the broker took nothing, for an alarm: what is in flight has waited since now."""
        self._resumed_at = now

    def take_unconfirmed(self, now: float) -> list[LeasedPublication]:
        """Take out what has waited too long."""
        self._move_overtaken(now)
        too_many = len(self._overtaken) > OVERTAKEN_AT_MOST or self._overtaken_bytes > self._terms.bytes_in_flight
        given_up = []
        if too_many or self._is_late(self._overtaken, now):
            # All of them: their channel is left with them, so that few are opened.
            given_up = [flight.held for flight in self._overtaken.values()]
            self._overtaken, self._overtaken_bytes = {}, 0
        if not self._terms.silence_is_loss and self._is_late(self._recent, now):
            given_up += [flight.held for flight in self._recent.values()]
            self._recent, self._bytes = {}, 0
        return given_up

    def leave_channels_before(self, channel: int) -> list[LeasedPublication]:
        """Take out what is in flight over channels that are about to be closed."""
        left = [flight.held for flight in self._recent.values() if flight.channel < channel]
        for held in left:
            self._bytes -= held.size
            del self._recent[held.publication.id]
        return left

    def is_silent(self, now: float) -> bool:
        """Whether the broker takes publications and says nothing of any of them."""
        if not self._terms.silence_is_loss or not self._recent:
            return False
        since = next(iter(self._recent.values())).since
        return now > max(since, self._heard_at, self._resumed_at) + self._terms.confirm_seconds

    def clear(self) -> list[LeasedPublication]:
        """Take everything out, in the order in which it was sent."""
        home = self.all()
        self._recent, self._overtaken = {}, {}
        self._bytes = self._overtaken_bytes = 0
        self._heard_at = self._resumed_at = float("-inf")
        return home

    def _move_overtaken(self, now: float) -> None:
        while self._recent:
            publication_id, flight = next(iter(self._recent.items()))
            if flight.number > self._landed or now < max(flight.since, self._resumed_at) + OVERTAKEN_SECONDS:
                return
            del self._recent[publication_id]
            self._overtaken[publication_id] = flight
            self._bytes -= flight.held.size
            self._overtaken_bytes += flight.held.size

    def _is_late(self, flights: dict[UUID, InFlightPublication], now: float) -> bool:
        if not flights:
            return False
        since = next(iter(flights.values())).since
        return now > max(since, self._resumed_at) + self._terms.confirm_seconds
