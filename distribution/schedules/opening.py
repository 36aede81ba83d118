"""Whether it is open at a moment, and when that changes. Moments are aware, in UTC.

What counts is the time that a clock on the wall shows: hours that it skips in spring never come, and those that it
shows twice in autumn count both times.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from distribution.schedules.schedule import Schedule
from distribution.schedules.zones import next_offset_change

MARGIN = timedelta(days=2)
"""More than a clock was ever put back or forward at once: a day, at the date line."""


def is_open(schedule: Schedule, moment: datetime) -> bool:
    """Whether the moment is within the hours."""
    return schedule.local_hours.is_open(moment.astimezone(schedule.zone))


def next_change(schedule: Schedule, moment: datetime) -> datetime | None:
    """The first later moment at which `is_open` is otherwise; None if there is none."""
    was_open = is_open(schedule, moment)
    while True:
        wall = moment.astimezone(schedule.zone).replace(tzinfo=None)
        flip = schedule.local_hours.next_flip(wall)
        ahead = None if flip is None else flip - wall
        # Beyond the margin from both, clocks that are changed still show a time between the two: nothing flips.
        until = moment + (MARGIN if ahead is None or ahead > 2 * MARGIN else ahead)
        change = next_offset_change(schedule.zone, moment, until)
        if change is not None:
            if is_open(schedule, change) != was_open:
                return change
            moment = change
        elif ahead is None:
            return None
        elif ahead > 2 * MARGIN:
            moment += ahead - MARGIN
        else:
            return until


def open_intervals(schedule: Schedule, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The intervals between `start` and `end` in which it is open, in order; between any two it is closed."""
    while start < end:
        change = next_change(schedule, start)
        until = end if change is None else min(change, end)
        if is_open(schedule, start):
            yield start, until
        start = until
