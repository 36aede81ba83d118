"""The backlog as gauges for Prometheus: read from the database periodically, never during a scrape."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic

import structlog
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from distribution.admin.backlog import Backlog, backlog
from distribution.store.database import Database
from distribution.store.db_errors import describe_error

EVERY_SECONDS = 15.0
SHARE_OF_TIME = 0.05
"""The largest share of time spent on counting: a backlog that takes long to count is counted less often."""


class BacklogGauges(Collector):
    """The figures read last, with ages as of now. A source or code that no longer exists has no series."""

    def __init__(self, database: Database, every_seconds: float = EVERY_SECONDS) -> None:
        self._database, self._every_seconds = database, every_seconds
        self._latest: Backlog | None = None
        self._read_at = datetime.now(UTC)
        self._failing = False
        self._log = structlog.get_logger("gauges")

    async def run(self, stopping: asyncio.Event) -> None:
        """Read periodically until stopped; while the database is unavailable, the last figures stay."""
        while not stopping.is_set():
            started = monotonic()
            await self._try_to_read()
            pause = max(self._every_seconds, (monotonic() - started) / SHARE_OF_TIME)
            with suppress(TimeoutError):  # the pause is over
                await asyncio.wait_for(stopping.wait(), pause)

    async def read(self) -> None:
        """Read the backlog once."""
        async with self._database.reading() as conn:
            self._latest = await backlog(conn)
        self._read_at = datetime.now(UTC)

    def collect(self) -> Iterator[Metric]:
        """The gauges; none before the first reading."""
        if self._latest is None:
            return
        now = datetime.now(UTC)
        yield from _waiting(self._latest, now)
        yield from _parked(self._latest)
        yield from _outbox(self._latest, now)
        age = "Since the other gauges of the database were read"
        yield GaugeMetricFamily("contacts_gauges_age_seconds", age, value=_seconds(self._read_at, now))

    async def _try_to_read(self) -> None:
        try:
            await self.read()
        except Exception as error:
            # Gauges are informational: no error of theirs may end the process.
            if not self._failing:
                self._log.warning("gauges_not_read", reason=describe_error(error))
            self._failing = True
        else:
            self._failing = False


def _waiting(latest: Backlog, now: datetime) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("contacts_waiting", "Contacts that wait", labels=["source"])
    oldest = GaugeMetricFamily(
        "contacts_waiting_oldest_seconds", "Age of the oldest waiting contact, 0 while none waits", labels=["source"]
    )
    for source in latest.sources:
        waiting.add_metric([source.code], source.waiting)
        oldest.add_metric([source.code], _seconds(source.oldest_wait, now))
    yield waiting
    yield oldest


def _parked(latest: Backlog) -> Iterator[Metric]:
    parked = GaugeMetricFamily("contacts_parked", "Open parked messages", labels=["code", "state"])
    for line in latest.parked:
        parked.add_metric([line.code, line.state], line.count)
    yield parked


def _outbox(latest: Backlog, now: datetime) -> Iterator[Metric]:
    pending = "Events and replies that are not published yet"
    yield GaugeMetricFamily("contacts_outbox_pending", pending, value=latest.outbox.rows)
    oldest = "Age of the oldest that is not published yet, 0 while there is none"
    yield GaugeMetricFamily("contacts_outbox_oldest_seconds", oldest, value=_seconds(latest.outbox.oldest, now))


def _seconds(since: datetime | None, now: datetime) -> float:
    # Another machine's clock may have made the id: never let it look like the future.
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
