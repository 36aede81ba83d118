"""The outcome for senders who asked for one with reply_to."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution import events
from distribution.admin.contact_history import closing_events, first_events
from distribution.allocation.close import Closed
from distribution.allocation.result import Result
from distribution.errors import MessageRejected, ParkedCode
from distribution.events import Change, body_of
from distribution.ids import new_id
from distribution.intake.disclosure import event_for
from distribution.intake.process_commands import DecodedMessage, Outcome, Settled
from distribution.intake.submit import Submitted
from distribution.messages import Incoming, Submission, storable, traceparent_of
from distribution.store.outbox import Publication


async def replies_to(conn: AsyncConnection, done: Result[Settled], *, last_try: bool = False) -> list[Publication]:
    """A reply to everybody who asked: the event of the contact, made again where it was told before.

    It holds what the sender sent itself and nothing that others sent. Who is deferred hears nothing yet, unless this
    is the `last_try`.
    """
    asked = [(a, o) for a, o in done.outcomes if a.message.reply_to and (last_try or not _deferred(o))]
    if not asked:
        return []
    again = await _told_before(conn, [outcome for _, outcome in asked])
    bodies = {publication.id: publication.body for publication in done.publications}
    replies = []
    for arrival, outcome in asked:
        if isinstance(outcome, MessageRejected):
            replies.append(_parked(arrival.message, outcome))
        else:
            replies.append(_told(arrival, outcome.told or again[outcome.contact.id, type(outcome)], bodies))
    return replies


def _deferred(outcome: Outcome) -> bool:
    return isinstance(outcome, MessageRejected) and outcome.code == ParkedCode.UNKNOWN_CONTACT


async def _told_before(conn: AsyncConnection, outcomes: list[Outcome]) -> dict[tuple[UUID, type], Change]:
    """The events of contacts that were submitted or closed in earlier transactions."""
    submitted = {o.contact.id for o in outcomes if isinstance(o, Submitted) and o.told is None}
    closed = {o.contact.id for o in outcomes if isinstance(o, Closed) and o.told is None}
    first, closing = await first_events(conn, submitted), await closing_events(conn, closed)
    return {(c.contact_id, Submitted): c for c in first} | {(c.contact_id, Closed): c for c in closing}


def _told(arrival: DecodedMessage, change: Change, bodies: Mapping[UUID, bytes]) -> Publication:
    shown = event_for(change, arrival.command if isinstance(arrival.command, Submission) else None)
    # The very bytes of the event if nothing is left out: payloads may be large.
    body = bodies.get(change.id) if shown is change else None
    return _reply(arrival.message, new_id(), str(change.id), change.type, body or body_of(shown))


def _parked(message: Incoming, why: MessageRejected) -> Publication:
    reply_id = new_id()
    body = events.parked_body(reply_id, str(why.code), why.detail, storable(message.message_id))
    return _reply(message, reply_id, str(reply_id), events.PARKED, body)


def _reply(message: Incoming, reply_id: UUID, event_id: str, kind: str, body: bytes) -> Publication:
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
