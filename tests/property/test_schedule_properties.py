"""Working hours are what a clock on the wall shows, in every zone and through every change of its clocks."""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from distribution.schedules import Schedule, is_open, next_change, open_intervals, parse, serialize
from distribution.schedules.zones import STEP, next_offset_change, zone_named, zone_names
from tests.property.schedule_model import DAY, Body, Checked, Model, some_schedule

MICROSECOND, SECOND, HOUR = timedelta(microseconds=1), timedelta(seconds=1), timedelta(hours=1)
BEGIN, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
WHILE_CHANGING = timedelta(hours=2, minutes=15)
"""Longer than any of these changes, before it and after it."""
ODD = [
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ("Africa/Casablanca", datetime(2026, 2, 15, 2, tzinfo=UTC)),
    ("Antarctica/Troll", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("Pacific/Kwajalein", datetime(1993, 8, 21, 12, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2026, 4, 23, 22, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 2, 18, 2, tzinfo=UTC)),
    ("America/Scoresbysund", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("Asia/Beirut", datetime(2026, 10, 24, 21, tzinfo=UTC)),
    ("Asia/Pyongyang", datetime(2018, 5, 4, 15, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
]
"""When clocks change: by half an hour, twice for Ramadan, by two hours, over a day, at midnight, for good, as usual."""
randoms = st.randoms(use_true_random=False)
some_moment = st.timedeltas(-50 * 365 * DAY, 50 * 365 * DAY).map(
    lambda passed: datetime(2025, 1, 1, tzinfo=UTC) + passed
)


def rules(zone: str) -> bytes:
    """A zone's file."""
    return files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()


@cache
def zones() -> list[str]:
    """One name of each zone: the others are for the same file."""
    return list({rules(name): name for name in sorted(zone_names(), reverse=True)}.values())


some_zone = st.deferred(lambda: st.sampled_from(zones()))


def offset_changes(name: str) -> list[datetime]:
    """Each change of a zone's offset from 2024 to 2034, found by halving steps of five days."""
    zone = zone_named(name)
    moments = [BEGIN + days * DAY for days in range(0, (END - BEGIN).days, 5)]
    offsets = [moment.astimezone(zone).utcoffset() for moment in moments]
    steps = zip(pairwise(moments), pairwise(offsets), strict=True)
    return [offset_change(zone, *step) for step, (before, after) in steps if before != after]


def offset_change(zone: ZoneInfo, lower: datetime, upper: datetime) -> datetime:
    """The one change between two moments."""
    before = lower.astimezone(zone).utcoffset()
    while upper - lower > SECOND:
        middle = lower + (upper - lower) // SECOND // 2 * SECOND
        is_before = middle.astimezone(zone).utcoffset() == before
        lower, upper = (middle, upper) if is_before else (lower, middle)
    return upper


def recorded_changes(zone: str) -> Iterator[int]:
    """Each change that a zone's file lists (RFC 9636, the second block), in seconds since 1970."""
    data = rules(zone)
    block = data.index(b"TZif", 4)
    number = struct.unpack_from(">L", data, block + 32)[0]
    yield from struct.unpack_from(f">{number}q", data, block + 44)


def flips(schedule: Schedule, start: datetime, end: datetime) -> list[datetime]:
    """Where the open intervals begin and end, in between."""
    edges = [edge for interval in open_intervals(schedule, start, end) for edge in interval]
    return [edge for edge in edges if start < edge < end]


def agree(body: Body, start: datetime, end: datetime) -> None:
    """Fails unless the schedule is what the slow way says, at every minute."""
    schedule = parse(body)
    slow = Checked(Model(body, zone_named(body["time_zone"])), start, end)
    assert [is_open(schedule, minute) for minute in slow.minutes] == slow.is_open, body
    found = flips(schedule, start, end)
    assert found == slow.flips, body


def test_every_change_of_clocks_of_every_zone_from_2024_to_2034() -> None:
    """Around each it is open at the minutes at which the clock on the wall says so, and changes when that does."""
    random = Random(2024)
    for name in zones():
        for change in offset_changes(name):
            body = some_schedule(random, name, change.astimezone(zone_named(name)).date())
            agree(body, change - WHILE_CHANGING, change + WHILE_CHANGING)


@settings(max_examples=50)
@given(randoms, st.sampled_from(ODD))
def test_days_around_an_odd_change_of_clocks(random: Random, odd: tuple[str, datetime]) -> None:
    """Tails past midnight, exceptions and days that do not exist or begin late are what the clock shows."""
    name, change = odd
    body = some_schedule(random, name, change.astimezone(zone_named(name)).date())
    agree(body, change - 30 * HOUR, change + 30 * HOUR)


@given(randoms, some_zone, some_moment)
def test_the_next_change_is_the_first(random: Random, name: str, moment: datetime) -> None:
    """It is later, to the second, and until then nothing changes; at every moment of two days if there is none."""
    body = some_schedule(random, name, moment.astimezone(zone_named(name)).date())
    schedule, model = parse(body), Model(body, zone_named(name))
    change = next_change(schedule, moment)
    near = moment + 2 * DAY if change is None else min(change, moment + 2 * DAY)
    assert {*Checked(model, moment, near).is_open} <= {model.is_open(moment)}
    if change is not None:
        assert change > moment
        assert model.is_open(change - MICROSECOND) == model.is_open(moment) != model.is_open(change)
        assert not any(Checked(model, max(moment, change - 2 * DAY), change).flips)


@settings(max_examples=50)
@given(randoms, some_zone, some_moment)
def test_intervals_are_the_open_moments_in_order(random: Random, name: str, moment: datetime) -> None:
    """Over 92 days: none is empty, none touches the next, within they are open, between them closed."""
    schedule, end_of_search = parse(some_schedule(random, name, (moment + DAY).date())), moment + 92 * DAY
    intervals = list(open_intervals(schedule, moment, end_of_search))
    for begin, end in intervals:
        assert moment <= begin < end <= end_of_search
        assert is_open(schedule, begin)
        assert is_open(schedule, end - MICROSECOND)
    for (_, closed), (opened, _) in pairwise(intervals):
        assert closed < opened
        assert not is_open(schedule, closed)


def test_offset_changes_are_found_to_the_second() -> None:
    """All those of two years, in every zone, one after the other."""
    until = BEGIN + 730 * DAY
    for name in zones():
        found, moment = [], BEGIN
        while (change := next_offset_change(zone_named(name), moment, until)) is not None:
            found.append(change)
            moment = change
        assert found == [change for change in offset_changes(name) if change <= until], name


def test_no_zone_changes_twice_within_the_step_of_the_search() -> None:
    """Else the search could miss both."""
    for name in zones():
        recorded = [moment for moment in recorded_changes(name) if moment >= 0]
        assert all(later - earlier > STEP // SECOND for earlier, later in pairwise(recorded)), name


@given(randoms, st.deferred(lambda: st.sampled_from(sorted(zone_names()))))
def test_what_is_parsed_is_written_as_it_was(random: Random, name: str) -> None:
    """Order, 24:00 and 00:00 included."""
    body = some_schedule(random, name, BEGIN.date())
    assert serialize(parse(body)) == body
