"""Operators: made, shown, changed and removed; a place that a change frees is filled with the change."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from random import Random
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.assign_waiting import assign_waiting_over
from distribution.allocation.reassignment import Moved, move_all
from distribution.audit import Action, entry, record, record_all
from distribution.errors import Conflict, NotFound
from distribution.optimistic_locking import Edit, version_of
from distribution.selection.pool import Operator, Pool
from distribution.store import operators as rows
from distribution.store import weights as weight_rows
from distribution.store.operator_pool import lock_pool
from distribution.store.operators import OperatorRow
from distribution.store.pagination import Page

EDITABLE = ("name", "is_active", "max_active_contacts")


def editable(row: OperatorRow) -> dict[str, Any]:
    """What people can change of an operator; its load is not part of it."""
    kept = asdict(row)
    return {name: kept[name] for name in EDITABLE}


def version(row: OperatorRow) -> str:
    """Names what can be edited as it is now."""
    return version_of("operator", row.id, editable(row))


async def create(
    conn: AsyncConnection, name: str, is_active: bool, max_active_contacts: int, edit: Edit
) -> OperatorRow:
    """Make an operator; it gets nothing before a source gives it a weight."""
    made = await rows.insert(conn, name, is_active, max_active_contacts, datetime.now(UTC))
    await record(conn, edit.who, Action.OPERATOR_MADE, made.id, None, editable(made))
    return made


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
    conn: AsyncConnection, random: Random, operator_id: int, values: Mapping[str, object], edit: Edit
) -> frozenset[int]:
    """Change name, is_active or max_active_contacts, and serve whoever waits for a place this frees.

    Takes nothing away: a limit below the load, or no activity, only means that nothing new comes. Returns the sources
    that are left for `assign_all_waiting`.
    """
    pool = await _lock(conn, operator_id)
    before = await show(conn, operator_id)
    edit.check(version(before))
    await rows.update(conn, operator_id, values)
    after = await show(conn, operator_id)
    await record(conn, edit.who, Action.OPERATOR_CHANGED, operator_id, editable(before), editable(after))
    pool.operators[operator_id] = Operator(
        operator_id, after.name, after.is_active, after.max_active_contacts, after.load
    )
    return await assign_waiting_over(conn, pool, random)


async def reassign(conn: AsyncConnection, random: Random, operator_id: int, edit: Edit) -> Moved:
    """Move some contacts of an inactive operator to others or to waiting.

    Call again in a new transaction until none is moved; none is moved either if somebody has activated the operator
    meanwhile.
    """
    moved = await move_all(conn, random, operator_id)
    left = (await show(conn, operator_id)).load
    went = {str(contact_id): to for contact_id, to in moved.to.items()}
    before, after = {"load": left + moved.contacts}, {"load": left} | ({"moved": went} if went else {})
    await record(conn, edit.who, Action.OPERATOR_REASSIGNED, operator_id, before, after)
    return moved


async def delete(conn: AsyncConnection, operator_id: int, edit: Edit) -> None:
    """Remove an operator that no contact ever had; else Conflict."""
    pool = await _lock(conn, operator_id)
    before = await show(conn, operator_id)
    edit.check(version(before))
    if await rows.has_history(conn, operator_id):
        raise Conflict(f"Operator {operator_id} has contacts in history; deactivate it instead.")
    weights = await weight_rows.of_operator(conn, operator_id)
    await rows.delete(conn, operator_id, datetime.now(UTC))
    await weight_rows.share_out_deficits(conn, list(pool.sources))
    await _note_removed(conn, edit, before, weights)


async def _note_removed(
    conn: AsyncConnection, edit: Edit, before: OperatorRow, weights: Sequence[tuple[int, int]]
) -> None:
    """The operator, and each source that loses a weight by it: its own audit has to say so."""
    lost = {"weights": [{"source_id": source_id, "weight": weight} for source_id, weight in weights]}
    state = editable(before) | (lost if weights else {})
    await record(conn, edit.who, Action.OPERATOR_REMOVED, before.id, state, None)
    of_sources = [
        entry(edit.who, Action.SOURCE_WEIGHT_REMOVED, source_id, {"operator_id": before.id, "weight": weight}, None)
        for source_id, weight in weights
    ]
    if of_sources:
        await record_all(conn, of_sources)


async def _lock(conn: AsyncConnection, operator_id: int) -> Pool:
    pool = await lock_pool(conn, operator_ids=[operator_id])
    if operator_id not in pool.operators:
        raise NotFound("operator", operator_id)
    return pool
