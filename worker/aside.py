"""Messages of sources that are locked: held back, unacknowledged, in order, until their source is free again."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice, takewhile

from worker.batches import LOCK_SECONDS
from worker.channels import Delivery
from worker.inbox import Inbox, first_batch, lane, weight
from worker.status import Status

PART = "locks"
ASIDE_BYTES = 32 * 1024 * 1024
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0
PATIENCE = 0.2
"""Waiting for locks as part of the pauses between: meanwhile all others wait."""
NAMED = 5
NO_SOURCE = ""


@dataclass(slots=True)
class Line:
    """What waits of one source, since when, and when to try again."""

    since: float = field(default_factory=time.monotonic)
    pause: float = FIRST_PAUSE_SECONDS
    due: float = field(default_factory=lambda: time.monotonic() + FIRST_PAUSE_SECONDS)
    deliveries: deque[Delivery] = field(default_factory=deque)


class Aside:
    """What one channel's consumer holds back, by source; up to `most` messages and ASIDE_BYTES."""

    def __init__(self, most: int, status: Status) -> None:
        self._most, self._status = most, status
        self._lines: dict[str, Line] = {}
        self._tags: set[int | None] = set()
        self._weight = 0
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
        return len(self._tags) > self._most * part or self._weight > ASIDE_BYTES * part

    def add(self, source: str | None, delivery: Delivery) -> None:
        """Hold a delivery back, behind the others of its source."""
        code = source or NO_SOURCE
        self._status.aside.labels(code).inc()
        self._lines.setdefault(code, Line()).deliveries.append(delivery)
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
        """How long to wait for its locks: longer each time, so that it comes to its turn where many want them."""
        return min(LOCK_SECONDS, self._lines[source].pause * PATIENCE)

    def tried(self, source: str, inbox: Inbox) -> None:
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
            self._status.aside.remove(source)

    def clear(self) -> None:
        """Hold nothing: the channel is gone."""
        for source in self._lines:
            self._status.aside.remove(source)
        self._lines, self._tags, self._weight = {}, set(), 0
        self._status.clear_detail(PART)

    def say(self) -> None:
        """Tell readiness and metrics."""
        for source, line in self._lines.items():
            self._status.aside.labels(source).set(len(line.deliveries))
        if self._lines:
            self._status.set_detail(PART, self.in_words())
        else:
            self._status.clear_detail(PART)

    def in_words(self) -> str:
        """Which sources are locked, for how long, and how many messages wait."""
        now, lines = time.monotonic(), sorted(self._lines.items(), key=lambda item: item[1].since)
        named = [
            f"{source or 'no source'} ({len(line.deliveries)} messages for {now - line.since:.0f} s)"
            for source, line in lines[:NAMED]
        ]
        more = f" and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
        return f"locked by somebody else's transaction: {', '.join(named)}{more}"
