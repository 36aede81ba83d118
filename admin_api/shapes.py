"""What goes out: the contract's shapes, and how they are made from what the business answers."""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, NotRequired, TypeVar
from uuid import UUID

import orjson
from typing_extensions import TypedDict

from admin_api.cursors import cursor_of
from distribution.ids import isoformat
from distribution.services.contacts import Shown
from distribution.services.leads import LeadShown
from distribution.services.sources import shares
from distribution.store.contacts import Contact
from distribution.store.operators import OperatorRow
from distribution.store.pages import Page
from distribution.store.parked import Parked
from distribution.store.sources import SourceRow
from distribution.store.weights import WeightRow

T = TypeVar("T")
R = TypeVar("R")


class PageShape(TypedDict, Generic[T]):
    """One page of a list."""

    items: list[T]
    next_cursor: str | None


class OperatorShape(TypedDict):
    """An operator."""

    id: int
    name: str
    is_active: bool
    max_active_contacts: int
    load: int
    created_at: str


class SourceShape(TypedDict):
    """A source."""

    id: int
    code: str
    name: str
    strategy: str
    sticky: bool
    created_at: str


class WeightShape(TypedDict):
    """An operator's weight on a source; `share` is the part it should get while nobody is at the limit, 0 to 1."""

    operator_id: int
    name: str
    weight: int
    share: float
    is_active: bool
    load: int
    max_active_contacts: int


class WeightsShape(TypedDict):
    """The weights of a source."""

    operators: list[WeightShape]


class ContactShape(TypedDict):
    """A contact."""

    id: str
    status: str
    lead_id: int
    source_id: int
    operator_id: int | None
    message_id: str
    payload: Any
    created_at: str
    assigned_at: str | None
    closed_at: str | None


class LeadReference(TypedDict):
    """A lead as events show it."""

    id: int
    external_id: str
    phone: str | None
    email: str | None


class SourceReference(TypedDict):
    """A source as events show it."""

    id: int
    code: str


class OperatorReference(TypedDict):
    """An operator as events show it."""

    id: int
    name: str


class ContactWithNames(ContactShape):
    """A contact with whom it concerns."""

    lead: LeadReference
    source: SourceReference
    operator: OperatorReference | None


class HistoryEntry(TypedDict):
    """One change of a contact and why it fell so."""

    sequence: int
    type: str
    time: str
    operator_id: int | None
    reason: str | None
    decision: dict[str, Any] | None
    explanation: str | None


class ContactInFull(ContactWithNames):
    """A contact with whom it concerns and what happened to it."""

    history: list[HistoryEntry]


class LeadShape(TypedDict):
    """A lead with its newest 20 contacts."""

    id: int
    external_id: str
    phone: str | None
    email: str | None
    created_at: str
    contacts: list[ContactShape]
    contacts_total: int


class ParkedShape(TypedDict):
    """A message that could not be processed; `body` is text, `body_base64` stands for it where it is not UTF-8."""

    id: str
    state: str
    code: str
    detail: str
    source: str | None
    message_id: str | None
    body: NotRequired[str]
    body_base64: NotRequired[str]
    properties: dict[str, Any]
    attempts: int
    created_at: str


def page_shape(page: Page[R, int] | Page[R, UUID], shape: Callable[[R], T]) -> PageShape[T]:
    """A page of these shapes."""
    return {"items": [shape(item) for item in page.items], "next_cursor": cursor_of(page.last)}


def operator_shape(row: OperatorRow) -> OperatorShape:
    """An operator as the API shows it."""
    return {
        "id": row.id,
        "name": row.name,
        "is_active": row.is_active,
        "max_active_contacts": row.max_active_contacts,
        "load": row.load,
        "created_at": isoformat(row.created_at),
    }


def source_shape(row: SourceRow) -> SourceShape:
    """A source as the API shows it."""
    return {
        "id": row.id,
        "code": row.code,
        "name": row.name,
        "strategy": row.strategy,
        "sticky": row.sticky,
        "created_at": isoformat(row.created_at),
    }


def weights_shape(rows: Sequence[WeightRow]) -> WeightsShape:
    """The weights of a source as the API shows them."""
    return {
        "operators": [
            {
                "operator_id": row.operator_id,
                "name": row.name,
                "weight": row.weight,
                "share": share,
                "is_active": row.is_active,
                "load": row.load,
                "max_active_contacts": row.max_active_contacts,
            }
            for row, share in zip(rows, shares(rows), strict=True)
        ]
    }


def contact_shape(contact: Contact) -> ContactShape:
    """A contact as lists show it."""
    return {
        "id": str(contact.id),
        "status": contact.status,
        "lead_id": contact.lead_id,
        "source_id": contact.source_id,
        "operator_id": contact.operator_id,
        "message_id": contact.message_id,
        "payload": orjson.Fragment(contact.payload),
        "created_at": isoformat(contact.created_at),
        "assigned_at": _time(contact.assigned_at),
        "closed_at": _time(contact.closed_at),
    }


def contact_with_names(shown: Shown) -> ContactWithNames:
    """A contact as the answer to its submission shows it."""
    return {
        **contact_shape(shown.contact),
        "lead": {
            "id": shown.lead.id,
            "external_id": shown.lead.external_id,
            "phone": shown.lead.phone,
            "email": shown.lead.email,
        },
        "source": {"id": shown.contact.source_id, "code": shown.source_code},
        "operator": (
            None
            if shown.contact.operator_id is None
            else {"id": shown.contact.operator_id, "name": shown.operator_name or ""}
        ),
    }


def contact_in_full(shown: Shown, history: Sequence[dict[str, Any]]) -> ContactInFull:
    """A contact with everything that happened to it."""
    return {**contact_with_names(shown), "history": [_entry(entry) for entry in history]}


def lead_shape(lead: LeadShown) -> LeadShape:
    """A lead as the API shows it."""
    return {
        "id": lead.id,
        "external_id": lead.external_id,
        "phone": lead.phone,
        "email": lead.email,
        "created_at": isoformat(lead.created_at),
        "contacts": [contact_shape(contact) for contact in lead.contacts],
        "contacts_total": lead.contacts_total,
    }


def parked_shape(parked: Parked) -> ParkedShape:
    """A parked message as the API shows it."""
    shape: ParkedShape = {
        "id": str(parked.id),
        "state": parked.state,
        "code": parked.code,
        "detail": parked.detail,
        "source": parked.source,
        "message_id": parked.message_id,
        # Parsed, not spliced: headers may have held numbers that are none in JSON.
        "properties": json.loads(parked.properties),
        "attempts": parked.attempts,
        "created_at": isoformat(parked.created_at),
    }
    try:
        shape["body"] = parked.body.decode()
    except UnicodeDecodeError:
        shape["body_base64"] = base64.b64encode(parked.body).decode()
    return shape


def _entry(entry: dict[str, Any]) -> HistoryEntry:
    return {
        "sequence": entry["sequence"],
        "type": entry["type"],
        "time": isoformat(entry["time"]),
        "operator_id": entry["operator_id"],
        "reason": entry["reason"],
        "decision": entry["decision"],
        "explanation": entry["explanation"],
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else isoformat(moment)
