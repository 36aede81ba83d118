"""The shapes of events: what `distribution.events` writes and the API shows."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

# Plain strings to the type checker; their format is in the OpenAPI and AsyncAPI documents.
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
ContactStatus = Annotated[str, Field(json_schema_extra={"enum": ["waiting", "active", "closed"]})]


class LeadReference(TypedDict):
    """A lead as events show it."""

    id: int
    external_id: Annotated[str, Field(description="The customer's id, as the bot knows it.")]
    phone: Annotated[str | None, Field(description="As it was sent; null if unknown.")]
    email: Annotated[str | None, Field(description="As it was sent; null if unknown.")]


class SourceReference(TypedDict):
    """A source as events show it."""

    id: int
    code: str


class OperatorReference(TypedDict):
    """An operator as events show it."""

    id: int
    name: str


class ContactReference(TypedDict):
    """A contact as events show it."""

    id: Uuid
    status: Annotated[ContactStatus, Field(description="The status after this event.")]
    created_at: Time
    message_id: Annotated[str, Field(description="The key that the contact was submitted with.")]


class ContactChange(TypedDict):
    """A change of a contact."""

    contact: ContactReference
    lead: LeadReference
    source: SourceReference
    operator: Annotated[OperatorReference | None, Field(description="Null while no operator has the contact.")]
    previous_operator: Annotated[
        OperatorReference | None, Field(description="The operator who had it last, if it was moved or waited again.")
    ]
    payload: Annotated[Any, Field(description="The payload as it was submitted, any JSON value.")]
    sequence: Annotated[int, Field(description="Counts the events of the contact from 1.", ge=1)]
    reason: Annotated[str | None, Field(description="The reason for the decision, or for the closing.")]


class Rejection(TypedDict):
    """Why a message was parked."""

    code: Annotated[str, Field(description="A stable code; docs/message-life-cycle.md lists them.")]
    detail: Annotated[str, Field(description="One sentence for the author of the bot.")]
    message_id: str | None


class Envelope(TypedDict):
    """The attributes of a CloudEvent 1.0 in structured JSON."""

    specversion: Literal["1.0"]
    id: Annotated[Uuid, Field(description="Stays the same if the event is sent again: recognise duplicates by it.")]
    source: Literal["/contact-distribution"]
    type: str
    subject: NotRequired[Annotated[str, Field(description="The contact's id; of a parked message its key, if any.")]]
    time: Time
    datacontenttype: Literal["application/json"]


class ContactEvent(Envelope):
    """A change of a contact as a CloudEvent."""

    data: ContactChange


class ParkedReply(Envelope):
    """The reply to a message that was parked, as a CloudEvent."""

    data: Rejection
