"""A message as it was received, before it is decoded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

JSON_TYPE = "application/json"
WHOLE_BYTES = 1024 * 1024
"""Up to this size (or the maximum message size, if larger) the body of a parked message is stored whole."""
CUT_BYTES = 64 * 1024
"""How much of a larger body is stored."""
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message with its properties.

    `body_size` and `body_digest` (SHA-256): of the whole body if `body` is only its beginning, else None.
    """

    body: bytes
    message_id: str | None = None
    type: str | None = None
    content_type: str | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    user_id: str | None = None
    """The broker user who sent it; the broker checks it against the connection."""
    body_size: int | None = None
    body_digest: bytes | None = None
    content_encoding: str | None = None
    redelivered: bool = False
    """Whether the broker may have delivered it before."""


def cut(message: Incoming) -> Incoming:
    """The message with only the beginning of its body if the body is too large to be stored whole."""
    body = message.body
    if message.body_size is not None or len(body) <= WHOLE_BYTES:
        return message
    return replace(message, body=body[:CUT_BYTES], body_size=len(body), body_digest=sha256(body).digest())


def storable(value: str | None) -> str | None:
    """The property if both databases can store it, else None."""
    return value if value and not UNSTORABLE.search(value) else None


def traceparent_of(headers: Mapping[str, Any]) -> str | None:
    """The W3C trace context if the header is well-formed, else None."""
    value = headers.get("traceparent")
    return value if isinstance(value, str) and TRACEPARENT.fullmatch(value) else None
