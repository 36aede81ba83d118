"""Messages that could not be processed are kept whole, with the reason, and tried again where that can help."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.errors import MessageRejected, ParkedCode
from distribution.ids import new_id, time_of
from distribution.messages import MAX_KEY_BYTES, Incoming, cut, storable
from distribution.store import parked
from distribution.store.parked import DEFERRED, REJECTED, Parked

PAUSES = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600))
"""How long to wait before each retry of a deferred message, counted from the try before it."""


async def park(conn: AsyncConnection, messages: Sequence[tuple[Incoming, MessageRejected]]) -> None:
    """Keep messages; the same message coming again while it is parked counts one attempt more."""
    await parked.park(conn, [_row(message, why) for message, why in messages])


def next_attempt(why: MessageRejected, retries: int, now: datetime) -> datetime | None:
    """When to retry by itself a message that was just tried, after so many retries; None if a person is needed."""
    if why.code != ParkedCode.UNKNOWN_CONTACT or retries >= len(PAUSES):
        return None
    return now + PAUSES[retries]


def restored(row: Parked) -> Incoming:
    """The message as it came."""
    properties = json.loads(row.properties)
    return Incoming(
        body=row.body,
        message_id=_text(properties.get("message_id")),
        type=_text(properties.get("message_type")),
        content_type=_text(properties.get("content_type")),
        content_encoding=_text(properties.get("content_encoding")),
        reply_to=_text(properties.get("reply_to")),
        correlation_id=_text(properties.get("correlation_id")),
        headers=properties.get("headers") or {},
        properties=properties,
        user_id=_text(properties.get("user_id")),
        body_size=row.body_size,
        body_digest=row.body_digest,
    )


def words(why: MessageRejected) -> str:
    """The detail as both databases can keep it."""
    return why.detail.replace("\0", "\\0")


def _detail(message: Incoming, why: MessageRejected) -> str:
    """The reason, and what is kept of the body if that is not all of it."""
    if message.body_size is None:
        return words(why)
    digest = f" (SHA-256 {message.body_digest.hex()})" if message.body_digest else ""
    return (
        f"{words(why)} Only the first {len(message.body)} of its {message.body_size} bytes{digest} are kept, so it"
        " cannot be replayed: publish it again, smaller."
    )


def _row(message: Incoming, why: MessageRejected) -> Parked:
    if why.code == ParkedCode.TOO_LARGE:
        message = cut(message)
    parked_id = new_id()
    now = time_of(parked_id)
    again = next_attempt(why, 0, now)
    key = storable(message.message_id)
    # With the user: a message that one may not send must not stand in for the same message of another.
    of_user = (message.user_id,) if message.user_id else ()
    identity = repr((message.message_id, message.type, message.content_type, *of_user)).encode()
    return Parked(
        id=parked_id,
        state=REJECTED if again is None else DEFERRED,
        code=str(why.code),
        detail=_detail(message, why),
        source=why.source,
        message_id=key if key and len(key) <= MAX_KEY_BYTES else None,
        body=message.body,
        properties=_as_json(message.properties),
        fingerprint=blake2b(identity + (message.body_digest or message.body), digest_size=16).digest(),
        attempts=1,
        created_at=now,
        next_attempt_at=again,
        retries=0,
        body_size=message.body_size,
        body_digest=message.body_digest,
    )


def _as_json(properties: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(properties), ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        return json.dumps(_with_words(dict(properties)), ensure_ascii=False, default=_plain)


def _with_words(value: Any) -> Any:
    """The same with "nan" and "inf" as words: a header may hold them, JSON knows no such numbers."""
    match value:
        case dict():
            return {name: _with_words(inner) for name, inner in value.items()}
        case list():
            return [_with_words(inner) for inner in value]
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value


def _plain(value: object) -> object:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, (bytes, bytearray)) else str(value)


def _text(value: object) -> str | None:
    """The inverse of `_plain` for a property that is a text; bytes that are no UTF-8 as lone surrogates."""
    if isinstance(value, dict):
        return base64.b64decode(value.get("base64", "")).decode("utf-8", "surrogateescape")
    return value if isinstance(value, str) else None
