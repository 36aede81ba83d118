"""What happened to a contact and why, from the stored decisions."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution import events
from distribution.allocation.allocator import BY_HAND, FORCED
from distribution.allocation.event_loop_yield import CooperativeYield
from distribution.ids import time_of
from distribution.selection import explain
from distribution.selection.decision_record import DecisionRecord, PickStep, apply, pool_at_start
from distribution.selection.pool import Pool
from distribution.store import decisions as decision_rows
from distribution.store import operators as operator_rows
from distribution.store.decisions import Decision, Place

SENTENCES = {BY_HAND: "Given by hand.", FORCED: "Given by hand, over the limit."}
OPERATORS_SHOWN = 10_000
"""How many operators the decisions of one contact list in all: about 1 MiB."""
LEAST_COUNTED = 20
"""A decision counts as at least this many operators, since each costs a statement."""


async def history(
    conn: AsyncConnection, contact_id: UUID, operators_shown: int = OPERATORS_SHOWN
) -> list[dict[str, Any]]:
    """Every change of a contact, in order; the newest are explained until `operators_shown` operators are listed."""
    decisions_made = await decision_rows.of_contact(conn, contact_id)
    before = {d.previous_operator_id for d in decisions_made if d.previous_operator_id is not None}
    names = await operator_rows.names(conn, before) if before else {}
    entries: list[dict[str, Any]] = []
    # One record at a time: with thousands of operators it takes megabytes.
    for decision in reversed(decisions_made):
        place = _place(decision) if operators_shown > 0 else None
        record = None if place is None else (await decision_rows.records(conn, [place])).get(place)
        entries.append(await _entry(decision, record, names))
        if place is not None:
            operators_shown -= max(_count_operators(entries[-1]["decision"]), LEAST_COUNTED)
    return entries[::-1]


def _place(decision: Decision) -> Place | None:
    if decision.batch_id is None or decision.position is None:
        return None
    return decision.batch_id, decision.position


def _count_operators(data: Mapping[str, Any] | None) -> int:
    return 0 if data is None else len(data["candidates"]) + len(data["left_out"])


async def _entry(decision: Decision, record: DecisionRecord | None, names: Mapping[int, str]) -> dict[str, Any]:
    data, sentence = await _explain(decision, record)
    fields = asdict(decision)
    previous = decision.previous_operator_id
    return {name: fields[name] for name in ("sequence", "type", "operator_id", "reason")} | {
        "time": time_of(decision.event_id),
        "previous_operator": None if previous is None else {"id": previous, "name": names[previous]},
        "decision": data,
        "decision_omitted": sentence is None,
        "explanation": sentence if sentence is None or previous is None else f"{sentence} Before: {names[previous]}.",
    }


async def _explain(decision: Decision, record: DecisionRecord | None) -> tuple[dict[str, Any] | None, str | None]:
    """Returns the data and the sentence; neither if the record is needed but not given."""
    if record is not None and decision.position is not None:
        pool, step = await _pool_before(record, decision.position), record.steps[decision.position]
        if isinstance(step, PickStep):
            return explain.decision_data(pool, step), explain.sentence(pool, step)
    if decision.type == events.CLOSED:
        return None, f"Closed: {decision.reason.rstrip('.')}." if decision.reason else "Closed."
    return None, SENTENCES.get(decision.reason or "")


async def _pool_before(record: DecisionRecord, position: int) -> Pool:
    """The pool just before a step; made with pauses, since a step may look at every operator of the source."""
    pool, pauses = pool_at_start(record), CooperativeYield()
    for step in record.steps[:position]:
        apply(pool, step)
        await pauses.after(len(pool.operators))
    return pool
