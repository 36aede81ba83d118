"""One example of each message."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

from admin_api.models.contacts import NewContact
from admin_api.openapi.descriptions import EXAMPLES
from distribution.event_shapes import LeadReference, OperatorReference
from distribution.events import ASSIGNED, CLOSED, PARKED, REASSIGNED, WAITING, Change, body_of, parked_body
from distribution.messages import CLOSE, SUBMIT

EVENT_ID = UUID("019aafe8-9a7b-7000-8000-000000000001")
CONTACT_ID = UUID("019aafe8-9a7a-7000-8000-000000000002")
OLGA: OperatorReference = {"id": 17, "name": "Olga"}
IVAN: OperatorReference = {"id": 18, "name": "Ivan"}
LEAD: LeadReference = {"id": 7, "external_id": "", "phone": None, "email": None}
SUBMISSION: dict[str, Any] = EXAMPLES[NewContact]
BODIES: dict[str, dict[str, Any]] = {
    SUBMIT: SUBMISSION,
    CLOSE: {"source": SUBMISSION["source"], "message_id": SUBMISSION["message_id"], "reason": "solved"},
}
"""Bodies of the messages that bots send, by type."""


def cloudevent_example(kind: str) -> dict[str, Any]:
    """Returns the message as a CloudEvent, whose `id` is the key."""
    body = dict(BODIES[kind])
    key = body.pop("message_id") if kind == SUBMIT else f"{body['message_id']}-close"
    return {"specversion": "1.0", "id": key, "source": "/bots/telegram", "type": kind, "data": body}


def changes() -> dict[str, Change]:
    """Returns a change of each event type."""
    assigned = Change(
        id=EVENT_ID,
        type=ASSIGNED,
        contact_id=CONTACT_ID,
        status="active",
        message_id=SUBMISSION["message_id"],
        lead=LEAD | SUBMISSION["lead"],
        source={"id": 1, "code": SUBMISSION["source"]},
        operator=OLGA,
        previous_operator=None,
        payload=json.dumps(SUBMISSION["payload"]),
        sequence=1,
        reason="weighted_random",
    )
    waiting = replace(assigned, type=WAITING, status="waiting", operator=None, reason="nobody_eligible")
    moved = replace(assigned, type=REASSIGNED, operator=IVAN, previous_operator=OLGA, sequence=2)
    closed = replace(assigned, type=CLOSED, status="closed", sequence=2, reason="solved")
    return {change.type: change for change in (assigned, waiting, moved, closed)}


def event_example(kind: str) -> dict[str, Any]:
    """Returns an event, or the reply to a parked message, as it is published."""
    if kind == PARKED:
        detail = f"There is no source {SUBMISSION['source']!r}."
        body = parked_body(EVENT_ID, "unknown_source", detail, SUBMISSION["message_id"])
    else:
        body = body_of(changes()[kind])
    event: dict[str, Any] = json.loads(body)
    return event
