"""A database outage: how long to pause between retries, and reporting it until a commit succeeds."""

import time
from dataclasses import dataclass

import structlog

from distribution.backoff import Backoff
from worker.readiness import Readiness

PART = "database"


@dataclass(frozen=True, slots=True)
class RetryDelays:
    """Seconds between two retries: doubled each time, up to `longest`.

    `hold`: after so many seconds unacknowledged deliveries are returned to the broker, which would close the channel
    of a consumer that does not acknowledge a delivery within 30 minutes.
    """

    first: float = 0.5
    longest: float = 10.0
    hold: float = 20 * 60.0


DEFAULT_DELAYS = RetryDelays()


class DatabaseOutage:
    """Begins with a failure and ends with the next commit, not before."""

    def __init__(self, readiness: Readiness, retry_delays: RetryDelays) -> None:
        self._readiness = readiness
        self._backoff = Backoff(retry_delays.first, retry_delays.longest)
        self._since: float | None = None
        self._log = structlog.get_logger("worker.database_outage")

    @property
    def seconds(self) -> float:
        """How long the outage has lasted; 0 if there is none."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    def failed(self, reason: str) -> float:
        """Report a failed attempt; returns how many seconds to pause before the next."""
        if self._since is None:
            self._since = time.monotonic()
        pause = self._backoff.pause()
        self._readiness.set_unready(PART, reason)
        self._log.warning("database_unavailable", reason=reason, next_try_seconds=pause)
        return pause

    def over(self) -> None:
        """Work was committed."""
        if self._since is not None:
            self._log.info("database_available", after_seconds=round(self.seconds, 1))
            self._readiness.set_ready(PART)
            self._since = None
            self._backoff.reset()
