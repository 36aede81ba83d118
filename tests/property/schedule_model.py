"""Working hours computed the slow way, from the JSON of a schedule: what a clock shows, compared as text."""

from datetime import date, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
NAMES = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Body = dict[str, Any]


class Model:
    """A schedule minute by minute."""

    def __init__(self, body: Body, zone: ZoneInfo) -> None:
        self._body = body
        self._zone = zone
        self._days: dict[str, tuple[list[list[str]], list[list[str]]]] = {}

    def is_open(self, moment: datetime) -> bool:
        """Whether the clock shows a time within the hours of its day, or of those of the day before after midnight."""
        day, time = moment.astimezone(self._zone).isoformat()[:16].split("T")
        if day not in self._days:
            today = date.fromisoformat(day)
            self._days[day] = self._written_for(today), self._written_for(today - DAY)
        own, before = self._days[day]
        for start, end in own:
            if start <= time and (time < end or end < start):
                return True
        return any(time < end < start for start, end in before)

    def _written_for(self, day: date) -> list[list[str]]:
        for exception in reversed(self._body["exceptions"]):
            if exception["from"] <= day.isoformat() <= exception["to"]:
                return list(exception["hours"])
        return list(self._body["weekly"].get(NAMES[day.weekday()], []))


class Checked:
    """The minutes from `start` until before `end`, each with whether it is open."""

    def __init__(self, model: Model, start: datetime, end: datetime) -> None:
        self.minutes = [start + passed * MINUTE for passed in range((end - start) // MINUTE)]
        self.is_open = [model.is_open(minute) for minute in self.minutes]

    @cached_property
    def flips(self) -> list[datetime]:
        """The minutes that are otherwise than those before them."""
        return [
            minute
            for minute, is_open, was_open in zip(self.minutes[1:], self.is_open[1:], self.is_open, strict=False)
            if is_open != was_open
        ]


def some_hours(random: Random) -> list[list[str]]:
    """Disjoint intervals in any order, mostly at night, when clocks are changed; the last may go on past midnight."""
    nightly = random.sample(range(0, 300, 15), random.randint(0, 4))
    minutes = sorted({*nightly, *random.sample(range(24 * 60), random.randint(0, 3))})
    times = [f"{minute // 60:02}:{minute % 60:02}" for minute in minutes]
    if len(times) % 2:
        over_midnight = ["00:00", *times[:1]] if len(times) > 1 or times[0] > "00:00" else []
        times.append(random.choice(["24:00", *(time for time in over_midnight if time < times[-1])]))
    intervals = [[start, end] for start, end in zip(times[::2], times[1::2], strict=True)]
    random.shuffle(intervals)
    return intervals


def some_schedule(random: Random, zone: str, around: date) -> Body:
    """A schedule as JSON, with exceptions near a day that overlap; some days are open or closed as a whole."""
    choices = [some_hours(random) for _ in range(4)] + [[["00:00", "24:00"]], []]
    exceptions = []
    for _ in range(random.randint(0, 4)):
        first = around + random.randint(-4, 3) * DAY
        last = first + random.randint(0, 4) * DAY
        hours = random.choice(choices)
        exceptions.append({"from": first.isoformat(), "to": last.isoformat(), "hours": hours, "note": None})
    weekly = {name: random.choice(choices) for name in random.sample(NAMES, random.randint(0, 7))}
    return {"time_zone": zone, "weekly": weekly, "exceptions": exceptions}
