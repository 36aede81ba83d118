"""Operators: made, shown, changed and removed; a place that a change frees is filled with the change."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from random import Random

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.errors import Conflict, NotFound
from distribution.services.serve import serve_waiting
from distribution.store import operators as rows
from distribution.store.operators import OperatorRow
from distribution.store.pages import Page
from distribution.store.pools import lock_pool


async def create(conn: AsyncConnection, name: str, is_active: bool, max_active_contacts: int) -> OperatorRow:
    """Make an operator; it gets nothing before a source gives it a weight."""
    return await rows.insert(conn, name, is_active, max_active_contacts, datetime.now(UTC))


async def show(conn: AsyncConnection, operator_id: int) -> OperatorRow:
    """One operator with its load, or NotFound."""
    found = await rows.get(conn, operator_id)
    if found is None:
        raise NotFound("operator", operator_id)
    return found


async def page(conn: AsyncConnection, after: int | None, limit: int) -> Page[OperatorRow, int]:
    """Operators in id order."""
    return await rows.page(conn, after, limit)


async def change(
    conn: AsyncConnection, random: Random, operator_id: int, values: Mapping[str, object]
) -> Collection[int]:
    """Change name, is_active or max_active_contacts, and serve whoever waits for a place this frees.

    Takes nothing away: a limit below the load, or no activity, only means that nothing new comes. Answers the sources
    that are not served to the end: call `serve_waiting` for them in further transactions.
    """
    source_ids = await _lock(conn, operator_id)
    await rows.update(conn, operator_id, values)
    return source_ids if await serve_waiting(conn, random, source_ids=source_ids) else ()


async def delete(conn: AsyncConnection, operator_id: int) -> None:
    """Remove an operator that no contact ever had; else Conflict."""
    await _lock(conn, operator_id)
    if await rows.has_history(conn, operator_id):
        raise Conflict(f"Operator {operator_id} has contacts in history; deactivate it instead.")
    await rows.delete(conn, operator_id)


async def _lock(conn: AsyncConnection, operator_id: int) -> list[int]:
    pool = await lock_pool(conn, operator_ids=[operator_id])
    if operator_id not in pool.operators:
        raise NotFound("operator", operator_id)
    return list(pool.sources)
