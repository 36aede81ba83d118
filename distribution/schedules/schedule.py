"""Working hours in a time zone."""

from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

from distribution.schedules.hours import DatedException, Hours
from distribution.schedules.local_hours import LocalHours
from distribution.schedules.zones import zone_named


@dataclass(frozen=True)
class Schedule:
    """Weekly hours, with exceptions: of several for a day the last counts.

    `weekly`: of seven days, Monday first; None is a weekday that was not given, which is closed.
    """

    time_zone: str
    weekly: tuple[Hours | None, ...]
    exceptions: tuple[DatedException, ...] = ()

    @cached_property
    def zone(self) -> ZoneInfo:
        """The rules of its time zone."""
        return zone_named(self.time_zone)

    @cached_property
    def local_hours(self) -> LocalHours:
        """The hours by the time on the wall, prepared for look-ups."""
        return LocalHours([hours or () for hours in self.weekly], self.exceptions)
