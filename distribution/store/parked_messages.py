"""Parked messages, with body and properties byte for byte."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.store.bulk import row_of, update_fields
from distribution.store.dialects import insert_into
from distribution.store.tables import OPEN, parked_messages, sources

DEFERRED, REJECTED, REPLAYED, DROPPED = "deferred", "rejected", "replayed", "dropped"
STATES = DEFERRED, REJECTED, REPLAYED, DROPPED
SOURCES_DUE = 1_000
RANKED = 20_000


@dataclass(slots=True)
class Parked:
    """A row of `parked_messages`; `properties` is JSON text.

    `retries`: how often the deferred message was retried; `body_size` is set if `body` is only the beginning.
    `source` decides which source's turn it is; `named_source` is only what the sender claims.
    """

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
    retries: int = 0
    body_size: int | None = None
    body_digest: bytes | None = None
    named_source: str | None = None


FIELDS = tuple(parked_messages.c[name] for name in Parked.__slots__)


async def park(conn: AsyncConnection, messages: Sequence[Parked]) -> None:
    """Write messages; one that is parked already and came again counts one more attempt and is deferred again.

    One that waits for its retry keeps waiting, even if the copy was rejected: the retry decides.
    """
    if not messages:
        return
    statement = insert_into(conn.dialect.name, parked_messages)
    p, new = parked_messages.c, statement.excluded
    keeps_waiting = sa.and_(p.state == DEFERRED, new.state == REJECTED)
    names = ("state", "code", "detail", "source", "next_attempt_at", "retries", "named_source")
    statement = statement.on_conflict_do_update(
        index_elements=["fingerprint"],
        index_where=OPEN,
        set_={"attempts": p.attempts + 1}
        | {name: sa.case((keeps_waiting, p[name]), else_=new[name]) for name in names},
    )
    await conn.execute(statement, [row_of(message) for message in sorted(messages, key=lambda m: m.fingerprint)])


async def replace_fingerprints(conn: AsyncConnection, fingerprints: Mapping[bytes, bytes]) -> None:
    """Replace the fingerprints of open rows (old to new), so that equal messages can have rows of their own."""
    if not fingerprints:
        return
    p = parked_messages.c
    statement = sa.update(parked_messages).where(p.fingerprint == sa.bindparam("equal"), OPEN)
    rows = [{"equal": equal, "new_fingerprint": fingerprints[equal]} for equal in sorted(fingerprints)]
    await conn.execute(statement.values(fingerprint=sa.bindparam("new_fingerprint")), rows)


async def due(
    conn: AsyncConnection, now: datetime, limit: int, most_bytes: int, left_out: Collection[str | None] = ()
) -> list[Parked]:
    """Lock and return deferred messages that are due: one of each source in turn, as many bodies as fit, at least one.

    Sources that do not exist take one turn together: any sender can invent them. Rows that another worker has locked
    are skipped. `left_out`: sources to skip; None stands for messages without one.
    """
    p = parked_messages.c
    is_due = _is_due(now, left_out)
    turn = sa.func.row_number().over(partition_by=sources.c.id, order_by=(p.next_attempt_at, p.id))
    # Only the RANKED that have been due the longest take turns: ranking all of very many takes too long.
    longest = sa.select(p.id).where(is_due).order_by(p.next_attempt_at).limit(RANKED)
    lines = (
        sa.select(p.id, sa.func.length(p.body).label("size"), turn.label("turn"), p.next_attempt_at)
        .outerjoin(sources, sources.c.code == p.source)
        .where(p.id.in_(longest))
        .subquery()
    )
    place = sa.func.row_number().over(order_by=(lines.c.turn, lines.c.next_attempt_at, lines.c.id)).label("place")
    chosen = sa.select(lines.c.id, lines.c.size, place).order_by(place).limit(limit)
    return await _lock_fitting(conn, chosen, is_due, most_bytes)


async def sources_due(conn: AsyncConnection, now: datetime, left_out: Collection[str | None] = ()) -> set[str | None]:
    """Returns the sources of due messages, up to SOURCES_DUE; takes no locks."""
    some = sa.select(parked_messages.c.source).where(_is_due(now, left_out)).distinct().limit(SOURCES_DUE)
    return set(await conn.scalars(some))


def _is_due(now: datetime, left_out: Collection[str | None]) -> sa.ColumnElement[bool]:
    p = parked_messages.c
    conditions = [p.state == sa.literal_column("'deferred'"), p.next_attempt_at <= now]
    if None in left_out:
        conditions.append(p.source.is_not(None))
    if codes := [code for code in left_out if code is not None]:
        conditions.append(sa.or_(p.source.is_(None), p.source.not_in(codes)))
    return sa.and_(*conditions)


async def open_ones(conn: AsyncConnection, code: str, after: UUID | None, limit: int, most_bytes: int) -> list[Parked]:
    """Lock and return open parked messages with a code, oldest first; as many bodies as fit, at least one."""
    p = parked_messages.c
    is_open = sa.and_(p.state.in_((DEFERRED, REJECTED)), p.code == code)
    if after is not None:
        is_open = sa.and_(is_open, p.id > after)
    place = sa.func.row_number().over(order_by=p.id).label("place")
    chosen = sa.select(p.id, sa.func.length(p.body).label("size"), place).where(is_open).order_by(p.id).limit(limit)
    return await _lock_fitting(conn, chosen, is_open, most_bytes)


async def lock(conn: AsyncConnection, parked_id: UUID) -> Parked | None:
    """Lock and return one parked message; None if there is none."""
    result = await conn.execute(sa.select(*FIELDS).where(parked_messages.c.id == parked_id).with_for_update())
    row = result.one_or_none()
    return None if row is None else Parked(*row)


async def update(conn: AsyncConnection, rows: Sequence[Parked]) -> None:
    """Write the fields that another attempt changed."""
    names = ("state", "code", "detail", "source", "attempts", "next_attempt_at", "retries")
    await update_fields(conn, parked_messages, names, rows)


async def _lock_fitting(
    conn: AsyncConnection, chosen: sa.Select[Any], still: sa.ColumnElement[bool], most_bytes: int
) -> list[Parked]:
    """Lock rows of `chosen` (id, size, place) that `still` match, in order, until their bodies fill `most_bytes`."""
    candidates = chosen.subquery()
    before = sa.func.sum(candidates.c.size).over(order_by=candidates.c.place) - candidates.c.size
    fitting = sa.select(candidates.c.id, candidates.c.place, before.label("before")).subquery()
    query = (
        sa.select(*FIELDS)
        .join(fitting, fitting.c.id == parked_messages.c.id)
        .where(fitting.c.before < most_bytes, still)
        .order_by(fitting.c.place)
        .with_for_update(skip_locked=True, of=parked_messages)
    )
    return [Parked(*row) for row in await conn.execute(query)]
