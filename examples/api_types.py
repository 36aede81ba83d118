"""What the HTTP API returns, as far as these examples read it."""

from typing import Any, Literal, NotRequired, TypedDict


class Operator(TypedDict):
    """A person who handles contacts."""

    id: int
    name: str
    is_active: bool
    max_active_contacts: int
    load: int
    created_at: str


class Source(TypedDict):
    """A channel that contacts come from."""

    id: int
    code: str
    name: str
    strategy: str
    sticky: bool
    dedupe_window: int | None
    created_at: str


class Weight(TypedDict):
    """One operator's weight on a source, and the resulting share."""

    operator_id: int
    name: str
    weight: int
    share: float
    is_active: bool
    load: int
    max_active_contacts: int


class Contact(TypedDict):
    """One enquiry of a lead; long lists leave out some large payloads: `payload` is null then."""

    id: str
    status: str
    lead_id: int
    source_id: int
    operator_id: int | None
    message_id: str
    payload: Any
    payload_omitted: NotRequired[Literal[True]]
    created_at: str
    assigned_at: str | None
    closed_at: str | None


class Lead(TypedDict):
    """A lead with its newest contacts."""

    id: int
    external_id: str
    phone: str | None
    email: str | None
    created_at: str
    contacts: list[Contact]
    contacts_total: int


class Parked(TypedDict):
    """A message that could not be processed, with its reason."""

    id: str
    state: str
    code: str
    detail: str
    source: str | None
    message_id: str | None
    attempts: int
    created_at: str
