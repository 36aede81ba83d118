"""Messages of locked sources: set aside, unacknowledged, in order, until their source is free."""

import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile

from worker.broker.aiormq_channels import Delivery
from worker.consume.batch_committer import LOCK_SECONDS, QUEUE_SECONDS
from worker.consume.delivery_buffer import DeliveryBuffer, first_batch, risk, weight
from worker.metrics import Metrics
from worker.readiness import Readiness

PART = "locks"
MAX_HELD_BYTES = 32 * 1024 * 1024
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0
PATIENCE = 0.2
"""Lock timeout as a fraction of the pause between attempts: all other sources wait meanwhile."""
TRY_EVERY_SECONDS = 2.0
"""How often one source that seems locked is tried anyway while others wait."""
NAMED = 5
NO_SOURCE = ""


@dataclass(slots=True)
class LockedSource:
    """Deliveries of one source, since when they wait, and when to retry.

    `is_kept`: whether one transaction keeps it locked, as far as is known; else many take turns with it.
    """

    since: float = field(default_factory=time.monotonic)
    pause: float = FIRST_PAUSE_SECONDS
    due: float = field(default_factory=lambda: time.monotonic() + FIRST_PAUSE_SECONDS)
    is_kept: bool = True
    tried_at: float = 0.0
    deliveries: deque[Delivery] = field(default_factory=deque)


class LockedSources:
    """Deliveries of one channel that are set aside, by source; up to `most` messages and MAX_HELD_BYTES."""

    def __init__(self, most: int, readiness: Readiness, metrics: Metrics) -> None:
        self._most, self._readiness, self._metrics = most, readiness, metrics
        self._sources: dict[str, LockedSource] = {}
        self._tags: set[int | None] = set()
        self._weight = 0
        self._last_try_anyway = 0.0
        self.added = 0
        """How many deliveries were ever added."""

    def __len__(self) -> int:
        return len(self._tags)

    def holds(self, delivery: Delivery) -> bool:
        """Whether the delivery is set aside."""
        return delivery.delivery_tag in self._tags

    def has(self, source: str | None) -> bool:
        """Whether messages of this source wait, so that later ones have to wait behind them."""
        return source in self._sources

    def is_over(self, fraction: float) -> bool:
        """Whether it is filled by more than this fraction of its capacity."""
        return len(self._tags) > self._most * fraction or self._weight > MAX_HELD_BYTES * fraction

    def add(self, source: str | None, delivery: Delivery) -> None:
        """Set a delivery aside, behind the others of its source."""
        code = source or NO_SOURCE
        self._metrics.locked_messages.labels(code).inc()
        self._sources.setdefault(code, LockedSource()).deliveries.append(delivery)
        self._tags.add(delivery.delivery_tag)
        self._weight += weight(delivery)
        self.added += 1

    def due(self) -> list[str]:
        """Sources to retry now, the longest due first."""
        now = time.monotonic()
        return sorted((s for s, entry in self._sources.items() if entry.due <= now), key=lambda s: self._sources[s].due)

    def next_seconds(self) -> float | None:
        """Seconds until the next source is due; None if nothing is set aside."""
        soonest = min((entry.due for entry in self._sources.values()), default=None)
        return None if soonest is None else max(0.0, soonest - time.monotonic())

    def first(self, source: str, batch_sizes: Mapping[int, int]) -> list[Delivery]:
        """The oldest deliveries of a source, as many as make a batch of the first one's risk class."""
        waiting = self._sources[source].deliveries
        first_risk = risk(waiting[0])
        of_same_risk = list(
            islice(takewhile(lambda delivery: risk(delivery) == first_risk, waiting), batch_sizes[first_risk])
        )
        return of_same_risk[: first_batch(of_same_risk, batch_sizes[first_risk])]

    def patience(self, source: str) -> float:
        """How long to wait for a source's locks: long enough to get its turn, unless one transaction keeps them."""
        entry = self._sources[source]
        return min(LOCK_SECONDS, entry.pause * PATIENCE) if entry.is_kept else max(QUEUE_SECONDS)

    def kept_locked(self, sources: Collection[str]) -> list[str]:
        """Those of the sources that one transaction keeps locked, as far as is known."""
        return [source for source in sources if self._sources[source].is_kept]

    def pick_to_try_anyway(self, due: Sequence[str], locked: Collection[str], *, others_wait: bool) -> set[str]:
        """One of the locked sources, to be tried anyway; none if others wait and one was tried recently."""
        now, seem_locked = time.monotonic(), [source for source in due if source in locked]
        if not seem_locked or (others_wait and now - self._last_try_anyway < TRY_EVERY_SECONDS):
            return set()
        self._last_try_anyway = now
        chosen = min(seem_locked, key=lambda source: self._sources[source].tried_at)
        self._sources[chosen].tried_at = now
        return {chosen}

    def note_locked(self, source: str, held: bool | None) -> None:
        """An attempt found the source locked. `held`: whether the lock is held for long; None if not known."""
        if held is not None:
            self._sources[source].is_kept = held

    def note_tried(self, source: str, buffer: DeliveryBuffer) -> None:
        """Forget acknowledged deliveries; if there are none, the next attempt comes later."""
        entry, now = self._sources[source], time.monotonic()
        settled = [delivery for delivery in entry.deliveries if not buffer.is_unsettled(delivery)]
        self._tags.difference_update(delivery.delivery_tag for delivery in settled)
        self._weight -= sum(map(weight, settled))
        entry.deliveries = deque(delivery for delivery in entry.deliveries if buffer.is_unsettled(delivery))
        entry.pause = FIRST_PAUSE_SECONDS if settled else min(entry.pause * 2, LONGEST_PAUSE_SECONDS)
        entry.due = now if settled else now + entry.pause
        if not entry.deliveries:
            del self._sources[source]
            self._metrics.locked_messages.remove(source)

    def clear(self) -> None:
        """Forget everything: the channel is closed."""
        for source in self._sources:
            self._metrics.locked_messages.remove(source)
        self._sources, self._tags, self._weight = {}, set(), 0
        self._readiness.set_detail(PART, "")

    def report(self) -> None:
        """Update the readiness detail and metrics."""
        for source, entry in self._sources.items():
            self._metrics.locked_messages.labels(source).set(len(entry.deliveries))
        self._readiness.set_detail(PART, self.in_words() if self._sources else "")

    def in_words(self) -> str:
        """Which sources are locked, for how long, and how many messages wait."""
        now, entries = time.monotonic(), sorted(self._sources.items(), key=lambda item: item[1].since)
        named = [
            f"{source or 'no source'} ({len(entry.deliveries)} messages for {now - entry.since:.0f} s)"
            for source, entry in entries[:NAMED]
        ]
        more = f" and {len(entries) - NAMED} more" if len(entries) > NAMED else ""
        return f"locked by another transaction: {', '.join(named)}{more}"
