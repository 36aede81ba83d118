"""A schedule as JSON."""

from typing import Any

from distribution.schedules.hours import WEEKDAYS, DatedException, Hours
from distribution.schedules.schedule import Schedule


def serialize(schedule: Schedule) -> dict[str, Any]:
    """Returns what `parse` makes the same schedule of: intervals and exceptions in the order they were written in."""
    weekly = zip(WEEKDAYS, schedule.weekly, strict=True)
    return {
        "time_zone": schedule.time_zone,
        "weekly": {day: _hours(hours) for day, hours in weekly if hours is not None},
        "exceptions": [_exception(exception) for exception in schedule.exceptions],
    }


def _exception(exception: DatedException) -> dict[str, Any]:
    return {
        "from": exception.first.isoformat(),
        "to": exception.last.isoformat(),
        "hours": _hours(exception.hours),
        "note": exception.note,
    }


def _hours(hours: Hours) -> list[list[str]]:
    return [interval.as_texts() for interval in hours]
