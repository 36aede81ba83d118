"""Pauses between tries: short at first, so that a moment's trouble costs little, and never longer than is of use."""

from distribution.backoff import Backoff


def test_pauses_grow_up_to_the_longest_and_start_over() -> None:
    """What succeeded was not the same trouble as what comes next."""
    backoff = Backoff(first=1, longest=5)
    assert [backoff.pause() for _ in range(5)] == [1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.pause() == 1
