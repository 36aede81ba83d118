"""Log lines for what can happen a thousand times a second: one for each incident, not for each time."""

import time
from collections import OrderedDict
from collections.abc import Callable

import structlog

QUIET_SECONDS = 60.0
INCIDENTS_AT_MOST = 20


class IncidentLog:
    """Logs the first time of each incident of a kind, then at most once a minute how often it came since.

    What tells incidents apart may be a sender's choice: of each kind a few are told apart, all others are one.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = structlog.get_logger(name), clock
        self._quiet: dict[str, OrderedDict[str, tuple[float, int]]] = {}

    def tell(self, event: str, about: str, level: str = "warning", **more: str | float | None) -> None:
        """Log it, or count it for the next line about the same."""
        now, known = self._clock(), self._quiet.setdefault(event, OrderedDict())
        if about not in known and len(known) >= INCIDENTS_AT_MOST:
            self._forget_over(known, now)
            about = about if len(known) < INCIDENTS_AT_MOST else ""
        until, times = known.get(about, (now, 0))
        if now < until:
            known[about] = until, times + 1
            return
        known[about] = now + QUIET_SECONDS, 0
        getattr(self._log, level)(event, about=about or "others", times=times + 1, **more)

    def _forget_over(self, known: OrderedDict[str, tuple[float, int]], now: float) -> None:
        over = [about for about, (until, _) in known.items() if until <= now]
        for about in over:
            del known[about]
