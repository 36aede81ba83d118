"""The database's own clock: several processes agree on it, even if their own clocks differ."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

POSTGRESQL_EPOCH = "CAST(extract(epoch FROM statement_timestamp()) AS double precision)"
# SQLite's `unixepoch` has no fractions of a second before 3.42.
SQLITE_EPOCH = "((julianday('now') - 2440587.5) * 86400.0)"


def seconds(dialect: str) -> sa.ColumnElement[float]:
    """Seconds since the epoch when the statement began, to the millisecond."""
    return sa.literal_column(POSTGRESQL_EPOCH if dialect == "postgresql" else SQLITE_EPOCH, sa.Float)


async def now(conn: AsyncConnection) -> datetime:
    """Returns the time by that clock, in UTC."""
    return datetime.fromtimestamp((await conn.execute(sa.select(seconds(conn.dialect.name)))).scalar_one(), UTC)
