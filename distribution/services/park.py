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
from distribution.messages import MAX_KEY_BYTES, Incoming, storable
from distribution.store import parked
from distribution.store.parked import DEFERRED, REJECTED, Parked

RETRY_AT = tuple(timedelta(seconds=seconds) for seconds in (5, 35, 155, 755))
"""When a deferred message is tried again, counted from its arrival: after 5 s, 30 s, 2 min and 10 min more."""


async def park(conn: AsyncConnection, messages: Sequence[tuple[Incoming, MessageRejected]]) -> None:
    """Keep messages; the same message coming again while it is parked counts one attempt more."""
    await parked.park(conn, [_row(message, why) for message, why in messages])


def next_attempt(why: MessageRejected, parked_at: datetime, now: datetime) -> datetime | None:
    """When to try again by itself; None where a person is needed."""
    if why.code != ParkedCode.UNKNOWN_CONTACT:
        return None
    return next((parked_at + wait for wait in RETRY_AT if parked_at + wait > now), None)


def restored(row: Parked) -> Incoming:
    """The message as it came."""
    properties = json.loads(row.properties)
    return Incoming(
        body=row.body,
        message_id=_text(properties.get("message_id")),
        type=_text(properties.get("message_type")),
        content_type=_text(properties.get("content_type")),
        reply_to=_text(properties.get("reply_to")),
        correlation_id=_text(properties.get("correlation_id")),
        headers=properties.get("headers") or {},
        properties=properties,
        user_id=_text(properties.get("user_id")),
    )


def words(why: MessageRejected) -> str:
    """The detail as both databases can keep it."""
    return why.detail.replace("\0", "\\0")


def _row(message: Incoming, why: MessageRejected) -> Parked:
    parked_id = new_id()
    now = time_of(parked_id)
    again = next_attempt(why, now, now)
    key = storable(message.message_id)
    # With the user: a message that one may not send must not stand in for the same message of another.
    of_user = (message.user_id,) if message.user_id else ()
    identity = repr((message.message_id, message.type, message.content_type, *of_user)).encode() + message.body
    return Parked(
        id=parked_id,
        state=REJECTED if again is None else DEFERRED,
        code=str(why.code),
        detail=words(why),
        source=why.source,
        message_id=key if key and len(key) <= MAX_KEY_BYTES else None,
        body=message.body,
        properties=_as_json(message.properties),
        fingerprint=blake2b(identity, digest_size=16).digest(),
        attempts=1,
        created_at=now,
        next_attempt_at=again,
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
