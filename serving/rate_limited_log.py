"""A log line that cannot be made to flood the log."""

import asyncio
from collections import Counter

import structlog

SECONDS = 60.0
MOST_KNOWN = 1000
MOST_SHOWN = 5
OTHERS = "others"


class RateLimitedLog:
    """Logs the first occurrence at once, then at most every minute how many there were, and whose most were."""

    def __init__(self, logger: str, event: str, seconds: float = SECONDS, **always: object) -> None:
        self._logger, self._event, self._seconds, self._always = logger, event, seconds, always
        self._counts: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def say(self, who: str) -> None:
        """It happened once more, because of `who`; needs a running event loop."""
        self._counts[who if who in self._counts or len(self._counts) < MOST_KNOWN else OTHERS] += 1
        if self._timer is None:
            self._tell()

    def _tell(self) -> None:
        if not self._counts:
            self._timer = None
            return
        times, most = self._counts.total(), dict(self._counts.most_common(MOST_SHOWN))
        structlog.get_logger(self._logger).warning(self._event, times=times, addresses=most, **self._always)
        self._counts.clear()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._tell)
