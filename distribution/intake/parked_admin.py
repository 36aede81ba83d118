"""Lets admins list, replay and drop parked messages."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from random import Random
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.audit import Action, record
from distribution.errors import NotFound
from distribution.intake.decoder import Decoder
from distribution.intake.replay import Replayed, drop, open_row, replay_code, replay_one
from distribution.optimistic_locking import Edit
from distribution.store.database import Database
from distribution.store.dialects import UUIDS, octets
from distribution.store.pagination import Page, cut_by_size
from distribution.store.parked_messages import FIELDS, Parked
from distribution.store.tables import parked_messages

AssignWaiting = Callable[[frozenset[int]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ParkedFilter:
    """Which parked messages to list; None matches any."""

    state: str | None = None
    code: str | None = None
    source: str | None = None


async def page(
    conn: AsyncConnection, parked_filter: ParkedFilter, before: UUID | None, limit: int
) -> Page[Parked, UUID]:
    """Parked messages, the newest first; a page of large messages is shorter than `limit`."""
    p = parked_messages.c
    size = octets(p.body) + octets(p.properties)
    query = sa.select(p.id, size).order_by(p.id.desc()).limit(limit + 1)
    for name in ParkedFilter.__slots__:
        if (value := getattr(parked_filter, name)) is not None:
            query = query.where(p[name] == value if name != "source" else _is_of_source(value))
    if before is not None:
        query = query.where(p.id < before)
    ids = cut_by_size([(row[0], row[1]) for row in await conn.execute(query)], limit)
    return Page(await _by_ids(conn, ids.items), ids.last)


def _is_of_source(source: str) -> sa.ColumnElement[bool]:
    p = parked_messages.c
    return sa.or_(p.source == source, p.named_source == source)


def shown_source(row: Parked) -> str | None:
    """The source that a message belongs to or names."""
    return row.named_source or row.source


async def show(conn: AsyncConnection, parked_id: UUID) -> Parked:
    """One parked message; raises NotFound."""
    rows = await _by_ids(conn, [parked_id])
    if not rows:
        raise NotFound("parked message", parked_id)
    return rows[0]


async def replay(conn: AsyncConnection, random: Random, decoder: Decoder, parked_id: UUID, edit: Edit) -> Replayed:
    """Try one parked message again; raises Conflict if it was replayed or dropped already.

    The sender's permissions are not checked: the admin who replays it answers for it.
    """
    before = _state(await open_row(conn, parked_id))
    result = await replay_one(conn, random, decoder.for_any_sender(), parked_id)
    after = _state(await show(conn, parked_id))
    await record(conn, edit.actor, Action.PARKED_REPLAYED, parked_id, before, after)
    return result


async def replay_all(
    database: Database, decoder: Decoder, code: str, edit: Edit, serve: AssignWaiting
) -> tuple[int, int]:
    """Try every parked message of a code again, oldest first, in as many transactions as it takes.

    Returns how many were processed, and how many were parked again. `serve` assigns the waiting contacts of the
    sources that each transaction leaves unserved. The audit has one row per transaction, under the code.
    """
    replayed, parked_again, after = 0, 0, None
    while True:
        result = await database.run(partial(_replay_some, database.random, decoder, code, after, edit))
        await serve(result.unserved)
        replayed, parked_again, after = replayed + result.replayed, parked_again + result.parked_again, result.last
        if after is None:
            return replayed, parked_again


async def _replay_some(
    random: Random, decoder: Decoder, code: str, after: UUID | None, edit: Edit, conn: AsyncConnection
) -> Replayed:
    result = await replay_code(conn, random, decoder.for_any_sender(), code, after)
    if result.last is not None:
        counts = {"replayed": result.replayed, "parked_again": result.parked_again}
        await record(conn, edit.actor, Action.PARKED_REPLAYED, code, None, counts)
    return result


async def drop_message(conn: AsyncConnection, parked_id: UUID, edit: Edit) -> None:
    """Drop a parked message; raises Conflict if it was replayed or dropped already."""
    before = _state(await open_row(conn, parked_id))
    await record(conn, edit.actor, Action.PARKED_DROPPED, parked_id, before, _state(await drop(conn, parked_id)))


def _state(row: Parked) -> dict[str, Any]:
    """The state that the audit records: never the message itself, which may hold anything."""
    return {"state": row.state, "code": row.code, "attempts": row.attempts}


async def _by_ids(conn: AsyncConnection, ids: Sequence[UUID]) -> list[Parked]:
    if not ids:
        return []
    statement = sa.select(*FIELDS).join(UUIDS, parked_messages.c.id == UUIDS.c.id)
    rows = await conn.execute(statement, UUIDS.bound(conn, ids))
    return sorted((Parked(*row) for row in rows), key=attrgetter("id"), reverse=True)
