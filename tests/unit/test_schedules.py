"""When operators are at work: the contract's examples, and the days on which clocks are changed."""

from datetime import UTC, datetime
from typing import Any

import pytest

from distribution.schedules import Schedule, is_open, next_change, open_intervals, parse
from distribution.schedules.zones import zone_named, zone_names

WORKDAYS = ("mon", "tue", "wed", "thu", "fri")
ALL_DAYS = (*WORKDAYS, "sat", "sun")
CONTRACT: dict[str, Any] = {
    "time_zone": "Europe/Berlin",
    "weekly": {day: [["09:00", "13:00"], ["14:00", "18:00"]] for day in WORKDAYS},
    "exceptions": [{"from": "2026-12-24", "to": "2026-12-26", "hours": [], "note": "holiday"}],
}
ALWAYS = {day: [["00:00", "24:00"]] for day in ALL_DAYS}
HALF_PAST_TWO = {day: [["02:15", "02:45"]] for day in ALL_DAYS}


def utc(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule(weekly: dict[str, Any], *exceptions: tuple[str, str, Any], zone: str = "Europe/Berlin") -> Schedule:
    """A schedule with exceptions of (from, to, hours)."""
    written = [{"from": first, "to": last, "hours": hours} for first, last, hours in exceptions]
    return parse({"time_zone": zone, "weekly": weekly, "exceptions": written})


def opened(of: Schedule, start: str, end: str) -> list[tuple[str, str]]:
    """The open intervals, as day of the month and time in UTC."""
    return [(f"{begin:%d %H:%M}", f"{stop:%d %H:%M}") for begin, stop in open_intervals(of, utc(start), utc(end))]


@pytest.mark.parametrize(
    ("moment", "expected", "change"),
    [
        ("2026-12-23T07:59:59.999999", False, "2026-12-23T08:00"),
        ("2026-12-23T08:00", True, "2026-12-23T12:00"),
        ("2026-12-23T12:00", False, "2026-12-23T13:00"),
        ("2026-12-23T16:59:59", True, "2026-12-23T17:00"),
        ("2026-12-23T17:00", False, "2026-12-28T08:00"),
        ("2026-12-25T10:00", False, "2026-12-28T08:00"),
        ("2026-07-03T16:00", False, "2026-07-06T07:00"),
    ],
)
def test_the_contracts_example(moment: str, expected: bool, change: str) -> None:
    """Open from the first moment of an interval until before its end, not on a holiday, not at the weekend."""
    example = parse(CONTRACT)
    assert (is_open(example, utc(moment)), next_change(example, utc(moment))) == (expected, utc(change))


def test_hours_over_midnight_belong_to_the_day_they_begin() -> None:
    """An exception on the next day leaves the tail; one on the day itself takes it away."""
    nights = {"mon": [["22:00", "06:00"]]}
    week = ("2026-06-01T00:00", "2026-06-08T00:00")
    assert opened(schedule(nights, zone="UTC"), *week) == [("01 22:00", "02 06:00")]
    assert opened(schedule(nights, ("2026-06-02", "2026-06-02", []), zone="UTC"), *week) == [("01 22:00", "02 06:00")]
    assert opened(schedule(nights, ("2026-06-01", "2026-06-01", []), zone="UTC"), *week) == []


def test_hours_that_meet_or_overlap_at_midnight_are_one_interval() -> None:
    """A tail and what begins on the next day before it ends; 24:00 and 00:00."""
    week = ("2026-06-01T00:00", "2026-06-08T00:00")
    joined = schedule(
        {"mon": [["22:00", "06:00"]], "tue": [["05:00", "24:00"]], "wed": [["00:00", "08:00"]]}, zone="UTC"
    )
    assert opened(joined, *week) == [("01 22:00", "03 08:00")]
    assert opened(schedule({"mon": [["20:00", "00:00"]]}, zone="UTC"), *week) == [("01 20:00", "02 00:00")]


def test_of_several_exceptions_for_a_day_the_last_in_the_list_counts() -> None:
    """Whichever begins first or is shorter."""
    early, late = ("2026-06-01", "2026-06-03", [["01:00", "02:00"]]), ("2026-06-02", "2026-06-05", [["05:00", "06:00"]])
    span = ("2026-06-01T00:00", "2026-06-06T00:00")
    assert [begin[:2] for begin, _ in opened(schedule({}, early, late, zone="UTC"), *span)] == [
        "01",
        "02",
        "03",
        "04",
        "05",
    ]
    assert [begin[3:] for begin, _ in opened(schedule({}, early, late, zone="UTC"), *span)][1:3] == ["05:00", "05:00"]
    assert [begin[3:] for begin, _ in opened(schedule({}, late, early, zone="UTC"), *span)][1:3] == ["01:00", "01:00"]


def test_an_hour_that_the_clock_skips_never_comes() -> None:
    """On the last Sunday of March it is not open between 02:15 and 02:45; longer hours are shorter by an hour."""
    nights = schedule(HALF_PAST_TWO)
    assert opened(nights, "2026-03-28T12:00", "2026-03-30T12:00") == [("30 00:15", "30 00:45")]
    longer = schedule({"sun": [["01:30", "03:30"]]})
    assert opened(longer, "2026-03-28T12:00", "2026-03-30T12:00") == [("29 00:30", "29 01:30")]


def test_an_opening_at_a_change_of_clocks_is_known_to_the_microsecond() -> None:
    """Asked between two seconds: it opens as the clock jumps from 02:00 to 03:00."""
    morning = schedule({"sun": [["02:30", "04:00"]]})
    assert next_change(morning, utc("2026-03-29T00:30:00.25")) == utc("2026-03-29T01:00")


def test_an_hour_that_the_clock_shows_twice_counts_both_times() -> None:
    """On the last Sunday of October it opens at 02:15 twice."""
    twice = [("25 00:15", "25 00:45"), ("25 01:15", "25 01:45")]
    assert opened(schedule(HALF_PAST_TWO), "2026-10-24T12:00", "2026-10-25T12:00") == twice


def test_a_day_that_a_zone_left_out_has_no_hours() -> None:
    """In Samoa the 30th of December 2011 did not exist: the tail of the 29th ends with the day."""
    nights = schedule({day: [["20:00", "06:00"]] for day in ("thu", "sat")}, zone="Pacific/Apia")
    assert opened(nights, "2011-12-30T00:00", "2012-01-01T12:00") == [
        ("30 06:00", "30 10:00"),
        ("31 06:00", "31 16:00"),
    ]


@pytest.mark.parametrize(
    ("weekly", "exceptions"),
    [
        ({}, []),
        (ALWAYS, []),
        ({}, [("0001-01-01", "9999-12-31", [["00:00", "24:00"]])]),
        (CONTRACT["weekly"], [("2020-01-01", "9999-12-31", [])]),
        ({}, [("2026-03-29", "2026-03-29", [["02:15", "02:45"]])]),
        (ALWAYS, [("2026-06-01", "2026-06-09", [["12:00", "24:00"], ["00:00", "12:00"]])]),
    ],
)
def test_what_never_changes_has_no_next_change(weekly: dict[str, Any], exceptions: list[tuple[str, str, Any]]) -> None:
    """Always closed, always open, for good by an exception, or but for hours that never come."""
    assert next_change(schedule(weekly, *exceptions), utc("2026-03-01T12:00")) is None


def test_a_change_in_the_far_future_is_found() -> None:
    """Closed for thirty years, and for good until then: open again at midnight of a summer day."""
    closed = schedule(ALWAYS, ("2026-01-01", "2055-06-30", []))
    assert next_change(closed, utc("2026-03-01T12:00")) == utc("2055-06-30T22:00")


def test_no_interval_is_longer_than_what_was_asked() -> None:
    """From the first moment to the last; none of an empty or reversed span."""
    start, end = utc("2026-03-01T12:00:00.5"), utc("2026-05-01T12:00")
    assert list(open_intervals(schedule(ALWAYS), start, end)) == [(start, end)]
    assert list(open_intervals(schedule(ALWAYS), end, start)) == list(open_intervals(schedule(ALWAYS), end, end)) == []


def test_the_only_opening_in_seven_thousand_years_is_found() -> None:
    """Behind four hundred exceptions that overlap."""
    many: list[tuple[str, str, Any]] = [(f"{2026 + year}-01-01", "9000-12-31", []) for year in range(399)]
    of = schedule({}, *many, ("8999-06-01", "8999-06-01", [["10:00", "11:00"]]), zone="UTC")
    assert next_change(of, utc("2026-03-01T12:00")) == utc("8999-06-01T10:00")


def test_every_zone_is_there_whatever_the_machine_has() -> None:
    """By the names of the IANA database, not those that only a machine knows."""
    assert len(zone_names()) > 590
    assert {zone_named(name).key for name in zone_names()} == zone_names()
    with pytest.raises(LookupError, match="no time zone 'localtime'"):
        zone_named("localtime")
