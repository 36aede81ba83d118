"""A batch of messages in one transaction: every one becomes a contact, is recognised, or is parked with its reason."""

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution import events
from distribution.errors import MessageRejected
from distribution.ids import new_id, time_of
from distribution.messages import MAX_KEY_BYTES, Incoming, Submission, storable, traceparent_of
from distribution.services.history import first_events
from distribution.services.submit import Submitted, submit
from distribution.store import outbox, parked
from distribution.store.outbox import Claim, Publication
from distribution.store.parked import REJECTED, Parked

Outcome = Submitted | MessageRejected


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message and what was understood of it."""

    message: Incoming
    command: Submission | MessageRejected


@dataclass(frozen=True, slots=True)
class Intake:
    """What to publish once the transaction is committed, and how many messages ended how."""

    publications: list[Publication]
    counts: Counter[str]


async def take_in(
    conn: AsyncConnection, arrivals: Sequence[Arrival], random: Random, claim: Claim | None = None
) -> Intake:
    """Process a batch; nothing that a sender can put into a message makes it raise."""
    submissions = [a.command for a in arrivals if isinstance(a.command, Submission)]
    done = await submit(conn, submissions, random, claim)
    outcomes = iter(done.outcomes)
    settled = [(a, next(outcomes) if isinstance(a.command, Submission) else a.command) for a in arrivals]
    await parked.park(
        conn, [_row(a.message, outcome) for a, outcome in settled if isinstance(outcome, MessageRejected)]
    )
    answers = await _replies(conn, settled, done.publications)
    await outbox.insert(conn, answers, claim)
    return Intake([*done.publications, *answers], Counter(_kind(outcome) for _, outcome in settled))


def _kind(outcome: Outcome) -> str:
    if isinstance(outcome, MessageRejected):
        return f"parked_{outcome.code}"
    return outcome.contact.status if outcome.is_new else "repeated"


def _row(message: Incoming, why: MessageRejected) -> Parked:
    parked_id = new_id()
    key = storable(message.message_id)
    identity = repr((message.message_id, message.type, message.content_type)).encode() + message.body
    return Parked(
        id=parked_id,
        state=REJECTED,
        code=str(why.code),
        detail=why.detail.replace("\0", "\\0"),
        source=why.source,
        message_id=key if key and len(key) <= MAX_KEY_BYTES else None,
        body=message.body,
        properties=json.dumps(dict(message.properties), ensure_ascii=False, default=_plain),
        fingerprint=blake2b(identity, digest_size=16).digest(),
        attempts=1,
        created_at=time_of(parked_id),
    )


def _plain(value: object) -> object:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, (bytes, bytearray)) else str(value)


async def _replies(
    conn: AsyncConnection, settled: Sequence[tuple[Arrival, Outcome]], published: Sequence[Publication]
) -> list[Publication]:
    """The outcome for everybody who asked for it: the first event of the contact, again where it was known already."""
    asked = [(a.message, outcome) for a, outcome in settled if storable(a.message.reply_to)]
    bodies = {p.contact_id: p for p in published if p.sequence == 1}
    repeated = {o.contact.id for _, o in asked if isinstance(o, Submitted)} - set(bodies)
    bodies |= {p.contact_id: p for p in await first_events(conn, repeated)}
    return [_reply(message, outcome, bodies) for message, outcome in asked]


def _reply(message: Incoming, outcome: Outcome, bodies: Mapping[UUID | None, Publication]) -> Publication:
    reply_id = new_id()
    if isinstance(outcome, MessageRejected):
        kind, event_id = events.PARKED, str(reply_id)
        body = events.parked_body(reply_id, str(outcome.code), outcome.detail, message.message_id)
    else:
        event = bodies[outcome.contact.id]
        kind, event_id, body = event.type, event.message_id, event.body
    return Publication(
        id=reply_id,
        contact_id=None,
        sequence=0,
        message_id=event_id,
        type=kind,
        routing_key=message.reply_to or "",
        reply=True,
        correlation_id=storable(message.correlation_id) or storable(message.message_id),
        traceparent=traceparent_of(message.headers),
        body=body,
    )
