"""Ids that keep the order in which things were made."""

from datetime import UTC, datetime, timedelta, timezone

from distribution.ids import first_id_at, isoformat, new_id, time_of


def test_ids_only_grow() -> None:
    """Whoever sorts by id sorts by age, within one millisecond too."""
    made = [new_id() for _ in range(20_000)]
    assert made == sorted(set(made))
    assert {uid.version for uid in made} == {7}


def test_an_id_knows_when_it_was_made() -> None:
    """The time in an id is the time it was made, in UTC, to the millisecond."""
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    made = time_of(new_id())
    assert before <= made <= datetime.now(UTC) + timedelta(milliseconds=1)
    assert made.utcoffset() == timedelta(0)
    assert made.microsecond % 1000 == 0


def test_the_first_id_of_a_moment_splits_earlier_from_later() -> None:
    """Everything made from a moment on is at or above its first id, everything before is below."""
    for uid in (new_id() for _ in range(1000)):
        moment = time_of(uid)
        assert first_id_at(moment) <= uid < first_id_at(moment + timedelta(milliseconds=1))
        assert time_of(first_id_at(moment)) == moment


def test_a_moment_inside_a_millisecond_keeps_what_was_made_in_it() -> None:
    """A filter from .0006 s on does not lose a contact made in the same millisecond after it."""
    moment = datetime(2026, 11, 23, 10, 0, 0, 600, UTC)
    assert first_id_at(moment) == first_id_at(datetime(2026, 11, 23, 10, tzinfo=UTC))


def test_the_first_id_does_not_depend_on_the_zone() -> None:
    """The same moment told in another zone is the same id; a moment before 1970 is below everything."""
    moment = datetime(2026, 11, 23, 10, 0, 0, 123000, UTC)
    assert first_id_at(moment.astimezone(timezone(timedelta(hours=5, minutes=30)))) == first_id_at(moment)
    assert first_id_at(datetime(1900, 1, 1, tzinfo=UTC)) < new_id()


def test_times_are_shown_as_the_contract_says() -> None:
    """ISO 8601 in UTC with three digits and Z, whatever zone the moment was told in."""
    assert isoformat(datetime(2026, 11, 23, 10, 0, 0, 123999, UTC)) == "2026-11-23T10:00:00.123Z"
    assert isoformat(datetime(2026, 11, 23, 10, tzinfo=UTC)) == "2026-11-23T10:00:00.000Z"
    assert isoformat(datetime(2026, 11, 23, 1, tzinfo=timezone(timedelta(hours=3)))) == "2026-11-22T22:00:00.000Z"
