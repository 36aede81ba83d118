"""Messages that could not be processed, as admins read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.errors import NotFound
from distribution.store.pages import Page, cut
from distribution.store.parked import FIELDS, Parked
from distribution.store.rows import values_table
from distribution.store.tables import parked_messages

PAGE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which parked messages to list; None is any."""

    state: str | None = None
    code: str | None = None
    source: str | None = None


async def page(conn: AsyncConnection, wanted: Wanted, before: UUID | None, limit: int) -> Page[Parked, UUID]:
    """Parked messages, the newest first; a page is shorter than `limit` where their bodies are large."""
    p = parked_messages.c
    query = sa.select(p.id, sa.func.length(p.body)).order_by(p.id.desc()).limit(limit + 1)
    for name in Wanted.__slots__:
        if (value := getattr(wanted, name)) is not None:
            query = query.where(p[name] == value)
    if before is not None:
        query = query.where(p.id < before)
    sizes = [(row[0], row[1]) for row in await conn.execute(query)]
    found = cut(sizes, _fitting([size for _, size in sizes[:limit]]), lambda row: row[0])
    return Page(await _by_ids(conn, [parked_id for parked_id, _ in found.items]), found.last)


async def show(conn: AsyncConnection, parked_id: UUID) -> Parked:
    """One parked message, or NotFound."""
    found = await _by_ids(conn, [parked_id])
    if not found:
        raise NotFound("parked message", parked_id)
    return found[0]


def _fitting(sizes: Sequence[int]) -> int:
    """How many of the first bodies fit into a page; one always does."""
    return max(1, sum(total <= PAGE_BYTES for total in accumulate(sizes)))


async def _by_ids(conn: AsyncConnection, ids: Sequence[UUID]) -> list[Parked]:
    if not ids:
        return []
    wanted = values_table(conn, "wanted", ("id", sa.Uuid(), ids))
    rows = await conn.execute(sa.select(*FIELDS).join(wanted, parked_messages.c.id == wanted.c.id))
    return sorted((Parked(*row) for row in rows), key=attrgetter("id"), reverse=True)
