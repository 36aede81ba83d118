"""Create, show, change and delete sources and the weights of their operators."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.assign_waiting import assign_waiting
from distribution.audit import Action, record
from distribution.errors import Conflict, InvalidField, NotFound
from distribution.optimistic_locking import Edit, version_of
from distribution.store import operators as operator_rows
from distribution.store import sources as rows
from distribution.store import weights as weight_rows
from distribution.store.operator_pool import lock_pool
from distribution.store.pagination import Page
from distribution.store.sources import SourceRow
from distribution.store.weights import WeightRow

Weights = Sequence[tuple[int, int]]
EDITABLE = ("code", "name", "strategy", "sticky", "dedupe_window")


def editable(row: SourceRow) -> dict[str, Any]:
    """Returns what people can change of a source."""
    return {name: getattr(row, name) for name in EDITABLE}


def editable_weights(weights: Sequence[WeightRow]) -> dict[str, Any]:
    """Returns what people can change of a source's weights; loads and shares are not part of it."""
    return {"operators": [{"operator_id": row.operator_id, "weight": row.weight} for row in weights]}


def version(row: SourceRow) -> str:
    """Returns the version of what can be edited."""
    return version_of("source", row.id, editable(row))


def weights_version(source_id: int, weights: Sequence[WeightRow]) -> str:
    """Returns the version of the weights."""
    return version_of("weights", source_id, editable_weights(weights))


async def create(conn: AsyncConnection, values: Mapping[str, object], edit: Edit) -> SourceRow:
    """Create a source; raises Conflict if its code is in use."""
    row = await rows.insert(conn, values, datetime.now(UTC))
    if row is None:
        raise Conflict(f"There is a source {values['code']} already.")
    await record(conn, edit.actor, Action.SOURCE_MADE, row.id, None, editable(row))
    return row


async def show(conn: AsyncConnection, source_id: int) -> SourceRow:
    """Returns one source; raises NotFound."""
    row = await rows.get(conn, source_id)
    if row is None:
        raise NotFound("source", source_id)
    return row


async def page(conn: AsyncConnection, after: int | None, limit: int) -> Page[SourceRow, int]:
    """Sources in id order."""
    return await rows.page(conn, after, limit)


async def change(conn: AsyncConnection, source_id: int, values: Mapping[str, object], edit: Edit) -> SourceRow:
    """Change name, strategy, sticky or dedupe_window; the code stays, since bots use it."""
    await _lock(conn, source_id)
    before = await show(conn, source_id)
    edit.check(version(before))
    await rows.update(conn, source_id, values)
    after = await show(conn, source_id)
    await record(conn, edit.actor, Action.SOURCE_CHANGED, source_id, editable(before), editable(after))
    return after


async def delete(conn: AsyncConnection, source_id: int, edit: Edit) -> None:
    """Delete a source that never had a contact; raises Conflict for any other."""
    await _lock(conn, source_id)
    before = await show(conn, source_id)
    edit.check(version(before))
    if await rows.has_contacts(conn, source_id):
        raise Conflict(f"Source {source_id} has contacts; take its operators away instead.")
    weights = await weight_rows.of_source(conn, source_id)
    await rows.delete(conn, source_id)
    state = editable(before) | (editable_weights(weights) if weights else {})
    await record(conn, edit.actor, Action.SOURCE_REMOVED, source_id, state, None)


async def weights(conn: AsyncConnection, source_id: int) -> list[WeightRow]:
    """The weights of a source, in the order of operator ids."""
    await show(conn, source_id)
    return await weight_rows.of_source(conn, source_id)


def shares(weights: Sequence[WeightRow]) -> list[float]:
    """Returns each operator's share of the contacts while none is at the limit: 0 to 1, 0 if inactive."""
    total = sum(row.weight for row in weights if row.is_active)
    return [row.weight / total if row.is_active and row.weight else 0.0 for row in weights]


async def replace_weights(
    conn: AsyncConnection, random: Random, source_id: int, weights: Weights, edit: Edit
) -> frozenset[int]:
    """Make these (operator id, weight) the source's only ones, and assign waiting contacts to places this opens.

    Returns the sources left for `assign_all_waiting`.
    """
    operator_ids = [operator_id for operator_id, _ in weights]
    await _lock(conn, source_id, operator_ids)
    before = await weight_rows.of_source(conn, source_id)
    edit.check(weights_version(source_id, before))
    _check_operators(operator_ids, await operator_rows.existing(conn, set(operator_ids)))
    await weight_rows.replace(conn, source_id, weights)
    await weight_rows.share_out_deficits(conn, [source_id])
    after = await weight_rows.of_source(conn, source_id)
    states = editable_weights(before), editable_weights(after)
    await record(conn, edit.actor, Action.SOURCE_WEIGHTS_CHANGED, source_id, *states)
    return await assign_waiting(conn, random, source_ids=[source_id])


async def _lock(conn: AsyncConnection, source_id: int, operator_ids: Collection[int] = ()) -> None:
    pool = await lock_pool(conn, ids=[source_id], operator_ids=set(operator_ids))
    if source_id not in pool.sources:
        raise NotFound("source", source_id)


def _check_operators(operator_ids: Sequence[int], existing: Collection[int]) -> None:
    seen: set[int] = set()
    for index, operator_id in enumerate(operator_ids):
        field = f"operators.{index}.operator_id"
        if operator_id in seen:
            raise InvalidField(field, f"Operator {operator_id} is listed twice.")
        if operator_id not in existing:
            raise InvalidField(field, f"There is no operator {operator_id}.")
        seen.add(operator_id)
