"""The reason of every change of a contact: a row per change, and per transaction what all its picks share."""

from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.selection.decision_record import OPERATORS, DecisionRecord, by_source, gaps, numbers, source_at
from distribution.store.bulk import Columns, columns_of, insert_columns
from distribution.store.dialects import POSTGRESQL, ValuesTable
from distribution.store.tables import decision_batches, decisions, rosters


@dataclass(frozen=True, slots=True)
class Decision:
    """One change of a contact; `position` is its step in the record of the batch, None if no operator was chosen."""

    contact_id: UUID
    sequence: int
    event_id: UUID
    type: str
    operator_id: int | None
    previous_operator_id: int | None
    reason: str | None
    batch_id: UUID | None
    position: int | None


Place = tuple[UUID, int]
"""A batch, and the position of a step in its record."""

DIGEST_BYTES = 16
DIGESTS = ValuesTable("digests", digest=sa.LargeBinary())
KNOWN_ROSTERS = sa.select(rosters.c.digest).join(DIGESTS, DIGESTS.c.digest == rosters.c.digest)
SOURCES, ROSTERS = "sources", "rosters"
"""In a record whose roster is stored in parts: its sources' ids, as gaps, and the digests of their rosters, base64."""
FIELDS = tuple(decisions.c[name] for name in Decision.__slots__)


async def insert_batch(conn: AsyncConnection, batch_id: UUID, record: DecisionRecord) -> None:
    """Write a record; its roster is stored once for all records that share it, in parts if it has several sources."""
    data, of_source = record.to_data(), by_source(record.roster)
    parts = list(of_source.values()) if len(of_source) > 1 else [record.roster]
    bodies = [_compact(part) for part in parts]
    digests = [blake2b(body.encode(), digest_size=DIGEST_BYTES).digest() for body in bodies]
    if len(parts) > 1:
        ids = [operator[0] for operator in record.roster["operators"]]
        data |= {OPERATORS: gaps(ids), SOURCES: gaps(list(of_source)), ROSTERS: b64encode(b"".join(digests)).decode()}
    await _insert_rosters(conn, dict(zip(digests, bodies, strict=True)))
    batch: Columns = {"id": [batch_id], "roster": digests[:1], "body": [_compact(data)]}
    await insert_columns(conn, decision_batches, batch)


async def _insert_rosters(conn: AsyncConnection, bodies: dict[bytes, str]) -> None:
    if conn.dialect.name == POSTGRESQL and len(bodies) > 1:
        # Nearly all exist already, so at first only their digests are sent to the server.
        known = await conn.scalars(KNOWN_ROSTERS, DIGESTS.bound(conn, list(bodies)))
        bodies = {digest: bodies[digest] for digest in bodies.keys() - set(known)}
    columns: Columns = {"digest": list(bodies), "body": list(bodies.values())}
    await insert_columns(conn, rosters, columns, skip_known=True)


async def insert(conn: AsyncConnection, new: Sequence[Decision]) -> None:
    """Write decisions."""
    await insert_columns(conn, decisions, columns_of(new))


async def of_contact(conn: AsyncConnection, contact_id: UUID) -> list[Decision]:
    """Returns a contact's decisions in order."""
    rows = await conn.execute(
        sa.select(*FIELDS).where(decisions.c.contact_id == contact_id).order_by(decisions.c.sequence)
    )
    return [Decision(*row) for row in rows]


async def records(conn: AsyncConnection, places: Collection[Place]) -> dict[Place, DecisionRecord]:
    """Returns what each pick was made from: the record of its batch, as far as it concerns the pick's source."""
    if not places:
        return {}
    batches = await conn.execute(
        sa.select(decision_batches).where(decision_batches.c.id.in_({batch_id for batch_id, _ in places}))
    )
    batch_data = {row.id: (row.roster, orjson.loads(row.body)) for row in batches}
    picks: dict[Place, tuple[int, bytes]] = {}
    for batch_id, position in places:
        roster, data = batch_data[batch_id]
        if (source_id := source_at(data, position)) is not None:
            picks[batch_id, position] = source_id, _roster_of(source_id, roster, data)
    parts = await conn.execute(sa.select(rosters).where(rosters.c.digest.in_({digest for _, digest in picks.values()})))
    by_digest = {row.digest: orjson.loads(row.body) for row in parts}
    return {
        place: DecisionRecord.of_source(source_id, by_digest[digest], batch_data[place[0]][1])
        for place, (source_id, digest) in picks.items()
    }


async def newest_records(conn: AsyncConnection, limit: int) -> AsyncIterator[tuple[UUID, int, DecisionRecord]]:
    """Yields (batch id, source id, record as far as it concerns the source) of the newest batches, one at a time."""
    columns = decision_batches.c
    for batch_id in (await conn.scalars(sa.select(columns.id).order_by(columns.id.desc()).limit(limit))).all():
        body = (await conn.execute(sa.select(columns.body).where(columns.id == batch_id))).scalar_one()
        data = orjson.loads(body)
        picked_for = {source_at(data, position): position for position in range(len(data["steps"]))}
        for source_id, position in picked_for.items():
            if source_id is not None:
                place = batch_id, position
                yield batch_id, source_id, (await records(conn, [place]))[place]


def _roster_of(source_id: int, roster: bytes, data: dict[str, Any]) -> bytes:
    if ROSTERS not in data:
        return roster
    start = numbers(data[SOURCES]).index(source_id) * DIGEST_BYTES
    return b64decode(data[ROSTERS])[start : start + DIGEST_BYTES]


def _compact(data: dict[str, Any]) -> str:
    return orjson.dumps(data).decode()
