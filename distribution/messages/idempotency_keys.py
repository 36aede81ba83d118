"""Idempotency keys: what can be kept as one, and where it stands."""

import re

from distribution.errors import MessageRejected, ParkedCode
from distribution.messages.incoming import storable

MAX_KEY_BYTES = 255
MAX_PRODUCER_BYTES = 1024
QUOTED = re.compile(r' *"((?:[^"\\]|\\["\\])*)" *')


def usable_key(key: object, source: str | None = None, name: str = "message_id") -> str:
    """The key, or MessageRejected if there is none that can be kept. `name`: what its sender calls it."""
    detail = f"Set {name}: it is the idempotency key."
    if isinstance(key, str) and key:
        if is_usable_key(key):
            return key
        detail = f"{name} must have 1 to {MAX_KEY_BYTES} bytes of UTF-8, none of them NUL."
    raise MessageRejected(ParkedCode.MISSING_MESSAGE_ID, detail, name, source)


def is_usable_key(key: str) -> bool:
    """Whether it can be kept as a key."""
    return bool(key) and _fits(key, MAX_KEY_BYTES)


def usable_producer(producer: str) -> str:
    """The `source` of a CloudEvent, which is half of its key, or MessageRejected if it cannot be kept."""
    if producer and _fits(producer, MAX_PRODUCER_BYTES):
        return producer
    detail = f"source must have 1 to {MAX_PRODUCER_BYTES} bytes of UTF-8, none of them NUL."
    raise MessageRejected(ParkedCode.INVALID_MESSAGE, detail, "source")


def unquoted(key: str) -> str:
    r"""A key as RFC 8941 writes a string, `"h1"`, without its quotes; any other as it is."""
    quoted = QUOTED.fullmatch(key)
    return re.sub(r'\\(["\\])', r"\1", quoted[1]) if quoted else key


def _fits(text: str, most: int) -> bool:
    return storable(text) is not None and len(text.encode()) <= most
