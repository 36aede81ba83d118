"""How things stand, from what is kept up to date anyway: no statement here reads closed contacts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.ids import time_of
from distribution.store.operators import EXISTING, OperatorRow
from distribution.store.operators import FIELDS as OPERATOR_FIELDS
from distribution.store.tables import contacts, operators, sources


@dataclass(frozen=True, slots=True)
class SourceLine:
    """How many contacts of a source wait, and since when the oldest does."""

    id: int
    code: str
    waiting: int
    oldest_wait: datetime | None


@dataclass(frozen=True, slots=True)
class Stats:
    """Every operator with its load, every source with its waiting contacts."""

    operators: Sequence[OperatorRow]
    sources: Sequence[SourceLine]

    @property
    def waiting(self) -> int:
        """Contacts that wait, over all sources."""
        return sum(source.waiting for source in self.sources)

    @property
    def active(self) -> int:
        """Contacts that operators have: the sum of their loads."""
        return sum(operator.load for operator in self.operators)


async def stats(conn: AsyncConnection) -> Stats:
    """Loads as the operators' rows hold them, and waiting contacts counted in the index that holds nothing else."""
    everybody = await conn.execute(sa.select(*OPERATOR_FIELDS).where(EXISTING).order_by(operators.c.id))
    of_source = sa.and_(contacts.c.source_id == sources.c.id, contacts.c.status == sa.literal_column("'waiting'"))
    count = sa.select(sa.func.count()).select_from(contacts).where(of_source).scalar_subquery()
    oldest = sa.select(contacts.c.id).where(of_source).order_by(contacts.c.id).limit(1).scalar_subquery()
    lines = await conn.execute(sa.select(sources.c.id, sources.c.code, count, oldest).order_by(sources.c.id))
    return Stats(
        [OperatorRow(*row) for row in everybody],
        [SourceLine(row[0], row[1], row[2], None if row[3] is None else time_of(row[3])) for row in lines],
    )
