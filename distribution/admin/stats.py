"""How things stand, from what is kept up to date anyway: no statement here reads closed contacts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.admin.backlog import Backlog, backlog
from distribution.store import queue_depths
from distribution.store.operators import EXISTING, OperatorRow
from distribution.store.operators import FIELDS as OPERATOR_FIELDS
from distribution.store.tables import operators

LATELY = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Stats:
    """Every operator with its load, and what has still to be done."""

    operators: Sequence[OperatorRow]
    backlog: Backlog
    dead: int | None
    """Messages that the broker gave up and no worker has parked yet; None if no worker has looked lately."""

    @property
    def waiting(self) -> int:
        """Contacts that wait, over all sources."""
        return sum(source.waiting for source in self.backlog.sources)

    @property
    def active(self) -> int:
        """Contacts that operators have: the sum of their loads."""
        return sum(operator.load for operator in self.operators)


async def stats(conn: AsyncConnection) -> Stats:
    """Loads as the operators' rows hold them, and the backlog."""
    everybody = await conn.execute(sa.select(*OPERATOR_FIELDS).where(EXISTING).order_by(operators.c.id))
    dead = await queue_depths.since(conn, queue_depths.DEAD, datetime.now(UTC) - LATELY)
    return Stats([OperatorRow(*row) for row in everybody], await backlog(conn), dead)
