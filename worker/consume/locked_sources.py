"""Messages of sources that are locked: held back, unacknowledged, in order, until their source is free again."""

import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile

from worker.broker.channels import Delivery
from worker.consume.batch_processor import LOCK_SECONDS, QUEUE_SECONDS
from worker.consume.delivery_buffer import DeliveryBuffer, first_batch, lane, weight
from worker.metrics import Metrics
from worker.readiness import Readiness

PART = "locks"
MAX_HELD_BYTES = 32 * 1024 * 1024
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0
PATIENCE = 0.2
"""Waiting for locks as part of the pauses between: meanwhile all others wait."""
TRY_EVERY_SECONDS = 2.0
"""How often one source that seems locked is tried all the same while others wait."""
NAMED = 5
NO_SOURCE = ""


@dataclass(slots=True)
class LockedSource:
    """What waits of one source, since when, and when to try again.

    `is_kept`: whether somebody keeps it locked, as far as is known; else many take turns with it.
    """

    since: float = field(default_factory=time.monotonic)
    pause: float = FIRST_PAUSE_SECONDS
    due: float = field(default_factory=lambda: time.monotonic() + FIRST_PAUSE_SECONDS)
    is_kept: bool = True
    tried_at: float = 0.0
    deliveries: deque[Delivery] = field(default_factory=deque)


class LockedSources:
    """What one channel's consumer holds back, by source; up to `most` messages and MAX_HELD_BYTES."""

    def __init__(self, most: int, readiness: Readiness, metrics: Metrics) -> None:
        self._most, self._readiness, self._metrics = most, readiness, metrics
        self._lines: dict[str, LockedSource] = {}
        self._tags: set[int | None] = set()
        self._weight = 0
        self._tried_all_the_same = 0.0
        self.added = 0
        """How many were ever added."""

    def __len__(self) -> int:
        return len(self._tags)

    def holds(self, delivery: Delivery) -> bool:
        """Whether a delivery is here."""
        return delivery.delivery_tag in self._tags

    def has(self, source: str | None) -> bool:
        """Whether messages of this source wait, so that later ones have to wait behind them."""
        return source in self._lines

    def is_over(self, part: float) -> bool:
        """Whether it is filled by more than this part of what it may hold."""
        return len(self._tags) > self._most * part or self._weight > MAX_HELD_BYTES * part

    def add(self, source: str | None, delivery: Delivery) -> None:
        """Hold a delivery back, behind the others of its source."""
        code = source or NO_SOURCE
        self._metrics.aside.labels(code).inc()
        self._lines.setdefault(code, LockedSource()).deliveries.append(delivery)
        self._tags.add(delivery.delivery_tag)
        self._weight += weight(delivery)
        self.added += 1

    def due(self) -> list[str]:
        """Sources to try again now, the longest due first."""
        now = time.monotonic()
        return sorted((s for s, line in self._lines.items() if line.due <= now), key=lambda s: self._lines[s].due)

    def next_seconds(self) -> float | None:
        """How long until the next one is due; None while nothing is held back."""
        soonest = min((line.due for line in self._lines.values()), default=None)
        return None if soonest is None else max(0.0, soonest - time.monotonic())

    def first(self, source: str, together: Mapping[int, int]) -> list[Delivery]:
        """The oldest of a source, as many as make a batch of the first one's lane."""
        waiting = self._lines[source].deliveries
        of = lane(waiting[0])
        alike = list(islice(takewhile(lambda delivery: lane(delivery) == of, waiting), together[of]))
        return alike[: first_batch(alike, together[of])]

    def patience(self, source: str) -> float:
        """How long to wait for its locks: as long as it takes to get its turn, unless somebody keeps them."""
        line = self._lines[source]
        return min(LOCK_SECONDS, line.pause * PATIENCE) if line.is_kept else max(QUEUE_SECONDS)

    def kept_locked(self, sources: Collection[str]) -> list[str]:
        """Those of the sources that somebody keeps locked, as far as is known."""
        return [source for source in sources if self._lines[source].is_kept]

    def to_try_all_the_same(self, due: Sequence[str], locked: Collection[str], *, others_wait: bool) -> set[str]:
        """One of the locked, to be tried; none while others wait and one was tried a moment ago."""
        now, seem_locked = time.monotonic(), [source for source in due if source in locked]
        if not seem_locked or (others_wait and now - self._tried_all_the_same < TRY_EVERY_SECONDS):
            return set()
        self._tried_all_the_same = now
        chosen = min(seem_locked, key=lambda source: self._lines[source].tried_at)
        self._lines[chosen].tried_at = now
        return {chosen}

    def was_locked(self, source: str, held: bool | None) -> None:
        """A try found it locked, held long by somebody or not; None: it is not known."""
        if held is not None:
            self._lines[source].is_kept = held

    def tried(self, source: str, inbox: DeliveryBuffer) -> None:
        """Let go what is settled by now; if that is nothing, the next try comes later."""
        line, now = self._lines[source], time.monotonic()
        settled = [delivery for delivery in line.deliveries if not inbox.owes(delivery)]
        self._tags.difference_update(delivery.delivery_tag for delivery in settled)
        self._weight -= sum(map(weight, settled))
        line.deliveries = deque(delivery for delivery in line.deliveries if inbox.owes(delivery))
        line.pause = FIRST_PAUSE_SECONDS if settled else min(line.pause * 2, LONGEST_PAUSE_SECONDS)
        line.due = now if settled else now + line.pause
        if not line.deliveries:
            del self._lines[source]
            self._metrics.aside.remove(source)

    def clear(self) -> None:
        """Hold nothing: the channel is gone."""
        for source in self._lines:
            self._metrics.aside.remove(source)
        self._lines, self._tags, self._weight = {}, set(), 0
        self._readiness.clear_detail(PART)

    def say(self) -> None:
        """Tell readiness and metrics."""
        for source, line in self._lines.items():
            self._metrics.aside.labels(source).set(len(line.deliveries))
        if self._lines:
            self._readiness.set_detail(PART, self.in_words())
        else:
            self._readiness.clear_detail(PART)

    def in_words(self) -> str:
        """Which sources are locked, for how long, and how many messages wait."""
        now, lines = time.monotonic(), sorted(self._lines.items(), key=lambda item: item[1].since)
        named = [
            f"{source or 'no source'} ({len(line.deliveries)} messages for {now - line.since:.0f} s)"
            for source, line in lines[:NAMED]
        ]
        more = f" and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
        return f"locked by somebody else's transaction: {', '.join(named)}{more}"
