"""Log lines for what can happen a thousand times a second: one per incident, not per occurrence."""

import time
from collections import OrderedDict
from collections.abc import Callable

import structlog

QUIET_SECONDS = 60.0
INCIDENTS_AT_MOST = 20


class IncidentLog:
    """Logs the first occurrence of each incident, then at most once a minute how often it occurred since.

    `about`, which distinguishes incidents of one event, may be a sender's choice: INCIDENTS_AT_MOST are distinguished
    per event, all others count as one.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = structlog.get_logger(name), clock
        self._quiet: dict[str, OrderedDict[str, tuple[float, int]]] = {}

    def tell(self, event: str, about: str, level: str = "warning", **more: str | float | None) -> None:
        """Log the occurrence, or count it for the next line of the same incident."""
        now, known = self._clock(), self._quiet.setdefault(event, OrderedDict())
        if about not in known and len(known) >= INCIDENTS_AT_MOST:
            self._forget_expired(known, now)
            about = about if len(known) < INCIDENTS_AT_MOST else ""
        until, times = known.get(about, (now, 0))
        if now < until:
            known[about] = until, times + 1
            return
        known[about] = now + QUIET_SECONDS, 0
        getattr(self._log, level)(event, about=about or "others", times=times + 1, **more)

    def _forget_expired(self, known: OrderedDict[str, tuple[float, int]], now: float) -> None:
        expired = [about for about, (until, _) in known.items() if until <= now]
        for about in expired:
            del known[about]
