"""Parked messages, body and properties byte for byte."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.rows import row_of
from distribution.store.tables import OPEN, parked_messages

DEFERRED, REJECTED, REPLAYED, DROPPED = "deferred", "rejected", "replayed", "dropped"


@dataclass(slots=True)
class Parked:
    """A row of `parked_messages`; `properties` is JSON text."""

    id: UUID
    state: str
    code: str
    detail: str
    source: str | None
    message_id: str | None
    body: bytes
    properties: str
    fingerprint: bytes
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None = None


FIELDS = tuple(parked_messages.c[name] for name in Parked.__slots__)


async def park(conn: AsyncConnection, messages: Sequence[Parked]) -> None:
    """Keep messages; one that is parked already and came again counts one attempt more."""
    if not messages:
        return
    insert = postgresql.insert if conn.dialect.name == "postgresql" else sqlite.insert
    statement = insert(parked_messages)
    statement = statement.on_conflict_do_update(
        index_elements=["fingerprint"],
        index_where=OPEN,
        set_={
            "attempts": parked_messages.c.attempts + 1,
            "code": statement.excluded.code,
            "detail": statement.excluded.detail,
            "source": statement.excluded.source,
        },
    )
    await conn.execute(statement, [row_of(message) for message in sorted(messages, key=lambda m: m.fingerprint)])


async def due(conn: AsyncConnection, now: datetime, limit: int) -> list[Parked]:
    """Deferred messages whose time has come, locked; what another worker is at is left to it."""
    p = parked_messages.c
    query = sa.select(*FIELDS).where(p.state == sa.literal_column("'deferred'"), p.next_attempt_at <= now)
    return await _locked(conn, query.order_by(p.next_attempt_at).limit(limit))


async def any_due(conn: AsyncConnection, now: datetime) -> bool:
    """Whether there are such; a read."""
    p = parked_messages.c
    wanted = sa.exists().where(p.state == sa.literal_column("'deferred'"), p.next_attempt_at <= now)
    return bool(await conn.scalar(sa.select(wanted)))


async def open_ones(conn: AsyncConnection, code: str, after: UUID | None, limit: int) -> list[Parked]:
    """Parked messages of a code that are not done with, oldest first, locked."""
    p = parked_messages.c
    query = sa.select(*FIELDS).where(p.state.in_((DEFERRED, REJECTED)), p.code == code)
    if after is not None:
        query = query.where(p.id > after)
    return await _locked(conn, query.order_by(p.id).limit(limit))


async def lock(conn: AsyncConnection, parked_id: UUID) -> Parked | None:
    """One parked message, locked."""
    found = await conn.execute(sa.select(*FIELDS).where(parked_messages.c.id == parked_id).with_for_update())
    row = found.one_or_none()
    return None if row is None else Parked(*row)


async def update(conn: AsyncConnection, rows: Sequence[Parked]) -> None:
    """Write what another attempt changed."""
    if not rows:
        return
    names = ("state", "code", "detail", "source", "attempts", "next_attempt_at")
    statement = (
        sa.update(parked_messages)
        .where(parked_messages.c.id == sa.bindparam("parked_id"))
        .values({name: sa.bindparam(f"new_{name}") for name in names})
    )
    await conn.execute(
        statement, [{"parked_id": row.id} | {f"new_{name}": getattr(row, name) for name in names} for row in rows]
    )


async def _locked(conn: AsyncConnection, query: sa.Select[*tuple[Any, ...]]) -> list[Parked]:
    return [Parked(*row) for row in await conn.execute(query.with_for_update(skip_locked=True))]
