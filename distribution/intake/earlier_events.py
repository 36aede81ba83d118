"""Events of earlier transactions, rebuilt from the stored decisions with their original ids, for replies."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from distribution import events
from distribution.events import Change
from distribution.store.contacts import ACTIVE, CLOSED, WAITING
from distribution.store.dialects import UUIDS
from distribution.store.leads import Lead
from distribution.store.tables import contacts, decisions, leads, operators, sources

FIRST, CLOSING = decisions.c.sequence == 1, decisions.c.type == events.CLOSED
"""Which of a contact's events to rebuild."""
STATUS_AFTER = {events.ASSIGNED: ACTIVE, events.REASSIGNED: ACTIVE, events.WAITING: WAITING, events.CLOSED: CLOSED}


async def rebuild_events(
    conn: AsyncConnection, contact_ids: Collection[UUID], which: sa.ColumnElement[bool]
) -> list[Change]:
    """Returns an event of each contact, FIRST or CLOSING."""
    if not contact_ids:
        return []
    c, d, o = contacts.c, decisions.c, operators.c
    rows = await conn.execute(
        sa.select(
            d.event_id, d.type, d.sequence, d.reason, c.id, c.message_id, c.payload, c.lead_id,
            leads.c.external_id, leads.c.phone, leads.c.email, c.source_id, sources.c.code, d.operator_id, o.name,
        )
        .select_from(contacts)
        .join(UUIDS, UUIDS.c.id == c.id)
        .join(decisions, sa.and_(d.contact_id == c.id, which))
        .join(leads, leads.c.id == c.lead_id)
        .join(sources, sources.c.id == c.source_id)
        .outerjoin(operators, o.id == d.operator_id),
        UUIDS.bound(conn, sorted(contact_ids)),
    )  # fmt: skip
    return [_rebuild_event(row) for row in rows]


def _rebuild_event(row: Any) -> Change:
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
