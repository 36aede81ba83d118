"""When to look into the outbox for rows that nobody told us of."""

EVERYTHING_SECONDS = 1.0


class Looks:
    """Recent rows are looked for every so many seconds, and at once where there may be some; all others every second.

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

    def at_everything(self) -> None:
        """The next look is due now, at everything."""
        self._soon, self._everything_at = True, float("-inf")
