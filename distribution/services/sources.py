"""Sources and the weights of their operators: made, shown, changed and removed."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from random import Random

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.errors import Conflict, InvalidField, NotFound
from distribution.selection.pool import Pool
from distribution.services.serve import serve_waiting
from distribution.store import sources as rows
from distribution.store import weights as weight_rows
from distribution.store.pages import Page
from distribution.store.pools import lock_pool
from distribution.store.sources import SourceRow
from distribution.store.weights import WeightRow

Weights = Sequence[tuple[int, int]]


async def create(conn: AsyncConnection, values: Mapping[str, object]) -> SourceRow:
    """Make a source, or Conflict where its code is in use."""
    made = await rows.insert(conn, values, datetime.now(UTC))
    if made is None:
        raise Conflict(f"There is a source {values['code']} already.")
    return made


async def show(conn: AsyncConnection, source_id: int) -> SourceRow:
    """One source, or NotFound."""
    found = await rows.get(conn, source_id)
    if found is None:
        raise NotFound("source", source_id)
    return found


async def page(conn: AsyncConnection, after: int | None, limit: int) -> Page[SourceRow, int]:
    """Sources in id order."""
    return await rows.page(conn, after, limit)


async def change(conn: AsyncConnection, source_id: int, values: Mapping[str, object]) -> SourceRow:
    """Change name, strategy or sticky; the code stays, since bots use it."""
    await _lock(conn, source_id)
    await rows.update(conn, source_id, values)
    return await show(conn, source_id)


async def delete(conn: AsyncConnection, source_id: int) -> None:
    """Remove a source that no contact came through; else Conflict."""
    await _lock(conn, source_id)
    if await rows.has_contacts(conn, source_id):
        raise Conflict(f"Source {source_id} has contacts; take its operators away instead.")
    await rows.delete(conn, source_id)


async def weights(conn: AsyncConnection, source_id: int) -> list[WeightRow]:
    """The weights of a source, in the order of operator ids."""
    await show(conn, source_id)
    return await weight_rows.of_source(conn, source_id)


def shares(weights: Sequence[WeightRow]) -> list[float]:
    """What part of a source's contacts each should get while nobody is at the limit: 0 to 1, 0 for the inactive."""
    total = sum(row.weight for row in weights if row.is_active)
    return [row.weight / total if row.is_active and row.weight else 0.0 for row in weights]


async def replace_weights(conn: AsyncConnection, random: Random, source_id: int, weights: Weights) -> Collection[int]:
    """Make these (operator id, weight) the source's only ones, and serve whoever waits for a place this gives.

    Answers the sources that are not served to the end: call `serve_waiting` for them in further transactions.
    """
    pool = await _lock(conn, source_id, [operator_id for operator_id, _ in weights])
    _check_operators(pool, weights)
    await weight_rows.replace(conn, source_id, weights)
    return [source_id] if await serve_waiting(conn, random, source_ids=[source_id]) else ()


async def _lock(conn: AsyncConnection, source_id: int, operator_ids: Collection[int] = ()) -> Pool:
    pool = await lock_pool(conn, ids=[source_id], operator_ids=set(operator_ids))
    if source_id not in pool.sources:
        raise NotFound("source", source_id)
    return pool


def _check_operators(pool: Pool, weights: Weights) -> None:
    seen: set[int] = set()
    for index, (operator_id, _) in enumerate(weights):
        field = f"operators.{index}.operator_id"
        if operator_id in seen:
            raise InvalidField(field, f"Operator {operator_id} is listed twice.")
        if operator_id not in pool.operators:
            raise InvalidField(field, f"There is no operator {operator_id}.")
        seen.add(operator_id)
