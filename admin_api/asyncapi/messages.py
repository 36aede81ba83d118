"""Every message with its schema."""

from typing import Any

from admin_api.asyncapi.examples import BODIES as EXAMPLES
from admin_api.asyncapi.examples import cloudevent_example, event_example
from admin_api.openapi.schemas import REFERENCE, generate
from distribution.event_shapes import ContactEvent, ParkedReply
from distribution.events import ASSIGNED, CLOSED, PARKED, REASSIGNED, TYPES, WAITING
from distribution.messages import BODIES, CLOSE, CLOUDEVENTS_TYPE, JSON_TYPE, SUBMIT

SUMMARIES = {
    SUBMIT: "Submits a contact.",
    CLOSE: "Closes a contact, named by its id or by the key it was submitted with.",
    ASSIGNED: "An operator has the contact for the first time.",
    WAITING: "No operator can take the contact now.",
    REASSIGNED: "Another operator has the contact, also after it waited in between.",
    CLOSED: "The contact is closed.",
    PARKED: "The message could not be processed and is kept. Sent only to `reply_to`, never to `assignments`.",
}
SENT_PROPERTIES = (
    "AMQP properties: `message_id` (the idempotency key, unless the body has one), `type` (`{kind}`; required, except"
    " that none means `contact.submit`), `content_type`, `reply_to` and `correlation_id` (optional: the outcome goes"
    " there), delivery mode 2."
)
EVENT_PROPERTIES = (
    "AMQP properties: `message_id` (the event's `id`), `type`, `correlation_id` (the key of the submission; of a reply"
    " the `correlation_id` of the request), `timestamp`, `content_type`, `app_id`; delivery mode 2."
)
HEADERS = {
    "type": "object",
    "properties": {"traceparent": {"type": "string", "description": "Optional W3C Trace Context; passed on."}},
}
CORRELATION = {"location": "$message.header#/correlation_id"}


def message_id(kind: str, *, as_cloudevent: bool = False) -> str:
    """Returns the name of a message in the document: `contactSubmit` for `contact.submit`."""
    first, second = kind.split(".")
    return f"{first}{second.capitalize()}{'CloudEvent' if as_cloudevent else ''}"


def messages() -> dict[str, Any]:
    """Returns all messages, by name."""
    plain = {message_id(kind): _plain_message(kind) for kind in BODIES}
    cloudevents = {message_id(kind, as_cloudevent=True): _cloudevent(kind) for kind in BODIES}
    return plain | cloudevents | {message_id(kind): _event(kind) for kind in (*TYPES, PARKED)}


def schemas() -> dict[str, Any]:
    """Returns the schemas that the messages refer to."""
    return generate(BODIES.values(), (ContactEvent, ParkedReply))[1]


def _reference(shape: type) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=shape.__name__)}


def _plain_message(kind: str) -> dict[str, Any]:
    example = {"name": "plain", "payload": EXAMPLES[kind]}
    return _message(kind, JSON_TYPE, SENT_PROPERTIES.format(kind=kind), _reference(BODIES[kind]), example)


def _cloudevent(kind: str) -> dict[str, Any]:
    """Returns a message as a CloudEvent: its `type` and `id` replace the properties."""
    payload = {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "description": "With `source` the idempotency key."},
            "source": {"type": "string", "minLength": 1},
            "type": {"const": kind},
            "data": _reference(BODIES[kind]),
        },
    }
    description = "Structured JSON; binary mode (headers `cloudEvents:…`, `cloudEvents_…` or `ce-…`) is accepted too."
    example = {"name": "cloudevent", "payload": cloudevent_example(kind)}
    message = _message(kind, CLOUDEVENTS_TYPE, description, payload, example)
    return message | {"title": f"{kind} as a CloudEvent", "bindings": _bindings(None)}


def _event(kind: str) -> dict[str, Any]:
    shape = ParkedReply if kind == PARKED else ContactEvent
    payload = {"allOf": [_reference(shape), {"type": "object", "properties": {"type": {"const": kind}}}]}
    return _message(kind, CLOUDEVENTS_TYPE, EVENT_PROPERTIES, payload, {"name": kind, "payload": event_example(kind)})


def _message(
    kind: str, content_type: str, description: str, payload: dict[str, Any], example: dict[str, Any]
) -> dict[str, Any]:
    return {
        "name": kind,
        "title": kind,
        "summary": SUMMARIES[kind],
        "description": description,
        "contentType": content_type,
        "headers": HEADERS,
        "correlationId": CORRELATION,
        "payload": payload,
        "examples": [example],
        "bindings": _bindings(kind),
    }


def _bindings(kind: str | None) -> dict[str, Any]:
    return {"amqp": {**({"messageType": kind} if kind else {}), "bindingVersion": "0.3.0"}}
