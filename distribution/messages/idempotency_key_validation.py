"""Validates idempotency keys."""

import re

from distribution.errors import MessageRejected, ParkedCode
from distribution.messages.incoming import storable

MAX_KEY_BYTES = 255
MAX_PRODUCER_BYTES = 1024
QUOTED = re.compile(r' *"((?:[^"\\]|\\["\\])*)" *')


def usable_key(key: object, source: str | None = None, name: str = "message_id") -> str:
    """The key; raises MessageRejected if it is missing or cannot be stored. `name`: the name of its field."""
    detail = f"Set {name}: it is the idempotency key."
    if isinstance(key, str) and key:
        if is_usable_key(key):
            return key
        detail = f"{name} must have 1 to {MAX_KEY_BYTES} bytes of UTF-8, none of them NUL."
    raise MessageRejected(ParkedCode.MISSING_MESSAGE_ID, detail, name, source)


def is_usable_key(key: str) -> bool:
    """Whether it can be stored as a key."""
    return bool(key) and _fits(key, MAX_KEY_BYTES)


def usable_producer(producer: str) -> str:
    """The `source` of a CloudEvent, which is part of its key; raises MessageRejected if it cannot be stored."""
    if producer and _fits(producer, MAX_PRODUCER_BYTES):
        return producer
    detail = f"source must have 1 to {MAX_PRODUCER_BYTES} bytes of UTF-8, none of them NUL."
    raise MessageRejected(ParkedCode.INVALID_MESSAGE, detail, "source")


def unquoted(key: str) -> str:
    r"""A key without the quotes of an RFC 8941 string, `"h1"`; any other key unchanged."""
    match = QUOTED.fullmatch(key)
    return re.sub(r'\\(["\\])', r"\1", match[1]) if match else key


def _fits(text: str, max_bytes: int) -> bool:
    return storable(text) is not None and len(text.encode()) <= max_bytes
