"""Create, show, change and delete operators; a place that a change frees is filled in the same transaction."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.allocation.assign_waiting import assign_waiting_over
from distribution.allocation.reassignment import MoveResult, move_all
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
    """Returns what people can change of an operator; its load is not part of it."""
    return {name: getattr(row, name) for name in EDITABLE}


def version(row: OperatorRow) -> str:
    """Returns the version of what can be edited."""
    return version_of("operator", row.id, editable(row))


async def create(
    conn: AsyncConnection, name: str, is_active: bool, max_active_contacts: int, edit: Edit
) -> OperatorRow:
    """Create an operator; it gets no contacts before a source gives it a weight."""
    row = await rows.insert(conn, name, is_active, max_active_contacts, datetime.now(UTC))
    await record(conn, edit.actor, Action.OPERATOR_MADE, row.id, None, editable(row))
    return row


async def show(conn: AsyncConnection, operator_id: int) -> OperatorRow:
    """Returns one operator with its load; raises NotFound."""
    row = await rows.get(conn, operator_id)
    if row is None:
        raise NotFound("operator", operator_id)
    return row


async def page(conn: AsyncConnection, after: int | None, limit: int) -> Page[OperatorRow, int]:
    """Operators in id order."""
    return await rows.page(conn, after, limit)


async def change(
    conn: AsyncConnection, random: Random, operator_id: int, values: Mapping[str, object], edit: Edit
) -> frozenset[int]:
    """Change name, is_active or max_active_contacts, and assign waiting contacts to places this frees.

    The operator keeps its contacts: with a limit below the load, or inactive, it only gets no new ones. Returns the
    sources left for `assign_all_waiting`.
    """
    pool = await _lock(conn, operator_id)
    before = await show(conn, operator_id)
    edit.check(version(before))
    await rows.update(conn, operator_id, values)
    after = await show(conn, operator_id)
    await record(conn, edit.actor, Action.OPERATOR_CHANGED, operator_id, editable(before), editable(after))
    pool.operators[operator_id] = Operator(
        operator_id, after.name, after.is_active, after.max_active_contacts, after.load
    )
    return await assign_waiting_over(conn, pool, random)


async def reassign(conn: AsyncConnection, random: Random, operator_id: int, edit: Edit) -> MoveResult:
    """Do `move_all` once and audit it: call it again in a new transaction until none is moved."""
    moved = await move_all(conn, random, operator_id)
    left = (await show(conn, operator_id)).load
    moves = {str(contact_id): to for contact_id, to in moved.to.items()}
    before, after = {"load": left + moved.contacts}, {"load": left} | ({"moved": moves} if moves else {})
    await record(conn, edit.actor, Action.OPERATOR_REASSIGNED, operator_id, before, after)
    return moved


async def delete(conn: AsyncConnection, operator_id: int, edit: Edit) -> None:
    """Delete an operator that never had a contact; raises Conflict for any other."""
    pool = await _lock(conn, operator_id)
    before = await show(conn, operator_id)
    edit.check(version(before))
    if await rows.has_history(conn, operator_id):
        raise Conflict(f"Operator {operator_id} has contacts in history; deactivate it instead.")
    weights = await weight_rows.of_operator(conn, operator_id)
    await rows.delete(conn, operator_id, datetime.now(UTC))
    await weight_rows.share_out_deficits(conn, list(pool.sources))
    await _audit_removal(conn, edit, before, weights)


async def _audit_removal(
    conn: AsyncConnection, edit: Edit, before: OperatorRow, weights: Sequence[tuple[int, int]]
) -> None:
    """Audit the operator's removal, also for each source that loses a weight by it."""
    lost = {"weights": [{"source_id": source_id, "weight": weight} for source_id, weight in weights]}
    state = editable(before) | (lost if weights else {})
    await record(conn, edit.actor, Action.OPERATOR_REMOVED, before.id, state, None)
    entries = [
        entry(edit.actor, Action.SOURCE_WEIGHT_REMOVED, source_id, {"operator_id": before.id, "weight": weight}, None)
        for source_id, weight in weights
    ]
    await record_all(conn, entries)


async def _lock(conn: AsyncConnection, operator_id: int) -> Pool:
    pool = await lock_pool(conn, operator_ids=[operator_id])
    if operator_id not in pool.operators:
        raise NotFound("operator", operator_id)
    return pool
