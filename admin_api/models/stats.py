"""Stats: response body and its serializer."""

from datetime import UTC, datetime

from typing_extensions import TypedDict

from admin_api.models.common import time_or_null
from admin_api.models.operators import OperatorLine, operator_line
from admin_api.models.parked import Code, OpenState
from distribution.admin.backlog import SourceLine
from distribution.admin.stats import Stats
from distribution.event_shapes import Time
from distribution.ids import isoformat


class SourceWaiting(TypedDict):
    """How many contacts of a source wait, and when the oldest was created; null if none waits."""

    id: int
    code: str
    waiting: int
    oldest_wait: Time | None
    oldest_wait_seconds: float | None


class ParkedCount(TypedDict):
    """How many open parked messages have a code; codes without any are omitted."""

    code: Code
    state: OpenState
    count: int


class OutboxHousekeeping(TypedDict):
    """How many events and replies are unpublished, and when the oldest was written; null if there is none."""

    rows: int
    oldest: Time | None


class Totals(TypedDict):
    """Waiting and active contacts. Closed ones are not counted: no counter is kept of them."""

    waiting: int
    active: int


class StatsShape(TypedDict):
    """Loads and backlog at `time`.

    `dead`: messages that the broker gave up and no worker has parked yet; null if no worker has looked lately.
    """

    time: Time
    operators: list[OperatorLine]
    sources: list[SourceWaiting]
    totals: Totals
    parked: list[ParkedCount]
    outbox: OutboxHousekeeping
    dead: int | None


def stats_shape(stats: Stats) -> StatsShape:
    """Returns the response body of the stats."""
    now, backlog = datetime.now(UTC), stats.backlog
    return {
        "time": isoformat(now),
        "operators": [operator_line(row) for row in stats.operators],
        "sources": [_source(line, now) for line in backlog.sources],
        "totals": {"waiting": stats.waiting, "active": stats.active},
        "parked": [{"code": line.code, "state": line.state, "count": line.count} for line in backlog.parked],
        "outbox": {"rows": backlog.outbox.rows, "oldest": time_or_null(backlog.outbox.oldest)},
        "dead": stats.dead,
    }


def _source(line: SourceLine, now: datetime) -> SourceWaiting:
    since = line.oldest_wait
    return {
        "id": line.id,
        "code": line.code,
        "waiting": line.waiting,
        "oldest_wait": time_or_null(since),
        # Another machine's clock made the id: never let it look like the future.
        "oldest_wait_seconds": None if since is None else max(0.0, round((now - since).total_seconds(), 3)),
    }
