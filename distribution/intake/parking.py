"""Stores messages that could not be processed, with the reason, and schedules retries if they can help."""

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution.errors import MessageRejected, ParkedCode, SourceAndContact
from distribution.ids import new_id, time_of
from distribution.intake.identifier_salvage import source_and_contact_in
from distribution.intake.parked_properties import TYPE, as_json, plain, text
from distribution.messages import MAX_KEY_BYTES, Incoming, cut, storable
from distribution.store import parked_messages, sources
from distribution.store.parked_messages import DEFERRED, REJECTED, Parked

PAUSES = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600))
"""How long to wait before each retry of a deferred message, counted from the previous try."""
SENT = ("message_id", "type", "content_type", "reply_to", "correlation_id", "user_id")
BROKERS_HEADERS = re.compile(r"x-death|x-(first|last)-death-(reason|queue|exchange)|x-(delivery|acquired)-count")
"""The broker adds these to a message that it redelivers or dead-letters, and changes the exchange."""

KEYLESS = (
    ParkedCode.INVALID_JSON,
    ParkedCode.INVALID_MESSAGE,
    ParkedCode.MISSING_MESSAGE_ID,
    ParkedCode.UNKNOWN_TYPE,
    ParkedCode.TOO_LARGE,
)
"""Messages parked with one of these codes may lack a key. One parked with another code was decoded, so it has a key or
names its contact, or it was dead-lettered by the broker, perhaps after it was parked."""


async def park(conn: AsyncConnection, messages: Sequence[tuple[Incoming, MessageRejected]]) -> None:
    """Store messages; if the same message arrives again while it is parked, its `attempts` grow by one.

    Messages are the same if nothing that their sender set differs: else one of two different messages would be lost.
    Without a key it must also be a redelivery; otherwise it is another message that happens to be equal.
    """
    named = await _sources_of(conn, messages)
    rows = [_row(*message, source) for message, source in zip(messages, named, strict=True)]
    keyless: dict[bytes, Parked] = {}
    for row, (message, why) in zip(rows, messages, strict=True):
        if message.message_id is None and not message.redelivered and why.code in KEYLESS:
            if (equal := keyless.get(row.fingerprint)) is not None:
                equal.fingerprint = _replacement_fingerprint(row)
            keyless[row.fingerprint] = row
    await parked_messages.replace_fingerprints(
        conn, {fingerprint: _replacement_fingerprint(row) for fingerprint, row in keyless.items()}
    )
    await parked_messages.park(conn, rows)


async def _sources_of(conn: AsyncConnection, messages: Sequence[tuple[Incoming, MessageRejected]]) -> list[str | None]:
    """The source of each message as far as it can be known: for listing it only, not for a decision."""
    named = [
        SourceAndContact(why.source) if why.source else why.named or source_and_contact_in(message)
        for message, why in messages
    ]
    known = {
        ids.contact_id
        for ids, (_, why) in zip(named, messages, strict=True)
        if ids.contact_id is not None and why.code != ParkedCode.UNKNOWN_CONTACT
    }
    codes = await sources.codes_of_contacts(conn, known) if known else {}
    return [(ids.contact_id and codes.get(ids.contact_id)) or ids.source for ids in named]


def next_attempt(why: MessageRejected, retries: int, now: datetime) -> datetime | None:
    """When to retry a message automatically that failed again after `retries` retries; None if an admin has to act."""
    if why.code != ParkedCode.UNKNOWN_CONTACT or retries >= len(PAUSES):
        return None
    return now + PAUSES[retries]


def restored(row: Parked) -> Incoming:
    """The message as it was received."""
    properties = json.loads(row.properties)
    return Incoming(
        body=row.body,
        message_id=text(properties.get("message_id")),
        type=text(properties.get(TYPE)),
        content_type=text(properties.get("content_type")),
        content_encoding=text(properties.get("content_encoding")),
        reply_to=text(properties.get("reply_to")),
        correlation_id=text(properties.get("correlation_id")),
        headers=properties.get("headers") or {},
        properties=properties,
        user_id=text(properties.get("user_id")),
        body_size=row.body_size,
        body_digest=row.body_digest,
    )


def storable_detail(why: MessageRejected) -> str:
    """The detail in a form that both databases can store."""
    return why.detail.replace("\0", "\\0")


def _detail(message: Incoming, why: MessageRejected) -> str:
    """The reason, and how much of the body is stored if that is not all of it."""
    detail = storable_detail(why)
    if message.body_size is None:
        return detail
    digest = f" (SHA-256 {message.body_digest.hex()})" if message.body_digest else ""
    return (
        f"{detail} Only the first {len(message.body)} of its {message.body_size} bytes{digest} are kept, so it"
        " cannot be replayed: publish it again, smaller."
    )


def _row(message: Incoming, why: MessageRejected, named_source: str | None) -> Parked:
    if why.code == ParkedCode.TOO_LARGE:
        message = cut(message)
    parked_id = new_id()
    now = time_of(parked_id)
    retry_at = next_attempt(why, 0, now)
    message_id = storable(message.message_id)
    return Parked(
        id=parked_id,
        state=REJECTED if retry_at is None else DEFERRED,
        code=str(why.code),
        detail=_detail(message, why),
        source=why.source,
        message_id=message_id if message_id and len(message_id) <= MAX_KEY_BYTES else None,
        body=message.body,
        properties=as_json(message.properties),
        fingerprint=_fingerprint(message),
        attempts=1,
        created_at=now,
        next_attempt_at=retry_at,
        retries=0,
        body_size=message.body_size,
        body_digest=message.body_digest,
        named_source=named_source,
    )


def _fingerprint(message: Incoming) -> bytes:
    """A digest of everything that the sender set; what the broker added does not count."""
    headers = {name: value for name, value in message.headers.items() if not BROKERS_HEADERS.fullmatch(name)}
    others = {name: value for name, value in message.properties.items() if name not in ("headers", "exchange")}
    fields = [getattr(message, name) for name in SENT]
    identity = json.dumps([fields, headers, others], sort_keys=True, default=plain).encode()
    return blake2b(identity + (message.body_digest or message.body), digest_size=16).digest()


def _replacement_fingerprint(row: Parked) -> bytes:
    """A new fingerprint for an earlier message that is equal to this one, so that this one can have the original."""
    return blake2b(row.fingerprint + row.id.bytes, digest_size=16).digest()
