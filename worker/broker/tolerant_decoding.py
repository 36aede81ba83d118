"""Properties that no decent client would send must not cost the connection.

The client library decodes a message's properties while it reads frames. What it cannot decode ends the connection, and
with it every message that was prefetched beside the bad one, until the broker gives all of them up.
"""

from datetime import datetime

from pamqp import decode
from pamqp.common import FieldTable, FieldValue

UNDECODABLE = "undecodable"
DEEPEST = 20
UNREADABLE = (ValueError, OverflowError, OSError, LookupError, RecursionError)


def tolerate_any_properties() -> None:
    """Make the library read any bytes; once per process, before the first connection."""
    decode.METHODS.update(shortstr=short_string, timestamp=timestamp, table=table)


def short_string(value: bytes) -> tuple[int, str]:
    """Text of any bytes; what is not UTF-8 becomes lone surrogates, which our checks refuse by name."""
    length = value[0]
    return length + 1, value[1 : length + 1].decode("utf-8", "surrogateescape")


def timestamp(value: bytes) -> tuple[int, datetime | None]:
    """A moment, or nothing if the number is no moment."""
    try:
        return decode.timestamp(value)
    except UNREADABLE:
        return 8, None


def table(value: bytes) -> tuple[int, FieldTable]:
    """Headers, or their raw bytes where they are broken or nested too deep."""
    length = 4 + int.from_bytes(value[:4], "big")
    raw: FieldTable = {UNDECODABLE: value[4:length]}
    try:
        read, found = decode.field_table(value)
    except UNREADABLE:
        return length, raw
    return (read, found) if _depth(found) <= DEEPEST else (length, raw)


def _depth(value: object) -> int:
    """How deep tables and lists are nested in each other; not much further than matters."""
    inner: list[object] = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    depth = 0
    while inner and depth <= DEEPEST:
        depth += 1
        inner = [
            each
            for outer in inner
            for each in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
        ]
    return depth


def as_bytes(text: str) -> FieldValue:
    """What `short_string` made of bytes that are no UTF-8, as those bytes; all else as it is."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")
    return text
