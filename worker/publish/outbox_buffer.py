"""What a lane of the relay has in hand, and what is decided about each publication. Plain state, no I/O."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from distribution.store.outbox import Publication
from worker.publish.fault_attribution import Fault
from worker.publish.in_flight import InFlight, LaneLimits, LeasedPublication
from worker.publish.publisher import Landed, News
from worker.publish.retry_policy import Failure, RetryPolicy

FAILURES = {
    Landed.REFUSED: Failure.REFUSED,
    Landed.UNROUTABLE: Failure.UNROUTABLE,
    Landed.UNSENDABLE: Failure.UNPUBLISHABLE,
}


class Event(NamedTuple):
    """What became of a publication, for metrics and the log: `failure` None is confirmed; `pause` None given up."""

    publication: Publication
    failure: Failure | None
    pause: float | None = None
    why: str = ""


@dataclass(slots=True)
class Unsettled:
    """What the database does not know yet: ids to be deleted, to be set aside for a pause, to be released.

    Until it does they are ours, until a moment each. `leaving`: those that the batch at work deletes. `locked`: those
    that could not be deleted, since somebody else has them locked.
    """

    done: dict[UUID, float] = field(default_factory=dict)
    leaving: dict[UUID, float] = field(default_factory=dict)
    locked: dict[UUID, float] = field(default_factory=dict)
    aside: dict[UUID, tuple[float, float]] = field(default_factory=dict)
    released: set[UUID] = field(default_factory=set)

    def __contains__(self, publication_id: UUID) -> bool:
        all_ids = (self.done, self.leaving, self.locked, self.aside, self.released)
        return any(publication_id in ids for ids in all_ids)

    def leases(self) -> Iterator[tuple[UUID, float]]:
        """Each id that nobody else should publish, and until when it surely is ours."""
        yield from self.done.items()
        yield from self.leaving.items()
        yield from self.locked.items()
        yield from ((publication_id, until) for publication_id, (_, until) in self.aside.items())

    def renewed(self, ids: Iterable[UUID], until: float) -> None:
        """These are ours for longer."""
        for publication_id in ids:
            for ids in (self.done, self.leaving, self.locked):
                if publication_id in ids:
                    ids[publication_id] = until
            if publication_id in self.aside:
                self.aside[publication_id] = self.aside[publication_id][0], until

    def take_done(self) -> dict[UUID, float]:
        """What is to be deleted; the taker does it, or puts it back: no two ever delete the same rows."""
        done, self.done = self.done, {}
        return done

    def take_locked(self) -> dict[UUID, float]:
        """Likewise what was locked when it was to be deleted; do not wait for it."""
        locked, self.locked = self.locked, {}
        return locked

    def take_aside(self) -> dict[UUID, tuple[float, float]]:
        """What is to be set aside; likewise."""
        aside, self.aside = self.aside, {}
        return aside

    def take_released(self) -> set[UUID]:
        """What is to be released; likewise."""
        released, self.released = self.released, set()
        return released

    def put_back(self, done: dict[UUID, float], aside: dict[UUID, tuple[float, float]], released: set[UUID]) -> None:
        """What was taken could not be settled. What was confirmed meanwhile is not set aside any more."""
        self.done |= done
        self.aside |= {publication_id: of for publication_id, of in aside.items() if publication_id not in self.done}
        self.released |= released


class OutboxBuffer:
    """Publications of one kind: waiting, in flight, done with; it outlives connections.

    `suspects` were in flight when the broker ended the channel for one of them: they go one by one until the culprit
    is found.
    """

    def __init__(self, terms: LaneLimits, tries: RetryPolicy, unsettled: Unsettled) -> None:
        self._terms, self._tries, self._unsettled = terms, tries, unsettled
        self._waiting: deque[LeasedPublication] = deque()
        self._waiting_bytes = 0
        self._suspects: set[UUID] = set()
        self.flights = InFlight(terms)

    def __contains__(self, publication_id: UUID) -> bool:
        return publication_id in self.flights or any(h.publication.id == publication_id for h in self._waiting)

    @property
    def waits(self) -> bool:
        """Whether something is still to be sent."""
        return bool(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be sent, and nothing is in flight but what was overtaken."""
        return not self._waiting and not self.flights

    @property
    def room(self) -> tuple[int, int]:
        """How many more may be added, and how many bytes."""
        return self._terms.held - len(self._waiting), self._terms.bytes_held - self._waiting_bytes

    def all(self) -> list[LeasedPublication]:
        """Everything that waits or is in flight."""
        return [*self._waiting, *self.flights.all()]

    def add(self, publications: Iterable[Publication], until: float) -> None:
        """Take publications that are ours until then; those for which there is no room are released."""
        number, size = self.room
        for publication in publications:
            if number <= 0 or size <= 0:
                self._unsettled.released.add(publication.id)
                continue
            number, size = number - 1, size - len(publication.body)
            self._push(LeasedPublication(until, publication))

    def take_off(self, channel: int, now: float) -> tuple[list[Publication], list[Event]]:
        """What to send now, and what is given up instead. What may be somebody else's by now is let go."""
        at_most = 1 if self._suspects else self._terms.in_flight
        ready: list[Publication] = []
        barred: list[Event] = []
        while self._waiting and self.flights.has_room(held := self._waiting[0], at_most):
            self._pop()
            publication = held.publication
            if held.until <= now:
                self._suspects.discard(publication.id)
            elif self._tries.is_barred(publication, now):
                self._suspects.discard(publication.id)
                self._unsettled.done[publication.id] = held.until
                barred.append(Event(publication, Failure.UNPUBLISHABLE, None, "its queue is barred for a while"))
            else:
                self.flights.take_off(held, channel, now)
                ready.append(publication)
        return ready, barred

    def land(self, news: Sequence[News], now: float, again: Callable[[], bool]) -> list[Event]:
        """Note what became of each; `again`: whether what no queue took can be tried again at once."""
        events: list[Event] = []
        for publication, landed, why in news:
            held = self.flights.land(publication.id, now)
            self._suspects.discard(publication.id)
            if landed is Landed.CONFIRMED:
                if held is None:
                    # It was given up before, and is confirmed all the same: that saves a copy.
                    self._unsettled.aside.pop(publication.id, None)
                self._unsettled.done[publication.id] = held.until if held else now
                events.append(Event(publication, None))
            elif held is not None:
                failure = FAILURES[landed]
                events.append(self._failed(held, failure, now, why))
                if failure is Failure.UNROUTABLE and again():
                    self._unsettled.aside.pop(publication.id)
                    self._push(held)
        return events

    def take_unconfirmed(self, now: float) -> list[Event]:
        """What has waited too long for its confirmation is tried later, by itself."""
        return [self._failed(held, Failure.UNCONFIRMED, now) for held in self.flights.take_unconfirmed(now)]

    def leave_channels_before(self, channel: int, now: float) -> list[Event]:
        """Likewise what is in flight over channels that are about to be closed."""
        left = self.flights.leave_channels_before(channel)
        return [self._failed(held, Failure.UNCONFIRMED, now) for held in left]

    def silent(self, now: float) -> list[Event]:
        """The connection is to be given up because it confirms nothing; nobody knows what became of these."""
        return [self._failed(held, Failure.UNCONFIRMED, now) for held in self.flights.clear()]

    def bring_home(self, blame: Fault, now: float, why: str, *, all_suspect: bool) -> list[Event]:
        """The channel ended. What flew alone is to blame; of several each is a suspect; else all wait again.

        `all_suspect`: whether any end at all makes them suspects, also one for which nobody is blamed.
        """
        flown = self.flights.clear()
        if blame is Fault.ALL and all_suspect:
            self._tries.bar_all(now)
        suspected = blame is Fault.ONE or (all_suspect and blame is Fault.NOBODY)
        if suspected and len(flown) == 1:
            failure = Failure.UNPUBLISHABLE if blame is Fault.ONE else Failure.UNCONFIRMED
            return [self._failed(flown[0], failure, now, why)]
        if suspected:
            self._suspects.update(held.publication.id for held in flown)
        for held in reversed(flown):
            self._waiting.appendleft(held)
            self._waiting_bytes += held.size
        return []

    def _failed(self, held: LeasedPublication, failure: Failure, now: float, why: str = "") -> Event:
        publication = held.publication
        self._suspects.discard(publication.id)
        pause = self._tries.next_pause(publication, failure, now)
        if pause is None:
            self._unsettled.done[publication.id] = held.until
        else:
            self._unsettled.aside[publication.id] = pause, held.until
        return Event(publication, failure, pause, why)

    def _push(self, held: LeasedPublication) -> None:
        self._waiting.append(held)
        self._waiting_bytes += held.size

    def _pop(self) -> None:
        self._waiting_bytes -= self._waiting.popleft().size
