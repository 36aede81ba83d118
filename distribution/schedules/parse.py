"""A schedule from JSON, with every fault by field."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from distribution.errors import InvalidFields
from distribution.schedules.hours import DAY, WEEKDAYS, DatedException, Hours, Interval
from distribution.schedules.schedule import Schedule
from distribution.schedules.zones import zone_names

MAX_INTERVALS = 24
"""Of one day."""
MAX_EXCEPTIONS = 400
MAX_NOTE = 200
TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
NO_DAY = date.min
"""Stands for a date that was not understood."""


def parse(body: object) -> Schedule:
    """Returns the schedule that parsed JSON describes; raises InvalidFields with all its faults.

    An interval may overlap one that the day before leaves past midnight: they are one. A fault it cannot be, since
    an exception on either day brings the same about.
    """
    reader = _Reader()
    schedule = reader.schedule(body)
    if reader.faults:
        raise InvalidFields(reader.faults)
    return schedule


class _Reader:
    """Collects faults; what it returns in place of a faulty value is never used."""

    def __init__(self) -> None:
        self.faults: list[tuple[str, str]] = []

    def schedule(self, body: object) -> Schedule:
        fields = self._object("", body, ("time_zone", "weekly"), ("exceptions",))
        zone = self._zone("time_zone", fields["time_zone"]) if "time_zone" in fields else ""
        weekly = self._weekly("weekly", fields["weekly"]) if "weekly" in fields else ()
        listed = self._list("exceptions", fields.get("exceptions", []), MAX_EXCEPTIONS)
        exceptions = [self._exception(f"exceptions.{number}", value) for number, value in enumerate(listed)]
        return Schedule(zone, weekly, tuple(exceptions))

    def _fault(self, field: str, message: str) -> None:
        self.faults.append((field, message))

    def _object(self, field: str, value: object, required: Sequence[str], optional: Sequence[str]) -> Mapping[str, Any]:
        """Returns the known fields of a JSON object."""
        if not isinstance(value, dict):
            self._fault(field, "must be a JSON object")
            return {}
        prefix = f"{field}." if field else ""
        known = (*required, *optional)
        for name in required:
            if name not in value:
                self._fault(f"{prefix}{name}", "is required")
        for name in value:
            if name not in known:
                self._fault(f"{prefix}{name}", f"is not known here; known are {', '.join(known)}")
        return {name: value[name] for name in known if name in value}

    def _list(self, field: str, value: object, most: int) -> list[Any]:
        if not isinstance(value, list):
            self._fault(field, "must be a list")
        elif len(value) > most:
            self._fault(field, f"must have at most {most} items")
        else:
            return value
        return []

    def _zone(self, field: str, value: object) -> str:
        if isinstance(value, str) and value in zone_names():
            return value
        self._fault(field, "must be the name of a time zone as in the IANA database, such as Europe/Berlin")
        return ""

    def _weekly(self, field: str, value: object) -> tuple[Hours | None, ...]:
        days = self._object(field, value, (), WEEKDAYS)
        return tuple(self._hours(f"{field}.{day}", days[day]) if day in days else None for day in WEEKDAYS)

    def _hours(self, field: str, value: object) -> Hours:
        found: list[Interval] = []
        for number, item in enumerate(self._list(field, value, MAX_INTERVALS)):
            interval = self._interval(f"{field}.{number}", item)
            if interval is None:
                continue
            if (other := next(filter(interval.overlaps, found), None)) is not None:
                self._fault(f"{field}.{number}", f"overlaps with {' to '.join(other.as_texts())} of the same day")
            found.append(interval)
        return tuple(found)

    def _interval(self, field: str, value: object) -> Interval | None:
        if not isinstance(value, list) or len(value) != 2:
            self._fault(field, 'must be a list of a start and an end, such as ["09:00", "17:00"]')
            return None
        start, end = (self._minute(f"{field}.{index}", item) for index, item in enumerate(value))
        if start == DAY:
            self._fault(f"{field}.0", "must be before 24:00, which only an end can be")
        elif start is not None and start == end:
            self._fault(field, 'must not end when it starts; the whole day is ["00:00", "24:00"]')
        elif start is not None and end is not None:
            return Interval(start, end)
        return None

    def _minute(self, field: str, value: object) -> int | None:
        if isinstance(value, str) and (match := TIME.fullmatch(value)):
            return DAY if match[1] is None else int(match[1]) * 60 + int(match[2])
        self._fault(field, "must be a time of day such as 09:00, from 00:00 to 24:00")
        return None

    def _exception(self, field: str, value: object) -> DatedException:
        fields = self._object(field, value, ("from", "to", "hours"), ("note",))
        first, last = (
            self._date(f"{field}.{name}", fields[name]) if name in fields else None for name in ("from", "to")
        )
        if first and last and first > last:
            self._fault(f"{field}.to", f"must not be before {first}, the date in from")
        hours = self._hours(f"{field}.hours", fields["hours"]) if "hours" in fields else ()
        return DatedException(first or NO_DAY, last or NO_DAY, hours, self._note(f"{field}.note", fields.get("note")))

    def _date(self, field: str, value: object) -> date | None:
        if isinstance(value, str) and DATE.fullmatch(value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                self._fault(field, f"must be a date of the calendar, which {value} is not")
        else:
            self._fault(field, "must be a date such as 2026-12-24")
        return None

    def _note(self, field: str, value: object) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str):
            self._fault(field, "must be a string")
        elif len(value) > MAX_NOTE:
            self._fault(field, f"must have at most {MAX_NOTE} characters")
        elif "\0" in value:
            self._fault(field, "must not contain the character NUL")
        else:
            return value
        return None
