"""Current loads and backlog, from data that is kept up to date anyway: no statement here reads closed contacts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.admin.backlog import Backlog, backlog
from distribution.store import broker_queue_depths
from distribution.store.operators import EXISTING, OperatorRow
from distribution.store.operators import FIELDS as OPERATOR_FIELDS
from distribution.store.tables import operators

LATELY = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Stats:
    """Every operator with its load, and the backlog."""

    operators: Sequence[OperatorRow]
    backlog: Backlog
    dead: int | None
    """Dead-lettered messages that no worker has parked yet; None if no worker has measured recently."""

    @property
    def waiting(self) -> int:
        """Number of waiting contacts of all sources."""
        return sum(source.waiting for source in self.backlog.sources)

    @property
    def active(self) -> int:
        """Number of active contacts: the sum of the operators' loads."""
        return sum(operator.load for operator in self.operators)


async def stats(conn: AsyncConnection) -> Stats:
    """Returns loads, as stored with the operators, and the backlog."""
    rows = await conn.execute(sa.select(*OPERATOR_FIELDS).where(EXISTING).order_by(operators.c.id))
    dead = await broker_queue_depths.since(conn, broker_queue_depths.DEAD, datetime.now(UTC) - LATELY)
    return Stats([OperatorRow(*row) for row in rows], await backlog(conn), dead)
