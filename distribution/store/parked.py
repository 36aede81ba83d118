"""Parked messages, body and properties byte for byte."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

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
        },
    )
    await conn.execute(statement, [asdict(message) for message in sorted(messages, key=lambda m: m.fingerprint)])
