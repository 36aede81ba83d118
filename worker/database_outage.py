"""A fault of the database: how long to pause between tries, and saying so until work succeeds."""

import time
from dataclasses import dataclass

import structlog

from distribution.backoff import Backoff
from worker.readiness import Readiness

PART = "database"


@dataclass(frozen=True, slots=True)
class RetryDelays:
    """Seconds between two tries: doubled each time, up to the longest.

    `hold`: after so many seconds the broker gets back what is held, since it closes the channel of whoever holds a
    delivery for 30 minutes.
    """

    first: float = 0.5
    longest: float = 10.0
    hold: float = 20 * 60.0


DEFAULT_DELAYS = RetryDelays()


class DatabaseOutage:
    """Begins with a failure and is over once work was committed, and not before."""

    def __init__(self, readiness: Readiness, pauses: RetryDelays) -> None:
        self._readiness = readiness
        self._backoff = Backoff(pauses.first, pauses.longest)
        self._since: float | None = None
        self._log = structlog.get_logger("worker.database_outage")

    @property
    def seconds(self) -> float:
        """How long it has lasted; 0 while there is none."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    def failed(self, why: str) -> float:
        """Say that a try failed; returns how long to pause before the next."""
        if self._since is None:
            self._since = time.monotonic()
        pause = self._backoff.pause()
        self._readiness.set_unready(PART, why)
        self._log.warning("database_unavailable", reason=why, next_try_seconds=pause)
        return pause

    def over(self) -> None:
        """Work was committed."""
        if self._since is not None:
            self._log.info("database_available", after_seconds=round(self.seconds, 1))
            self._readiness.set_ready(PART)
            self._since = None
            self._backoff.reset()
