"""Which times on the wall are within the hours, in whatever zone."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from heapq import heappop, heappush

from distribution.schedules.hours import DAY, DatedException, Hours

WEEKLY = -1
"""Instead of an exception's number: the day has the hours of its weekday."""
LAST_DAY = date.max.toordinal() - 7
"""Changes after it are not looked for: the moments around them cannot be computed with."""
Edges = tuple[int, ...]
"""The minutes of a day at which it opens, closes, opens and so on; a day that is open at its end lacks the last."""
STEADY: tuple[Edges, ...] = ((), (0,))
"""Closed all day, open all day."""


class LocalHours:
    """The hours of every day. Days are proleptic ordinals, as `date.toordinal` counts them."""

    def __init__(self, weekly: Sequence[Hours], exceptions: Sequence[DatedException]) -> None:
        self._hours = [*weekly, *(exception.hours for exception in exceptions)]
        self._begins, self._exceptions = _stretches(exceptions)
        self._known: dict[tuple[int, int], Edges] = {}
        days = {self._edges_of((weekday - 1) % 7, weekday) for weekday in range(7)}
        self._is_week_steady = len(days) == 1 and days.pop() in STEADY

    def is_open(self, wall: datetime) -> bool:
        """Whether a time on the wall is within the hours of its day, or of the day before."""
        return bisect_right(self._edges(wall.toordinal()), wall.hour * 60 + wall.minute) % 2 == 1

    def next_flip(self, wall: datetime) -> datetime | None:
        """The first later time on the wall at which that is otherwise, if no clock is changed; None: there is none."""
        day = wall.toordinal()
        edges = self._edges(day)
        passed = bisect_right(edges, wall.hour * 60 + wall.minute)
        while passed == len(edges):
            is_open = len(edges) % 2 == 1
            day = self._next_different(day)
            if day > LAST_DAY:
                return None
            edges = self._edges(day)
            if is_open and edges[:1] != (0,):
                return _at(day, 0)
            passed = 1 if is_open else 0
        return _at(day, edges[passed])

    def _next_different(self, day: int) -> int:
        """The next day, or the first after a stretch whose days are all closed, or all open, as this one is at its end.

        At its end no tail of the day before is left: a tail is over before the time of day at which its interval began.
        """
        stretch = bisect_right(self._begins, day) - 1
        if self._is_steady(self._exceptions[stretch]):
            return self._begins[stretch + 1] if stretch + 1 < len(self._begins) else LAST_DAY + 1
        return day + 1

    def _is_steady(self, exception: int) -> bool:
        if exception == WEEKLY:
            return self._is_week_steady
        return self._edges_of(exception + 7, exception + 7) in STEADY

    def _edges(self, day: int) -> Edges:
        return self._edges_of(self._hours_index(day - 1), self._hours_index(day))

    def _hours_index(self, day: int) -> int:
        exception = self._exceptions[bisect_right(self._begins, day) - 1]
        return (day + 6) % 7 if exception == WEEKLY else exception + 7

    def _edges_of(self, before: int, index: int) -> Edges:
        """The edges of a day, by its hours and those of the day before."""
        if (edges := self._known.get((before, index))) is None:
            tails = [(0, interval.stop - DAY) for interval in self._hours[before] if interval.stop > DAY]
            edges = _edges([*tails, *((start, min(DAY, end)) for start, end in _spans(self._hours[index]))])
            self._known[before, index] = edges
        return edges


def _spans(hours: Hours) -> list[tuple[int, int]]:
    return [(interval.start, interval.stop) for interval in hours]


def _edges(spans: list[tuple[int, int]]) -> Edges:
    """The edges of a union of spans, without the end of the day."""
    edges: list[int] = []
    for start, end in sorted(spans):
        if not edges or start > edges[-1]:
            edges += start, end
        else:
            edges[-1] = max(edges[-1], end)
    return tuple(edge for edge in edges if edge < DAY)


def _stretches(exceptions: Sequence[DatedException]) -> tuple[list[int], list[int]]:
    """The days, in order, from which another exception counts, and which: its number in the list, or WEEKLY."""
    beginning: dict[int, list[int]] = defaultdict(list, {0: []})
    for number, exception in enumerate(exceptions):
        beginning[exception.first.toordinal()].append(number)
        beginning.setdefault(exception.last.toordinal() + 1, [])
    covering: list[int] = []
    """A heap of negative numbers: the last in the list comes first."""
    counts = []
    for day in sorted(beginning):
        for number in beginning[day]:
            heappush(covering, -number)
        while covering and exceptions[-covering[0]].last.toordinal() < day:
            heappop(covering)
        counts.append(-covering[0] if covering else WEEKLY)
    return sorted(beginning), counts


def _at(day: int, minute: int) -> datetime:
    return datetime.fromordinal(day) + timedelta(minutes=minute)
