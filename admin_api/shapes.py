"""Response bodies, as the contract has them."""

from typing import Annotated, Any, Generic, Literal, NotRequired, TypeVar

from pydantic import Field
from typing_extensions import TypedDict

from distribution.errors import ParkedCode
from distribution.selection.strategies import STRATEGIES

T = TypeVar("T")

# Texts to the type checker; what they hold stands in the API's document.
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Status = Annotated[str, Field(json_schema_extra={"enum": ["waiting", "active", "closed"]})]
State = Annotated[str, Field(json_schema_extra={"enum": ["deferred", "rejected", "replayed", "dropped"]})]
OpenState = Annotated[str, Field(json_schema_extra={"enum": ["deferred", "rejected"]})]
Code = Annotated[str, Field(json_schema_extra={"enum": [*ParkedCode]})]
Strategy = Annotated[str, Field(json_schema_extra={"enum": [*STRATEGIES]})]


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
    created_at: Time


class SourceShape(TypedDict):
    """A source; `dedupe_window`: seconds in which the same payload of the same lead is the same contact, or null."""

    id: int
    code: str
    name: str
    strategy: Strategy
    sticky: bool
    dedupe_window: int | None
    created_at: Time


class WeightShape(TypedDict):
    """An operator's weight for a source; `share` is the fraction it gets while no operator is at the limit, 0 to 1."""

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

    id: Uuid
    status: Status
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
    """A closed contact; whoever may read contacts also gets its history."""

    history: NotRequired[list[HistoryEntry]]
    waiting_for: NotRequired[str | None]


class LeadShape(TypedDict):
    """A lead with its newest 20 contacts."""

    id: int
    external_id: str
    phone: str | None
    email: str | None
    created_at: Time
    contacts: list[ListedContactShape]
    contacts_total: int


class PossibleDuplicate(LeadReference):
    """Another lead that may be the same customer; `same` names the fields that are equal."""

    same: list[Literal["phone", "email"]]


class LeadInFull(LeadShape):
    """A lead and up to 20 others with the same phone or e-mail, however it was written."""

    possible_duplicates: list[PossibleDuplicate]


class ParkedShape(TypedDict):
    """A message that could not be processed; `body` is text, or `body_base64` if it is not UTF-8.

    `body_size`: how many bytes the body had, if only its beginning is kept; such a message cannot be replayed.
    `source`: whose it is, or the one that its body names. `properties`: as the sender set them, under AMQP's names, and
    what the broker added.
    """

    id: Uuid
    state: State
    code: Code
    detail: str
    source: str | None
    message_id: str | None
    body: NotRequired[str]
    body_base64: NotRequired[str]
    body_size: NotRequired[int]
    properties: dict[str, Any]
    attempts: int
    created_at: Time


class ReplayShape(TypedDict):
    """How many messages were processed, and how many are parked again."""

    replayed: int
    parked_again: int


class ReplayedShape(ParkedShape, ReplayShape):
    """The message after the replay, and whether it was processed."""
