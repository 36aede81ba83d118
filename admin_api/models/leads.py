"""Leads: query, response bodies and their serializers."""

from collections.abc import Sequence
from typing import Literal

from typing_extensions import TypedDict

from admin_api.models.common import PageQuery, QueryText
from admin_api.models.contacts import ListedContactShape, listed_shape
from distribution.admin.leads import Duplicate, LeadDetails
from distribution.event_shapes import LeadReference, Time
from distribution.ids import isoformat


class LeadsQuery(PageQuery):
    """Which leads."""

    external_id: QueryText | None = None
    phone: QueryText | None = None
    email: QueryText | None = None


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


def lead_shape(lead: LeadDetails) -> LeadShape:
    """Returns a lead as lists show it."""
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
    """Returns a lead with its possible duplicates."""
    others: list[PossibleDuplicate] = [{**other.lead.shown(), "same": other.same} for other in duplicates]
    return {**lead_shape(lead), "possible_duplicates": others}
