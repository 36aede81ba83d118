"""When to look into the outbox for rows that nobody told us of."""

EVERYTHING_SECONDS = 1.0
RECENT_SHARE, EVERYTHING_SHARE = 10, 50
"""The pause after a look is at least so many times what the look took: while a dump holds an old snapshot, deleted rows
stay in the way and looks take long, and they should not fill the database's time."""


class Looks:
    """Recent rows are looked for every so many seconds, and at once if there may be some; all others every second.

    Plain state; moments are of the monotonic clock.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._soon = True
        self._recent_at = self._everything_at = float("-inf")

    def soon(self) -> None:
        """There may be something."""
        self._soon = True

    def is_due(self, now: float) -> bool:
        """Whether to look."""
        return self._soon or now >= min(self._recent_at, self._everything_at)

    def begin(self, now: float) -> bool:
        """A look begins; returns whether at everything."""
        everything = now >= self._everything_at
        self._soon, self._recent_at = False, now + self._seconds
        if everything:
            self._everything_at = now + EVERYTHING_SECONDS
        return everything

    def end(self, now: float, seconds: float, *, everything: bool) -> None:
        """The look is over, and took so long."""
        self._recent_at = max(self._recent_at, now + RECENT_SHARE * seconds)
        if everything:
            self._everything_at = max(self._everything_at, now + EVERYTHING_SHARE * seconds)

    def at_everything(self) -> None:
        """The next look is due now, at everything."""
        self._soon, self._everything_at = True, float("-inf")
