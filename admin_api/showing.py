"""How the contract's shapes are made from what the business answers."""

import base64
from codecs import getincrementaldecoder
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID

import orjson

from admin_api.http.cursor import cursor_of
from admin_api.shapes import (
    ContactInFull,
    ContactShape,
    ContactWithNames,
    HistoryEntry,
    LeadInFull,
    LeadReference,
    LeadShape,
    ListedContactShape,
    OperatorShape,
    PageShape,
    ParkedShape,
    PossibleDuplicate,
    ReplayShape,
    SourceShape,
    WeightsShape,
)
from distribution.admin.contacts import ContactDetails
from distribution.admin.leads import Duplicate, LeadDetails
from distribution.admin.sources import shares
from distribution.ids import isoformat
from distribution.intake import message_properties
from distribution.intake.parked_messages import shown_source
from distribution.intake.retry import Replayed
from distribution.store.contact_lists import Listed
from distribution.store.contacts import Contact
from distribution.store.leads import Lead
from distribution.store.operators import OperatorRow
from distribution.store.pagination import Page
from distribution.store.parked_messages import Parked
from distribution.store.sources import SourceRow
from distribution.store.weights import WeightRow

T = TypeVar("T")
R = TypeVar("R")


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
        "dedupe_window": row.dedupe_window,
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


def listed_shape(listed: Listed) -> ListedContactShape:
    """A contact as lists show it."""
    shape = cast("ListedContactShape", contact_shape(listed.contact))  # the same while its one further field is absent
    if listed.payload_omitted:
        shape["payload_omitted"] = True
    return shape


def contact_shape(contact: Contact) -> ContactShape:
    """A contact with its payload."""
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


def contact_with_names(shown: ContactDetails) -> ContactWithNames:
    """A contact as the answer to its submission shows it."""
    return {
        **contact_shape(shown.contact),
        "lead": _lead_reference(shown.lead),
        "source": {"id": shown.contact.source_id, "code": shown.source_code},
        "operator": (
            None
            if shown.contact.operator_id is None
            else {"id": shown.contact.operator_id, "name": shown.operator_name or ""}
        ),
    }


def contact_in_full(shown: ContactDetails, history: Sequence[dict[str, Any]], waiting_for: str | None) -> ContactInFull:
    """A contact with everything that happened to it."""
    return {
        **contact_with_names(shown),
        "history": [_entry(entry) for entry in history],
        "waiting_for": waiting_for,
    }


def lead_shape(lead: LeadDetails) -> LeadShape:
    """A lead as the API shows it."""
    return {
        "id": lead.id,
        "external_id": lead.external_id,
        "phone": lead.phone,
        "email": lead.email,
        "created_at": isoformat(lead.created_at),
        "contacts": [listed_shape(listed) for listed in lead.contacts],
        "contacts_total": lead.contacts_total,
    }


def lead_in_full(lead: LeadDetails, duplicates: Sequence[Duplicate]) -> LeadInFull:
    """A lead as the API shows one."""
    others: list[PossibleDuplicate] = [{**_lead_reference(other.lead), "same": other.same} for other in duplicates]
    return {**lead_shape(lead), "possible_duplicates": others}


def parked_shape(parked: Parked) -> ParkedShape:
    """A parked message as the API shows it."""
    shape: ParkedShape = {
        "id": str(parked.id),
        "state": parked.state,
        "code": parked.code,
        "detail": parked.detail,
        "source": shown_source(parked),
        "message_id": parked.message_id,
        "properties": message_properties.shown(parked.properties),
        "attempts": parked.attempts,
        "created_at": isoformat(parked.created_at),
    }
    if parked.body_size is not None:
        shape["body_size"] = parked.body_size
    try:
        # The beginning of a text may end within a character.
        shape["body"] = getincrementaldecoder("utf-8")().decode(parked.body, final=parked.body_size is None)
    except UnicodeDecodeError:
        shape["body_base64"] = base64.b64encode(parked.body).decode()
    return shape


def replay_shape(done: Replayed) -> ReplayShape:
    """How a replay went."""
    return {"replayed": done.replayed, "parked_again": done.parked_again}


def _lead_reference(lead: Lead) -> LeadReference:
    return {"id": lead.id, "external_id": lead.external_id, "phone": lead.phone, "email": lead.email}


def _entry(entry: dict[str, Any]) -> HistoryEntry:
    shape: HistoryEntry = {
        "sequence": entry["sequence"],
        "type": entry["type"],
        "time": isoformat(entry["time"]),
        "operator_id": entry["operator_id"],
        "previous_operator": entry["previous_operator"],
        "reason": entry["reason"],
        "decision": entry["decision"],
        "explanation": entry["explanation"],
    }
    if entry["decision_omitted"]:
        shape["decision_omitted"] = True
    return shape


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else isoformat(moment)
