"""Schedules as JSON: what is wrong with one is said for each field, all at once."""

from typing import Any

import pytest

from distribution.errors import InvalidFields
from distribution.schedules import parse, serialize

TIME = "must be a time of day such as 09:00, from 00:00 to 24:00"
DATE = "must be a date such as 2026-12-24"
ZONE = "must be the name of a time zone as in the IANA database, such as Europe/Berlin"
INTERVAL = 'must be a list of a start and an end, such as ["09:00", "17:00"]'
EMPTY = 'must not end when it starts; the whole day is ["00:00", "24:00"]'
NIGHT = ["22:00", "06:00"]


def body(**fields: Any) -> dict[str, Any]:
    """A valid schedule with these fields instead."""
    return {"time_zone": "Europe/Berlin", "weekly": {}, "exceptions": [], **fields}


def on_monday(*intervals: Any) -> dict[str, Any]:
    """A schedule with these intervals."""
    return body(weekly={"mon": [*intervals]})


def with_exception(**fields: Any) -> dict[str, Any]:
    """A schedule with a valid exception that has these fields instead; `begin` is its `from`."""
    exception = {"from": fields.pop("begin", "2026-12-24"), "to": "2026-12-26", "hours": [], **fields}
    return body(exceptions=[exception])


def faults(wrong: object) -> list[tuple[str, str]]:
    """The faults that are found."""
    with pytest.raises(InvalidFields) as caught:
        parse(wrong)
    return list(caught.value.errors)


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ([], "", "must be a JSON object"),
        (body(time_zone="Mars/Olympus"), "time_zone", ZONE),
        (body(time_zone="europe/berlin"), "time_zone", ZONE),
        (body(time_zone="../zones"), "time_zone", ZONE),
        (body(time_zone="localtime"), "time_zone", ZONE),
        (body(time_zone=None), "time_zone", ZONE),
        ({"time_zone": "UTC"}, "weekly", "is required"),
        ({"weekly": {}}, "time_zone", "is required"),
        (body(zone="UTC"), "zone", "is not known here; known are time_zone, weekly, exceptions"),
        (body(weekly=[]), "weekly", "must be a JSON object"),
        (
            body(weekly={"monday": []}),
            "weekly.monday",
            "is not known here; known are mon, tue, wed, thu, fri, sat, sun",
        ),
        (body(weekly={"mon": None}), "weekly.mon", "must be a list"),
        (on_monday(*[["09:00", "10:00"]] * 25), "weekly.mon", "must have at most 24 items"),
        (on_monday("09:00-17:00"), "weekly.mon.0", INTERVAL),
        (on_monday(["09:00"]), "weekly.mon.0", INTERVAL),
        (on_monday(["9:00", "17:00"]), "weekly.mon.0.0", TIME),
        (on_monday(["09:00", "17:00:00"]), "weekly.mon.0.1", TIME),
        (on_monday(["09:00", "24:01"]), "weekly.mon.0.1", TIME),
        (on_monday(["09:60", "17:00"]), "weekly.mon.0.0", TIME),
        (on_monday(["\u0660\u0669:00", "17:00"]), "weekly.mon.0.0", TIME),
        (on_monday([9, "17:00"]), "weekly.mon.0.0", TIME),
        (on_monday(["24:00", "06:00"]), "weekly.mon.0.0", "must be before 24:00, which only an end can be"),
        (on_monday(["24:00", "24:00"]), "weekly.mon.0.0", "must be before 24:00, which only an end can be"),
        (on_monday(["09:00", "09:00"]), "weekly.mon.0", EMPTY),
        (on_monday(["00:00", "00:00"]), "weekly.mon.0", EMPTY),
        (
            on_monday(["12:00", "13:00"], ["09:00", "12:01"]),
            "weekly.mon.1",
            "overlaps with 12:00 to 13:00 of the same day",
        ),
        (on_monday(NIGHT, ["23:00", "23:30"]), "weekly.mon.1", "overlaps with 22:00 to 06:00 of the same day"),
        (on_monday(NIGHT, ["23:30", "00:30"]), "weekly.mon.1", "overlaps with 22:00 to 06:00 of the same day"),
        (on_monday(NIGHT, NIGHT), "weekly.mon.1", "overlaps with 22:00 to 06:00 of the same day"),
        (body(exceptions={}), "exceptions", "must be a list"),
        (body(exceptions=[None] * 401), "exceptions", "must have at most 400 items"),
        (body(exceptions=["2026-12-24"]), "exceptions.0", "must be a JSON object"),
        (body(exceptions=[{"from": "2026-12-24", "to": "2026-12-24"}]), "exceptions.0.hours", "is required"),
        (with_exception(day=1), "exceptions.0.day", "is not known here; known are from, to, hours, note"),
        (with_exception(begin="24.12.2026"), "exceptions.0.from", DATE),
        (with_exception(to="20261226"), "exceptions.0.to", DATE),
        (with_exception(to=None), "exceptions.0.to", DATE),
        (with_exception(to="2026-12-32"), "exceptions.0.to", "must be a date of the calendar, which 2026-12-32 is not"),
        (with_exception(begin="2026-12-27"), "exceptions.0.to", "must not be before 2026-12-27, the date in from"),
        (with_exception(hours=[["09:00", "8"]]), "exceptions.0.hours.0.1", TIME),
        (with_exception(note=1), "exceptions.0.note", "must be a string"),
        (with_exception(note="x" * 201), "exceptions.0.note", "must have at most 200 characters"),
        (with_exception(note="a\0b"), "exceptions.0.note", "must not contain the character NUL"),
    ],
)
def test_a_fault_is_named_by_its_field(wrong: object, field: str, message: str) -> None:
    """And by nothing else: one fault is one line."""
    assert faults(wrong) == [(field, message)]


def test_all_faults_are_named_at_once() -> None:
    """Those of every part of the schedule."""
    wrong = body(time_zone="CEST", weekly={"tue": [["8", "9"]]}, exceptions=[{"from": "", "to": "", "hours": 1}])
    fields = [
        "time_zone",
        "weekly.tue.0.0",
        "weekly.tue.0.1",
        "exceptions.0.from",
        "exceptions.0.to",
        "exceptions.0.hours",
    ]
    assert [field for field, _ in faults(wrong)] == fields


@pytest.mark.parametrize(
    "valid",
    [
        on_monday(["00:00", "24:00"]),
        on_monday(["14:00", "18:00"], ["09:00", "13:00"], ["13:00", "14:00"]),
        on_monday(NIGHT, ["05:00", "08:00"]),
        body(weekly={"mon": [NIGHT], "tue": [["05:00", "08:00"]], "wed": []}),
        on_monday(["18:00", "00:00"]),
        with_exception(hours=[NIGHT], note="night shift", to="9999-12-31"),
        body(exceptions=[{"from": "2028-02-29", "to": "2028-02-29", "hours": [], "note": None}] * 400),
    ],
)
def test_a_valid_schedule_is_shown_as_it_was_written(valid: dict[str, Any]) -> None:
    """In its order; a day's hours may overlap with what the night before leaves of it."""
    shown = serialize(parse(valid))
    assert shown == {**valid, "exceptions": [{"note": None, **each} for each in valid["exceptions"]]}


def test_exceptions_and_notes_may_be_left_out() -> None:
    """They are shown as none."""
    assert serialize(parse({"time_zone": "UTC", "weekly": {}})) == {"time_zone": "UTC", "weekly": {}, "exceptions": []}
    assert serialize(parse(with_exception()))["exceptions"][0]["note"] is None
