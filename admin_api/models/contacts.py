"""Contacts: request bodies, queries, response bodies and their serializers."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NotRequired, cast

import orjson
from pydantic import Field
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from admin_api.models.common import Body, Id, QueryId, QueryMoment, UuidPageQuery, time_or_null
from distribution.admin.contacts import ContactDetails
from distribution.event_shapes import ContactStatus, LeadReference, OperatorReference, SourceReference, Time, Uuid
from distribution.ids import isoformat
from distribution.messages import KEY, MAX_KEY_BYTES, BlankOrText, SourceCode, SubmissionBody
from distribution.store.bounded_payloads import ListedContact
from distribution.store.contacts import Contact

# Checked when the key is read, from the body or from its header.
KEY_IN_SCHEMA: JsonDict = {"minLength": 1, "maxLength": MAX_KEY_BYTES, "pattern": r"^[^\u0000]*$"}


class NewContact(SubmissionBody):
    """The body of `contact.submit` and its key; unknown fields are ignored, as in a message."""

    message_id: Annotated[Annotated[str, Field(json_schema_extra=KEY_IN_SCHEMA)] | None, Field(description=KEY)] = None


class ContactClosing(Body):
    """Why a contact is closed."""

    reason: BlankOrText = None


class ContactAssignment(Body):
    """The operator to assign a contact to; `force`: even over the limit."""

    operator_id: Id
    force: bool = False


class ContactsQuery(UuidPageQuery):
    """Which contacts: `created_from` is inclusive, `created_to` exclusive."""

    status: Literal["waiting", "active", "closed"] | None = None
    source: SourceCode | None = None
    operator_id: QueryId | None = None
    lead_id: QueryId | None = None
    created_from: QueryMoment | None = None
    created_to: QueryMoment | None = None


class ContactShape(TypedDict):
    """A contact."""

    id: Uuid
    status: ContactStatus
    lead_id: int
    source_id: int
    operator_id: int | None
    message_id: str
    payload: Any
    created_at: Time
    assigned_at: Time | None
    closed_at: Time | None


class ListedContactShape(ContactShape):
    """A contact in a list, which holds the first payloads, up to a total of 1 MiB.

    Beyond that `payload` is null and `payload_omitted` true, which is there in no other case; the contact by its id has
    its payload always.
    """

    payload_omitted: NotRequired[Literal[True]]


class ContactWithNames(ContactShape):
    """A contact with its lead, source and operator."""

    lead: LeadReference
    source: SourceReference
    operator: OperatorReference | None


class HistoryEntry(TypedDict):
    """One change of a contact and its reason; `previous_operator` had it before.

    `decision` has `candidates` and `left_out`, of very many operators the first 200 each and the candidate that was
    picked; a list that is cut has its whole length beside it, `candidates_total` or `left_out_total`. Of a contact that
    has changed hands very often the newest decisions are explained; the older have neither `decision` nor
    `explanation`, but `decision_omitted`, which is there in no other case.
    """

    sequence: int
    type: str
    time: Time
    operator_id: int | None
    previous_operator: OperatorReference | None
    reason: str | None
    decision: dict[str, Any] | None
    decision_omitted: NotRequired[Literal[True]]
    explanation: str | None


class ContactInFull(ContactWithNames):
    """A contact with its lead, source, operator and history; while it waits, also what would get it assigned."""

    history: list[HistoryEntry]
    waiting_for: str | None


class ContactClosed(ContactWithNames):
    """A closed contact; a token that may read contacts also gets its history."""

    history: NotRequired[list[HistoryEntry]]
    waiting_for: NotRequired[str | None]


def listed_shape(listed: ListedContact) -> ListedContactShape:
    """Returns a contact as lists show it."""
    shape = cast("ListedContactShape", contact_shape(listed.contact))  # the same while its one further field is absent
    if listed.payload_omitted:
        shape["payload_omitted"] = True
    return shape


def contact_shape(contact: Contact) -> ContactShape:
    """Returns a contact with its payload."""
    return {
        "id": str(contact.id),
        "status": contact.status,
        "lead_id": contact.lead_id,
        "source_id": contact.source_id,
        "operator_id": contact.operator_id,
        "message_id": contact.message_id,
        "payload": orjson.Fragment(contact.payload),
        "created_at": isoformat(contact.created_at),
        "assigned_at": time_or_null(contact.assigned_at),
        "closed_at": time_or_null(contact.closed_at),
    }


def contact_with_names(shown: ContactDetails) -> ContactWithNames:
    """Returns a contact as the response to its submission shows it."""
    return {
        **contact_shape(shown.contact),
        "lead": shown.lead.shown(),
        "source": {"id": shown.contact.source_id, "code": shown.source_code},
        "operator": (
            None
            if shown.contact.operator_id is None
            else {"id": shown.contact.operator_id, "name": shown.operator_name or ""}
        ),
    }


def contact_in_full(shown: ContactDetails, history: Sequence[dict[str, Any]], waiting_for: str | None) -> ContactInFull:
    """Returns a contact with its history."""
    return {
        **contact_with_names(shown),
        "history": [_entry(entry) for entry in history],
        "waiting_for": waiting_for,
    }


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
