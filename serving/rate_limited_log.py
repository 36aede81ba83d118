"""A log line that cannot flood the log."""

import asyncio
from collections import Counter

import structlog

SECONDS = 60.0
MOST_KNOWN = 1000
MOST_SHOWN = 5
OTHERS = "others"


class RateLimitedLog:
    """Logs the first occurrence at once, then at most once a minute the count, and the most frequent addresses."""

    def __init__(self, logger: str, event: str, seconds: float = SECONDS, **fields: object) -> None:
        self._logger, self._event, self._seconds, self._fields = logger, event, seconds, fields
        self._counts: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def say(self, who: str) -> None:
        """Count an occurrence caused by the address `who`; needs a running event loop."""
        self._counts[who if who in self._counts or len(self._counts) < MOST_KNOWN else OTHERS] += 1
        if self._timer is None:
            self._log_counts()

    def _log_counts(self) -> None:
        if not self._counts:
            self._timer = None
            return
        times, most = self._counts.total(), dict(self._counts.most_common(MOST_SHOWN))
        structlog.get_logger(self._logger).warning(self._event, times=times, addresses=most, **self._fields)
        self._counts.clear()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._log_counts)
