"""What happened to a contact and why, from the kept decisions."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution import events
from distribution.allocation.event_loop_yield import CooperativeYield
from distribution.allocation.unit_of_work import BY_HAND, FORCED
from distribution.events import Change
from distribution.ids import time_of
from distribution.selection import explain
from distribution.selection.decision_record import PickStep, Record, apply, pool_at_start
from distribution.selection.pool import Pool
from distribution.store import decisions as decision_rows
from distribution.store import operators as operator_rows
from distribution.store.bulk import UUIDS
from distribution.store.contacts import ACTIVE, CLOSED, WAITING
from distribution.store.decisions import Decision, Place
from distribution.store.leads import Lead
from distribution.store.tables import contacts, decisions, leads, operators, sources

SENTENCES = {BY_HAND: "Given by hand.", FORCED: "Given by hand, over the limit."}
OPERATORS_SHOWN = 10_000
"""In the decisions of one contact: about 1 MiB."""
LEAST_COUNTED = 20
"""A decision over fewer operators takes a statement all the same."""
STATUS_AFTER = {events.ASSIGNED: ACTIVE, events.REASSIGNED: ACTIVE, events.WAITING: WAITING, events.CLOSED: CLOSED}


async def first_events(conn: AsyncConnection, contact_ids: Collection[UUID]) -> list[Change]:
    """The first event of each contact, made again with the id it has had from the start."""
    return await _events_again(conn, contact_ids, decisions.c.sequence == 1)


async def closing_events(conn: AsyncConnection, contact_ids: Collection[UUID]) -> list[Change]:
    """The closing event of each contact, likewise."""
    return await _events_again(conn, contact_ids, decisions.c.type == events.CLOSED)


async def _events_again(
    conn: AsyncConnection, contact_ids: Collection[UUID], which: sa.ColumnElement[bool]
) -> list[Change]:
    if not contact_ids:
        return []
    dialect = conn.dialect.name
    wanted = UUIDS.table(dialect)
    c, d, o = contacts.c, decisions.c, operators.c
    rows = await conn.execute(
        sa.select(
            d.event_id, d.type, d.sequence, d.reason, c.id, c.message_id, c.payload, c.lead_id,
            leads.c.external_id, leads.c.phone, leads.c.email, c.source_id, sources.c.code, d.operator_id, o.name,
        )
        .select_from(contacts)
        .join(wanted, wanted.c.id == c.id)
        .join(decisions, sa.and_(d.contact_id == c.id, which))
        .join(leads, leads.c.id == c.lead_id)
        .join(sources, sources.c.id == c.source_id)
        .outerjoin(operators, o.id == d.operator_id),
        UUIDS.bound(dialect, sorted(contact_ids)),
    )  # fmt: skip
    return [_event_again(row) for row in rows]


def _event_again(row: Any) -> Change:
    return Change(
        id=row.event_id,
        type=row.type,
        contact_id=row.id,
        status=STATUS_AFTER[row.type],
        message_id=row.message_id,
        lead=Lead(row.lead_id, row.external_id, row.phone, row.email).shown(),
        source={"id": row.source_id, "code": row.code},
        operator=None if row.operator_id is None else {"id": row.operator_id, "name": row.name},
        previous_operator=None,
        payload=row.payload,
        sequence=row.sequence,
        reason=row.reason,
    )


async def history(
    conn: AsyncConnection, contact_id: UUID, operators_shown: int = OPERATORS_SHOWN
) -> list[dict[str, Any]]:
    """Every change of a contact, in the order of their sequence: the fields of `_entry`.

    Those of the newest changes are explained, until `operators_shown` are listed; the older ones are only said to be
    omitted. Other tasks of the process have their turn meanwhile, however many operators the source has.
    """
    made = await decision_rows.of_contact(conn, contact_id)
    before = {d.previous_operator_id for d in made if d.previous_operator_id is not None}
    names = await operator_rows.names(conn, before) if before else {}
    entries: list[dict[str, Any]] = []
    # One record at a time: with thousands of operators it takes megabytes.
    for decision in reversed(made):
        place = _place(decision) if operators_shown > 0 else None
        record = None if place is None else (await decision_rows.records(conn, [place])).get(place)
        entries.append(await _entry(decision, record, names))
        if place is not None:
            operators_shown -= max(_listed(entries[-1]["decision"]), LEAST_COUNTED)
    return entries[::-1]


def _place(decision: Decision) -> Place | None:
    if decision.batch_id is None or decision.position is None:
        return None
    return decision.batch_id, decision.position


def _listed(data: Mapping[str, Any] | None) -> int:
    return 0 if data is None else len(data["candidates"]) + len(data["left_out"])


async def _entry(decision: Decision, record: Record | None, names: Mapping[int, str]) -> dict[str, Any]:
    data, sentence = await _explained(decision, record)
    kept = asdict(decision)
    previous = decision.previous_operator_id
    return {name: kept[name] for name in ("sequence", "type", "operator_id", "reason")} | {
        "time": time_of(decision.event_id),
        "previous_operator": None if previous is None else {"id": previous, "name": names[previous]},
        "decision": data,
        "decision_omitted": sentence is None,
        "explanation": sentence if sentence is None or previous is None else f"{sentence} Before: {names[previous]}.",
    }


async def _explained(decision: Decision, record: Record | None) -> tuple[dict[str, Any] | None, str | None]:
    """The data and the sentence; neither if it takes the record, and that is not given."""
    if record is not None and decision.position is not None:
        pool, step = await _pool_before(record, decision.position), record.steps[decision.position]
        if isinstance(step, PickStep):
            return explain.decision_data(pool, step), explain.sentence(pool, step)
    if decision.type == events.CLOSED:
        return None, f"Closed: {decision.reason.rstrip('.')}." if decision.reason else "Closed."
    return None, SENTENCES.get(decision.reason or "")


async def _pool_before(record: Record, position: int) -> Pool:
    """`record.pool_before`, with pauses: a step may look at every operator of the source."""
    pool, pauses = pool_at_start(record), CooperativeYield()
    for step in record.steps[:position]:
        apply(pool, step)
        await pauses.after(len(pool.operators))
    return pool
