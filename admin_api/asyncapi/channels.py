"""Exchanges, routing keys and queues, and what is sent and received there."""

from collections.abc import Iterable, Sequence
from typing import Any

from admin_api.asyncapi.messages import SUMMARIES, message_id
from distribution.events import ASSIGNED, CLOSED, PARKED, REASSIGNED, TYPES, WAITING
from distribution.messages import CLOSE, SUBMIT

VERSION = {"bindingVersion": "0.3.0"}
KEPT = {"durable": True, "autoDelete": False, "vhost": "/"}
CONTACTS, ASSIGNMENTS = "contacts", "assignments"
INBOUND, LOG = "contacts.inbound.v1", "assignments.log"
PARAMETERS = {
    "source": {"description": "The code of the source.", "examples": ["telegram-bot"]},
    "operator": {"description": "The operator's id; `none` if the contact had no operator.", "examples": ["17"]},
}
ROUTING_KEYS = {
    SUBMIT: "contact.submit.{source}",
    CLOSE: "contact.close",
    ASSIGNED: "contact.assigned.{source}.{operator}",
    WAITING: "contact.waiting.{source}",
    REASSIGNED: "contact.reassigned.{source}.{operator}",
    CLOSED: "contact.closed.{source}.{operator}",
}
QUEUES = {
    INBOUND: "The quorum queue that the workers consume: bound to `contacts` with `#`. Clients do not use it.",
    LOG: (
        "A stream of all events, bound to `assignments` with `#`, kept for at least seven days (`EVENT_LOG_MAX_AGE`)."
        " To replay it, consume it with a prefetch count, manual acknowledgements and the argument `x-stream-offset`:"
        " `first`, an offset, a timestamp or an interval such as `1h`."
    ),
}
REPLIES = "replies"
REPLY_ADDRESS = {
    "location": "$message.header#/reply_to",
    "description": "The AMQP property `reply_to`: direct reply-to, or a queue of the sender's.",
}
SENT, RECEIVED = (*TYPES,), (SUBMIT, CLOSE)


def channels() -> dict[str, Any]:
    """Returns all channels, by name."""
    by_key = {message_id(kind): _by_routing_key(kind) for kind in (*RECEIVED, *SENT)}
    return {
        **by_key,
        "inbound": _queue(INBOUND, _names(RECEIVED)),
        "eventLog": _queue(LOG, _names(SENT)),
        REPLIES: {
            "address": None,
            "description": "The queue that a message names in `reply_to`, through the default exchange.",
            "messages": _messages(_names((*SENT, PARKED))),
        },
    }


def operations() -> dict[str, Any]:
    """Returns all operations, by name; `receive` and `send` are from the service's point of view."""
    received = {f"receive{_capitalized(kind)}": _receive(kind) for kind in RECEIVED}
    sent = {f"send{_capitalized(kind)}": _send(kind) for kind in SENT}
    log = {
        "action": "send",
        "summary": "Every event, kept for replays.",
        "description": QUEUES[LOG],
        "channel": _reference("eventLog"),
    }
    return {**received, **sent, "keepEvents": log}


def _by_routing_key(kind: str) -> dict[str, Any]:
    address = ROUTING_KEYS[kind]
    exchange = CONTACTS if kind in RECEIVED else ASSIGNMENTS
    channel = {
        "address": address,
        "description": f"{SUMMARIES[kind]} The address is the routing key on the exchange `{exchange}`.",
        "messages": _messages(_names([kind])),
        "bindings": {"amqp": {"is": "routingKey", "exchange": {"name": exchange, "type": "topic", **KEPT}, **VERSION}},
    }
    if parameters := {name: words for name, words in PARAMETERS.items() if f"{{{name}}}" in address}:
        channel["parameters"] = parameters
    return channel


def _queue(name: str, messages: Iterable[str]) -> dict[str, Any]:
    queue = {"name": name, "exclusive": False, **KEPT}
    return {
        "address": name,
        "description": QUEUES[name],
        "messages": _messages(messages),
        "bindings": {"amqp": {"is": "queue", "queue": queue, **VERSION}},
    }


def _receive(kind: str) -> dict[str, Any]:
    return {
        "action": "receive",
        "summary": SUMMARIES[kind],
        "description": "The outcome is sent to `reply_to`, if the message names a queue there, after the commit.",
        "channel": _reference(message_id(kind)),
        "reply": {"address": REPLY_ADDRESS, "channel": _reference(REPLIES)},
    }


def _send(kind: str) -> dict[str, Any]:
    bindings = {"amqp": {"deliveryMode": 2, "timestamp": True, **VERSION}}
    return {
        "action": "send",
        "summary": SUMMARIES[kind],
        "description": "Sent after the commit of the change, at least once.",
        "channel": _reference(message_id(kind)),
        "bindings": bindings,
    }


def _names(kinds: Sequence[str]) -> list[str]:
    """Returns the names of the messages; those that bots send may also be CloudEvents."""
    cloudevents = [message_id(kind, as_cloudevent=True) for kind in kinds if kind in RECEIVED]
    return [*map(message_id, kinds), *cloudevents]


def _messages(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _reference(channel: str) -> dict[str, str]:
    return {"$ref": f"#/channels/{channel}"}


def _capitalized(kind: str) -> str:
    name = message_id(kind)
    return name[0].upper() + name[1:]
