"""The events that the service publishes: CloudEvents 1.0 in structured JSON."""

from dataclasses import dataclass
from typing import Literal, TypedDict
from uuid import UUID

import orjson

from distribution.event_shapes import (
    ContactChange,
    ContactEvent,
    Envelope,
    LeadReference,
    OperatorReference,
    ParkedReply,
    Rejection,
    SourceReference,
)
from distribution.ids import isoformat, time_of

ASSIGNED = "contact.assigned"
WAITING = "contact.waiting"
REASSIGNED = "contact.reassigned"
CLOSED = "contact.closed"
PARKED = "contact.parked"
TYPES = (ASSIGNED, WAITING, REASSIGNED, CLOSED)
"""What `assignments` carries; PARKED is only ever a reply."""
SOURCE: Literal["/contact-distribution"] = "/contact-distribution"
NOBODY = "none"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a contact, with everything that its event says. `payload` is JSON text."""

    id: UUID
    type: str
    contact_id: UUID
    status: str
    message_id: str
    lead: LeadReference
    source: SourceReference
    operator: OperatorReference | None
    previous_operator: OperatorReference | None
    payload: str
    sequence: int
    reason: str | None

    @property
    def routing_key(self) -> str:
        """`type.source`, followed by the operator's id if the type has one."""
        key = f"{self.type}.{self.source['code']}"
        if self.type == WAITING:
            return key
        return f"{key}.{self.operator['id'] if self.operator else NOBODY}"


def body_of(change: Change) -> bytes:
    """Returns the event as it is sent."""
    data: ContactChange = {
        "contact": {
            "id": str(change.contact_id),
            "status": change.status,
            "created_at": isoformat(time_of(change.contact_id)),
            "message_id": change.message_id,
        },
        "lead": change.lead,
        "source": change.source,
        "operator": change.operator,
        "previous_operator": change.previous_operator,
        "payload": orjson.Fragment(change.payload),
        "sequence": change.sequence,
        "reason": change.reason,
    }
    event: ContactEvent = {**_envelope(change.id, change.type, str(change.contact_id)), "data": data}
    return orjson.dumps(event)


def parked_body(event_id: UUID, code: str, detail: str, message_id: str | None) -> bytes:
    """Returns the reply to a sender whose message is parked."""
    data: Rejection = {"code": code, "detail": detail, "message_id": message_id}
    event: ParkedReply = {**_envelope(event_id, PARKED, message_id or None), "data": data}
    return orjson.dumps(event)


class _Subject(TypedDict, total=False):
    subject: str


def _envelope(event_id: UUID, kind: str, subject: str | None) -> Envelope:
    # Of one event the bytes are the same in every release. CloudEvents allows no empty subject.
    named: _Subject = {} if subject is None else {"subject": subject}
    return {
        "specversion": "1.0",
        "id": str(event_id),
        "source": SOURCE,
        "type": kind,
        **named,
        "time": isoformat(time_of(event_id)),
        "datacontenttype": "application/json",
    }
