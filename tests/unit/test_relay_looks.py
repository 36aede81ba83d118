"""When the relay looks into the outbox."""

from worker.looks import EVERYTHING_SECONDS, EVERYTHING_SHARE, RECENT_SHARE, Looks


def test_recent_rows_are_looked_for_often_and_all_others_every_second() -> None:
    """The first look is at everything; a hint makes one due at once."""
    looks = Looks(0.05)
    assert looks.is_due(0.0)
    assert looks.begin(0.0)
    looks.end(0.0, 0.0, everything=True)
    assert not looks.is_due(0.04)
    assert looks.is_due(0.06)
    assert not looks.begin(0.06)
    looks.soon()
    assert looks.is_due(0.07)
    assert looks.begin(EVERYTHING_SECONDS)


def test_looks_that_take_long_become_rare() -> None:
    """Under an old snapshot they do not fill the database's time."""
    looks = Looks(0.05)
    looks.begin(0.0)
    looks.end(0.1, 0.1, everything=True)
    assert not looks.is_due(0.1 + RECENT_SHARE * 0.1 - 0.01)
    assert not looks.begin(0.1 + EVERYTHING_SHARE * 0.1 - 0.01)
    assert looks.begin(0.1 + EVERYTHING_SHARE * 0.1)


def test_before_the_end_everything_is_looked_at() -> None:
    """Whatever the last look took."""
    looks = Looks(0.05)
    looks.begin(0.0)
    looks.end(0.1, 10.0, everything=True)
    looks.at_everything()
    assert looks.is_due(0.2)
    assert looks.begin(0.2)
