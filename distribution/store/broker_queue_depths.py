"""How many messages the broker's queues held when a worker last measured, for processes without a broker."""

from collections.abc import Mapping
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.bulk import upsert
from distribution.store.tables import queue_depths

INBOUND, DEAD = "inbound", "dead"
EVER = datetime.min.replace(tzinfo=UTC)


async def write(conn: AsyncConnection, messages: Mapping[str, int], now: datetime) -> None:
    """Write how many messages each queue holds now."""
    rows = [{"queue": name, "messages": number, "measured_at": now} for name, number in sorted(messages.items())]
    await upsert(conn, queue_depths, ["queue"], rows)


async def since(conn: AsyncConnection, queue: str, moment: datetime) -> int | None:
    """Returns how many messages the queue held; None if it was not measured since that time."""
    d = queue_depths.c
    messages = await conn.scalar(sa.select(d.messages).where(d.queue == queue, d.measured_at >= moment))
    return None if messages is None else int(messages)
