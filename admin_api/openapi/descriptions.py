"""What no declaration says: what the API is, what parameters and headers mean, examples."""

from collections.abc import Mapping
from typing import Any

from admin_api.schemas import ContactAssignment, ContactClosing, NewContact, NewOperator, NewSource, NewWeights

ABOUT = {
    "title": "Contact Distribution",
    "version": "1.0.0",
    "summary": "Gives customer enquiries to operators, by weights and limits.",
    "description": (
        "A *lead* (a customer) sends a *contact* (one enquiry) through a *source* (a bot, a channel). It becomes "
        "`active` with an *operator* who has a weight on the source and a free place, or it is `waiting` until one has."
        "\n\nTimes are ISO 8601 in UTC. Lists go on at `next_cursor`. Errors are `application/problem+json` (RFC 9457)."
        " Objects carry an `ETag`; an edit with `If-Match` is refused with 412 where somebody else was faster."
    ),
}
TAGS = {
    "operators": "People who handle contacts, each up to a limit.",
    "sources": "Where contacts come from, and the weights of their operators.",
    "contacts": "Enquiries: submit, close, give by hand, and why each went where it did.",
    "leads": "Customers with their contacts.",
    "parked": "Messages that could not be processed, kept whole.",
    "stats": "How things stand.",
    "audit": "Who changed what.",
    "service": "Health, metrics and this document.",
}
SECURITY = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": (
            "A token of ADMIN_API_TOKENS. Its role says what it may do: `viewer` reads; `bot` reads nothing, and may "
            "submit and close contacts, of its sources if it is bound to some; `admin` may do everything."
        ),
    }
}
HEADERS = {
    "ETag": {
        "description": "The version of what people can edit of the object, for If-Match.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Location": {"description": "Where the object is.", "required": True, "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "How to ask.", "required": True, "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}},
}
REQUEST_HEADERS: Mapping[str, dict[str, Any]] = {
    "If-Match": {
        "description": (
            "Only change the object while it has this ETag, or one of several; `*` or empty: whichever it has. A weak "
            'ETag (`W/"…"`, what a compressing proxy makes of ours) matches nothing: send it without `W/`.'
        ),
        "schema": {"type": "string"},
    },
    "Idempotency-Key": {
        "description": (
            "The key, with or without quotes, where `message_id` is not in the body; where both are there they have to"
            " agree. It does not count beside a CloudEvent."
        ),
        "schema": {"type": "string"},
    },
    "traceparent": {
        "description": "W3C Trace Context, carried through to the events; ignored where it is not well-formed.",
        "schema": {"type": "string"},
    },
}
PARAMETERS = {
    "limit": "The most items to answer.",
    "cursor": "`next_cursor` of the page before; the first page without.",
    "status": "Contacts of this status.",
    "source": "Of the source with this code.",
    "operator_id": "Of this operator.",
    "lead_id": "Of this lead.",
    "created_from": "Made at this time or later, with its zone (a + is written %2B; as a space it is understood).",
    "created_to": "Made before this time, with its zone (likewise).",
    "external_id": "The lead with this id of the bot's.",
    "phone": "Leads with this phone, however it is written: with spaces, as `tel:`, with 00 for +, or as WhatsApp "
    "and carriers write the mobile numbers of Brazil, Mexico and Argentina.",
    "email": "Leads with this e-mail, however it is written: in capitals, with `mailto:`, or with a name before it.",
    "state": "Messages in this state.",
    "code": "Messages parked under this code.",
    "reassign": "Move the operator's contacts to others or to waiting; takes `is_active: false` in the body.",
    "object_kind": "Changes of objects of this kind.",
    "object_id": "Changes of objects with this id.",
    "action": "Changes of this sort.",
    "role": "Changes by tokens of this role; `shell`: at the command line; `system`: by a program itself.",
    "name": "Changes by tokens of this name.",
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
