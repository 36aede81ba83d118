"""Descriptions of the API, its tags, parameters and headers, and examples of bodies."""

from collections.abc import Mapping
from typing import Any

from admin_api.models.contacts import ContactAssignment, ContactClosing, NewContact
from admin_api.models.operators import NewOperator
from admin_api.models.sources import NewSource, NewWeights
from distribution.release import VERSION

TITLE = "Contact Distribution"
CONTACT = {"name": "The team that runs this installation"}
LICENSE = {"name": "MIT"}
ABOUT = {
    "title": TITLE,
    "version": VERSION,
    "contact": CONTACT,
    "license": LICENSE | {"identifier": "MIT"},
    "summary": "Gives customer enquiries to operators, by weights and limits.",
    "description": (
        "A *lead* (a customer) sends a *contact* (one enquiry) through a *source* (a bot, a channel). It becomes "
        "`active` with an *operator* who has a weight for the source and a free place, or `waiting` until one has."
        "\n\nTimes are ISO 8601 in UTC. `next_cursor` is where the next page starts. Errors are"
        " `application/problem+json` (RFC 9457). Objects carry an `ETag`; an edit with `If-Match` gets 412 if the"
        " object has changed since."
    ),
}
SERVERS = [{"url": "/", "description": "The server that serves this document."}]
TAGS = {
    "operators": "People who handle contacts, each up to a limit.",
    "sources": "Where contacts come from, and the weights of their operators.",
    "contacts": "Enquiries: submit, close, assign by hand, and the reason for each decision.",
    "leads": "Customers and their contacts.",
    "parked": "Messages that could not be processed, kept whole.",
    "stats": "Current loads and backlog.",
    "audit": "Who changed what, and when.",
    "service": "Health, metrics and this document.",
}
SECURITY = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": (
            "A token of ADMIN_API_TOKENS. Its role determines what it may do: `viewer` reads; `bot` submits and closes "
            "contacts, only of its sources if it is bound to some, and reads nothing; `admin` may do everything."
        ),
    }
}
TEXT = {"schema": {"type": "string"}}
HEADERS = {
    "ETag": {"description": "The version of the object's editable fields, for If-Match.", "required": True, **TEXT},
    "Location": {"description": "The URL of the object.", "required": True, **TEXT},
    "WWW-Authenticate": {"description": "The authentication scheme to use.", "required": True, **TEXT},
    "Retry-After": {"description": "Seconds to wait before retrying.", "schema": {"type": "integer"}},
}
REQUEST_HEADERS = {
    "If-Match": (
        "Change the object only if it has this ETag, or one of several; `*` or empty: any. A weak ETag (`W/"
        '"…"`, which a compressing proxy makes of ours) matches nothing: send it without `W/`.'
    ),
    "Idempotency-Key": (
        "The idempotency key, with or without quotes, if the body has no `message_id`; if both are given they must"
        " be equal. Ignored for a CloudEvent."
    ),
    "traceparent": "W3C Trace Context, passed on to the events; ignored if malformed.",
}
PARAMETERS = {
    "limit": "Maximum number of items to return.",
    "cursor": "`next_cursor` of the previous page; omit it for the first page.",
    "status": "Only contacts with this status.",
    "source": "Only of the source with this code.",
    "operator_id": "Only of this operator.",
    "lead_id": "Only of this lead.",
    "created_from": "Created at this time or later, with a time zone (send `+` as %2B; a space is accepted too).",
    "created_to": "Created before this time, with a time zone (send `+` as %2B; a space is accepted too).",
    "external_id": "The lead with this `external_id`.",
    "phone": "Leads with this phone, however it is written: with spaces, as `tel:`, with 00 for +, or as WhatsApp "
    "and carriers write the mobile numbers of Brazil, Mexico and Argentina.",
    "email": "Leads with this e-mail, however it is written: in capitals, with `mailto:`, or with a name before it.",
    "state": "Only messages in this state.",
    "code": "Only messages parked with this code.",
    "reassign": "Move the operator's contacts to others or to waiting; requires `is_active: false` in the body.",
    "object_kind": "Only changes of objects of this kind.",
    "object_id": "Only changes of objects with this id.",
    "action": "Only changes with this action.",
    "role": "Only changes by tokens of this role; `shell`: at the command line; `system`: by a program itself.",
    "name": "Only changes by tokens of this name.",
}
EXAMPLES: Mapping[type, Any] = {
    NewOperator: {"name": "Olga", "is_active": True, "max_active_contacts": 10},
    NewSource: {
        "code": "web-chat",
        "name": "Web chat",
        "strategy": "weighted_random",
        "sticky": False,
        "dedupe_window": None,
    },
    NewWeights: {"operators": [{"operator_id": 1, "weight": 30}]},
    NewContact: {
        "source": "telegram-bot",
        "lead": {"external_id": "tg:1001", "phone": "+79991234567", "email": "anna@example.com"},
        "payload": {"text": "Where is my order?"},
        "message_id": "telegram-bot-1001-1",
    },
    ContactClosing: {"reason": "solved"},
    ContactAssignment: {"operator_id": 1, "force": False},
}
