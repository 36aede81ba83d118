"""The intervals of a day, and the exceptions for dates."""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

DAY = 24 * 60
"""In minutes."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Interval(NamedTuple):
    """From `start` until before `end`, in minutes after midnight; 1440 is 24:00.

    It ends the next day if its end is not later than its start.
    """

    start: int
    end: int

    @property
    def stop(self) -> int:
        """The end, counted from the midnight before the start."""
        return self.end if self.end > self.start else self.end + DAY

    def overlaps(self, other: "Interval") -> bool:
        """Whether the two share a minute, as intervals of the same day."""
        return self.start < other.stop and other.start < self.stop

    def as_texts(self) -> list[str]:
        """Start and end as they are written."""
        return [f"{minute // 60:02}:{minute % 60:02}" for minute in self]


Hours = tuple[Interval, ...]
"""The intervals that begin on one day, in the order they were written in."""


@dataclass(frozen=True, slots=True)
class DatedException:
    """Hours that replace those of each day from `first` to `last`, both included."""

    first: date
    last: date
    hours: Hours
    note: str | None = None
