"""When to poll the outbox for rows that this process was not notified of."""

EVERYTHING_SECONDS = 1.0
SHARE = 20
LONGEST_SECONDS = 5.0
"""The pause after a poll that found nothing is at least SHARE times what the poll took, up to a limit: while a dump
holds an old snapshot, deleted rows slow down polls, which should not take up the database's time."""


class PollSchedule:
    """Recent rows are polled every `seconds`, and at once if there may be some; all others every second.

    Without `recent` every poll covers all rows. Plain state; times are of the monotonic clock.
    """

    def __init__(self, seconds: float, *, recent: bool = True) -> None:
        self._seconds, self._recent = seconds, recent
        self._soon = True
        self._recent_at = self._everything_at = float("-inf")

    def soon(self) -> None:
        """Poll next time: there may be new rows."""
        self._soon = True

    def is_due(self, now: float) -> bool:
        """Whether to poll now."""
        return self._soon or now >= self._everything_at or (self._recent and now >= self._recent_at)

    def begin(self, now: float) -> bool:
        """A poll begins; returns whether it covers all rows."""
        everything = now >= self._everything_at or not self._recent
        self._soon, self._recent_at = False, now + self._seconds
        if everything:
            self._everything_at = now + EVERYTHING_SECONDS
        return everything

    def found_some(self, *, everything: bool) -> None:
        """The poll found rows: there may be more of the same kind."""
        self._soon = True
        if everything:
            self._everything_at = float("-inf")

    def found_nothing(self, now: float, seconds: float, *, everything: bool) -> None:
        """The poll found nothing and took `seconds`."""
        pause = min(SHARE * seconds, LONGEST_SECONDS)
        if everything:
            self._everything_at = max(self._everything_at, now + pause)
        else:
            self._recent_at = max(self._recent_at, now + pause)

    def at_everything(self) -> None:
        """The next poll is due now and covers all rows."""
        self._soon, self._everything_at = True, float("-inf")
