"""The outcome for senders who asked for one with reply_to."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from distribution import events
from distribution.errors import MessageRejected, ParkedCode
from distribution.ids import new_id
from distribution.messages import Incoming, storable, traceparent_of
from distribution.services.close import Closed
from distribution.services.history import closing_events, first_events
from distribution.services.process import Outcome, Processed
from distribution.services.submit import Submitted
from distribution.store.outbox import Publication

Events = Mapping[tuple[UUID | None, bool], Publication]


async def replies_to(conn: AsyncConnection, done: Processed, *, last_try: bool = False) -> list[Publication]:
    """A reply to everybody who asked: the event of the contact, made again where it was told before.

    Who is deferred hears nothing yet, unless this is the `last_try`.
    """
    asked = [(a.message, o) for a, o in done.settled if storable(a.message.reply_to) and (last_try or not _deferred(o))]
    if not asked:
        return []
    known: dict[tuple[UUID | None, bool], Publication] = {
        (p.contact_id, p.type == events.CLOSED): p
        for p in done.publications
        if p.sequence == 1 or p.type == events.CLOSED
    }
    submitted = {o.contact.id for _, o in asked if isinstance(o, Submitted)}
    closed = {o.contact.id for _, o in asked if isinstance(o, Closed)}
    again = await first_events(conn, {i for i in submitted if (i, False) not in known})
    known |= {(p.contact_id, False): p for p in again}
    again = await closing_events(conn, {i for i in closed if (i, True) not in known})
    known |= {(p.contact_id, True): p for p in again}
    return [_reply(message, outcome, known) for message, outcome in asked]


def _deferred(outcome: Outcome) -> bool:
    return isinstance(outcome, MessageRejected) and outcome.code == ParkedCode.UNKNOWN_CONTACT


def _reply(message: Incoming, outcome: Outcome, known: Events) -> Publication:
    reply_id = new_id()
    if isinstance(outcome, MessageRejected):
        kind, event_id = events.PARKED, str(reply_id)
        body = events.parked_body(reply_id, str(outcome.code), outcome.detail, storable(message.message_id))
    else:
        event = known[outcome.contact.id, isinstance(outcome, Closed)]
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
