"""What goes out: the contract's shapes."""

from typing import Any, Generic, NotRequired, TypeVar

from typing_extensions import TypedDict

T = TypeVar("T")


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
