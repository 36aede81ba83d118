"""The database's own clock: several processes agree on it, even if their own clocks differ."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.dialects import ByDialect

SECONDS: sa.ColumnElement[float] = ByDialect(
    sa.literal_column("CAST(extract(epoch FROM statement_timestamp()) AS double precision)", sa.Float),
    # SQLite's `unixepoch` has no fractions of a second before 3.42.
    sa.literal_column("((julianday('now') - 2440587.5) * 86400.0)", sa.Float),
)
"""Seconds since the epoch when the statement began, to the millisecond."""


async def now(conn: AsyncConnection) -> datetime:
    """Returns the time by that clock, in UTC."""
    return datetime.fromtimestamp((await conn.execute(sa.select(SECONDS))).scalar_one(), UTC)
