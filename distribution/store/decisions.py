"""Why every change of a contact fell as it did: a row per change, and per transaction what all its picks share."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.selection.record import Record
from distribution.store.rows import POSTGRESQL, columns_of, insert_columns
from distribution.store.tables import decision_batches, decisions, rosters


@dataclass(frozen=True, slots=True)
class Decision:
    """One change of a contact; `position` is its step in the record of the batch, None where nothing was chosen."""

    contact_id: UUID
    sequence: int
    event_id: UUID
    type: str
    operator_id: int | None
    previous_operator_id: int | None
    reason: str | None
    batch_id: UUID | None
    position: int | None


FIELDS = tuple(decisions.c[name] for name in Decision.__slots__)


async def insert_batch(conn: AsyncConnection, batch_id: UUID, record: Record) -> None:
    """Keep a record; its roster is kept once for all records that share it."""
    roster = _compact(record.roster)
    digest = blake2b(roster.encode(), digest_size=16).digest()
    await conn.execute(_insert_roster(conn.dialect.name), {"digest": digest, "body": roster})
    body = _compact(record.to_data())
    await insert_columns(conn, decision_batches, {"id": [batch_id], "roster": [digest], "body": [body]})


@cache
def _insert_roster(dialect: str) -> sa.Insert:
    insert = postgresql.insert if dialect == POSTGRESQL else sqlite.insert
    return insert(rosters).on_conflict_do_nothing(index_elements=["digest"])


async def insert(conn: AsyncConnection, new: Sequence[Decision]) -> None:
    """Write decisions."""
    await insert_columns(conn, decisions, columns_of(new))


async def of_contact(conn: AsyncConnection, contact_id: UUID) -> list[Decision]:
    """A contact's decisions in order."""
    rows = await conn.execute(
        sa.select(*FIELDS).where(decisions.c.contact_id == contact_id).order_by(decisions.c.sequence)
    )
    return [Decision(*row) for row in rows]


async def records(conn: AsyncConnection, batch_ids: Sequence[UUID]) -> dict[UUID, Record]:
    """The kept records of some batches."""
    rows = await conn.execute(
        sa.select(decision_batches.c.id, rosters.c.body, decision_batches.c.body)
        .join(rosters, rosters.c.digest == decision_batches.c.roster)
        .where(decision_batches.c.id.in_(batch_ids))
    )
    return {batch_id: Record.from_data(orjson.loads(roster), orjson.loads(body)) for batch_id, roster, body in rows}


def _compact(data: dict[str, Any]) -> str:
    return orjson.dumps(data).decode()
