"""When the relay looks into the outbox."""

from worker.publish.poll_schedule import EVERYTHING_SECONDS, LONGEST_SECONDS, SHARE, PollSchedule


def test_recent_rows_are_looked_for_often_and_all_others_every_second() -> None:
    """The first look is at everything; a hint makes one due at once."""
    looks = PollSchedule(0.05)
    assert looks.is_due(0.0)
    assert looks.begin(0.0)
    looks.found_nothing(0.0, 0.0, everything=True)
    assert not looks.is_due(0.04)
    assert looks.is_due(0.06)
    assert not looks.begin(0.06)
    looks.soon()
    assert looks.is_due(0.07)
    assert looks.begin(EVERYTHING_SECONDS)


def test_a_backlog_is_read_without_pauses() -> None:
    """As long as a look at everything finds something, the next one is at everything too."""
    looks = PollSchedule(0.05)
    for now in (0.0, 0.01, 0.02):
        assert looks.is_due(now)
        assert looks.begin(now)
        looks.found_some(everything=True)
    looks.begin(0.03)
    looks.found_nothing(0.03, 0.0, everything=True)
    assert not looks.is_due(0.04)


def test_looks_that_take_long_become_rare() -> None:
    """Under an old snapshot they do not fill the database's time, but none waits for long either."""
    looks = PollSchedule(0.05)
    looks.begin(0.0)
    looks.found_nothing(0.1, 0.1, everything=True)
    assert not looks.begin(0.1 + SHARE * 0.1 - 0.01)
    looks.found_nothing(2.09, 0.04, everything=False)
    assert looks.begin(0.1 + SHARE * 0.1)
    looks.found_nothing(10.0, 10.0, everything=True)
    assert not looks.begin(10.0 + LONGEST_SECONDS - 0.1)
    assert looks.begin(10.0 + LONGEST_SECONDS)


def test_looks_at_everything_alone() -> None:
    """As for retries, which are never recent."""
    looks = PollSchedule(0.05, recent=False)
    assert looks.begin(0.0)
    looks.found_nothing(0.0, 0.0, everything=True)
    assert not looks.is_due(EVERYTHING_SECONDS - 0.1)
    assert looks.is_due(EVERYTHING_SECONDS)


def test_before_the_end_everything_is_looked_at() -> None:
    """Whatever the last look took."""
    looks = PollSchedule(0.05)
    looks.begin(0.0)
    looks.found_nothing(0.1, 10.0, everything=True)
    looks.at_everything()
    assert looks.is_due(0.2)
    assert looks.begin(0.2)
