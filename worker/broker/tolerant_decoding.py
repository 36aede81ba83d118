"""Malformed message properties must not end the connection.

The client library decodes a message's properties while it reads frames. What it cannot decode ends the connection, so
that every message prefetched with the bad one is redelivered, until the broker gives up all of them.
"""

from datetime import datetime

from pamqp import decode
from pamqp.common import FieldTable, FieldValue

UNDECODABLE = "undecodable"
DEEPEST = 20
UNREADABLE = (ValueError, OverflowError, OSError, LookupError, RecursionError)


def tolerate_any_properties() -> None:
    """Make the library decode any bytes; call it once per process, before the first connection."""
    decode.METHODS.update(shortstr=short_string, timestamp=timestamp, table=table)


def short_string(value: bytes) -> tuple[int, str]:
    """Decode any bytes; invalid UTF-8 becomes lone surrogates, which our checks reject, naming the field."""
    length = value[0]
    return length + 1, value[1 : length + 1].decode("utf-8", "surrogateescape")


def timestamp(value: bytes) -> tuple[int, datetime | None]:
    """Decode a timestamp; None if the number is out of range."""
    try:
        return decode.timestamp(value)
    except UNREADABLE:
        return 8, None


def table(value: bytes) -> tuple[int, FieldTable]:
    """Decode headers; their raw bytes under UNDECODABLE if they are malformed or nested too deep."""
    length = 4 + int.from_bytes(value[:4], "big")
    raw: FieldTable = {UNDECODABLE: value[4:length]}
    try:
        read, headers = decode.field_table(value)
    except UNREADABLE:
        return length, raw
    return (read, headers) if _depth(headers) <= DEEPEST else (length, raw)


def _depth(value: object) -> int:
    """How deep tables and lists are nested; counts no further than just past DEEPEST."""
    inner, depth = _children(value), 0
    while inner and depth <= DEEPEST:
        depth += 1
        inner = [child for outer in inner for child in _children(outer)]
    return depth


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def as_bytes(text: str) -> FieldValue:
    """Turn text that `short_string` decoded from invalid UTF-8 back into those bytes; other text is unchanged."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")
    return text
